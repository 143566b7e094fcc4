"""One outline per state and severity, as inline SVG: nobody has to tell them apart by colour."""

import base64

from publisher.findings import Severity
from publisher.serving.status import State

_CHECK, _BANG, _CROSS = "m7.5 12.5 3 3 6-6.5", "M12 9.5v5M12 17.6v.01", "m8.5 8.5 7 7M15.5 8.5l-7 7"
_DISC = '<circle cx="12" cy="12" r="10" fill="{0}"/>'
_TRIANGLE = '<path d="M12 3 22 20.5H2Z" fill="{0}" stroke="{0}"/>'
_OCTAGON = '<path d="M8 2.5h8L21.5 8v8L16 21.5H8L2.5 16V8Z" fill="{0}"/>'
_CLOCK = '<circle cx="12" cy="12" r="9" stroke="{0}"/><path stroke="{0}" d="M12 7v5l3.5 2"/>'
_BROKEN_RING = '<circle cx="12" cy="12" r="9" stroke="{0}" stroke-dasharray="3 4.07"/>'
_INK = '<path class="ink" stroke="#fff" d="{}"/>'

_DRAWN = {
    State.FRESH: _DISC + _INK.format(_CHECK),
    State.DUE: _CLOCK,
    State.STALE: _TRIANGLE + _INK.format(_BANG),
    State.INVALID: _OCTAGON + _INK.format(_CROSS),
    State.EMPTY: _BROKEN_RING + '<path stroke="{0}" d="M8.5 12h7"/>',
    Severity.ERROR: _OCTAGON + _INK.format(_CROSS),
    Severity.WARNING: _TRIANGLE + _INK.format(_BANG),
    Severity.INFO: _DISC + _INK.format("M12 11.5v5M12 7.5v.01"),
}
_TAB_TONES = {  # legible on light and on dark tabs
    State.FRESH: "#1f9d66",
    State.DUE: "#d08a12",
    State.STALE: "#d5443a",
    State.INVALID: "#d5443a",
    State.EMPTY: "#80858e",
}


def shape(kind: State | Severity, size: int, tone: str = "currentColor") -> str:
    """Draw the outline of a state or severity, `size` pixels square. Words always stand beside it."""
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="shape" aria-hidden="true" width="{size}" '
        f'height="{size}" viewBox="0 0 24 24" fill="none" stroke-width="2" stroke-linecap="round" '
        f'stroke-linejoin="round">{_DRAWN[kind].format(tone)}</svg>'
    )


def tab_icon(state: State) -> str:
    """Give the state's outline as a `data:` address, for the browser's tab."""
    drawn = shape(state, 32, _TAB_TONES[state])
    return f"data:image/svg+xml;base64,{base64.b64encode(drawn.encode()).decode()}"
