"""Time lines as inline SVG: no style, no script; widths in per cent, so that text keeps its size."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from publisher.serving.plain_time import DAY, HOUR, tick

FARTHEST = timedelta(days=400)
"""How far from now a time is still drawn to scale; one beyond that ends at the edge, open."""

_STEPS = (HOUR, 2 * HOUR, 3 * HOUR, 6 * HOUR, 12 * HOUR, DAY, 2 * DAY, 7 * DAY, 14 * DAY)
_LONGEST_STEPS = (30 * DAY, 60 * DAY, 120 * DAY, 240 * DAY)
_MOST_MARKS = 4
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """Map `start`..`end` to 0..100 per cent; `start` is before `end`, and `now` between them."""

    start: datetime
    end: datetime
    now: datetime

    def at(self, moment: datetime) -> float:
        """Give the place of a moment in per cent, held within the edges."""
        return min(max(100 * ((moment - self.start) / (self.end - self.start)), 0.0), 100.0)


def scale_for(times: Iterable[datetime | None], now: datetime) -> Scale:
    """Choose a scale that holds now and all known times up to `FARTHEST`, with a little air around."""
    known = [now, *(time for time in times if time is not None and abs(time - now) <= FARTHEST)]
    start, end = min(known), max(known)
    air = max((end - start) * 0.04, timedelta(minutes=30))
    return Scale(start=start - air, end=end + air, now=now)


def key_bar(scale: Scale, first: datetime | None, expiry: datetime | None, label: str) -> str:
    """Draw one key's life: what is spent of it, what is left, and now. A side that is unknown is dashed.

    `label` is the text alternative; it must be HTML already.
    """
    now, parts = scale.at(scale.now), ['<rect class="track" y="9" width="100%" height="2" rx="1"/>']
    begin, end = scale.at(first or scale.start), scale.at(expiry or scale.end)
    if expiry is not None and expiry <= scale.now:
        parts.append(_bar("gone", min(begin, end), end) if first else _dashes(0, end))
    else:
        middle = max(now, begin)
        parts.append(_bar("spent", begin, middle) if first else _dashes(0, now))
        parts.append(_bar("left", middle, end) if expiry else _dashes(middle, 100))
    parts.append(f'<line class="now" x1="{now:.2f}%" x2="{now:.2f}%" y1="0" y2="20"/>')
    return f'<svg role="img" aria-label="{label}" width="100%" height="20">{"".join(parts)}</svg>'


def axis_top(scale: Scale) -> str:
    """Draw the word "now" above the bars."""
    text = _text(scale.at(scale.now), 13, "now")
    return f'<svg class="today" aria-hidden="true" width="100%" height="18">{text}</svg>'


def axis_bottom(scale: Scale) -> str:
    """Draw at most four round moments below the bars, in UTC."""
    parts = []
    for moment, step in _marks(scale):
        place = scale.at(moment)
        parts.append(f'<line class="mark" x1="{place:.2f}%" x2="{place:.2f}%" y1="0" y2="5"/>')
        parts.append(_text(place, 18, tick(moment, step)))
    return f'<svg aria-hidden="true" width="100%" height="22">{"".join(parts)}</svg>'


def watch_bar(bounds: tuple[datetime, datetime, datetime, datetime], now: datetime, label: str) -> str:
    """Draw four equal quarters, fresh, due, stale and refused, and a pin where now is.

    `bounds` are their beginnings. Not to scale between quarters: due after minutes and refused after days
    are both to be seen. The last quarter has no end; its pin stands in the middle. `label` must be HTML.
    """
    quarters = len(bounds)
    quarter = max((number for number, bound in enumerate(bounds) if bound <= now), default=0)
    within = 0.5
    if quarter < quarters - 1 and bounds[quarter + 1] > bounds[quarter]:
        within = min(max((now - bounds[quarter]) / (bounds[quarter + 1] - bounds[quarter]), 0.0), 1.0)
    pin = min(max(25 * (quarter + within), 1.5), 98.5)
    rects = "".join(
        f'<rect class="quarter q{number}{" here" if number == quarter else ""}" x="{25 * number}%" y="6" '
        f'width="{24.3 if number < quarters - 1 else 25}%" height="8" rx="4"/>'
        for number in range(quarters)
    )
    pinned = f'<circle class="pin" cx="{pin:.2f}%" cy="10" r="8"/>'
    return f'<svg role="img" aria-label="{label}" width="100%" height="20">{rects}{pinned}</svg>'


def _bar(kind: str, begin: float, end: float) -> str:
    width = max(end - begin, 0.4)  # so that a short life is seen
    begin = min(begin, 100 - width)
    return f'<rect class="{kind}" x="{begin:.2f}%" y="5" width="{width:.2f}%" height="10" rx="3"/>'


def _dashes(begin: float, end: float) -> str:
    return f'<line class="open" x1="{begin:.2f}%" x2="{end:.2f}%" y1="10" y2="10"/>'


def _text(place: float, height: int, words: str) -> str:
    anchor = "start" if place < 8 else "end" if place > 92 else "middle"  # noqa: PLR2004  # per cent of the width
    return f'<text x="{place:.2f}%" y="{height}" text-anchor="{anchor}">{words}</text>'


def _marks(scale: Scale) -> list[tuple[datetime, int]]:
    span = (scale.end - scale.start) / timedelta(seconds=1)
    step = next((step for step in _STEPS + _LONGEST_STEPS if span / step <= _MOST_MARKS), _LONGEST_STEPS[-1])
    first = int((scale.start - _EPOCH) / timedelta(seconds=step)) + 1
    moments = (_EPOCH + timedelta(seconds=step * number) for number in range(first, first + _MOST_MARKS))
    return [(moment, step) for moment in moments if moment <= scale.end]
