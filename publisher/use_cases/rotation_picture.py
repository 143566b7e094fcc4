"""One rotation as a picture: SVG that reads in light and dark, without script, font or anything fetched."""

from collections.abc import Iterator
from datetime import timedelta
from html import escape
from typing import Final

from publisher.publication.lead_time import Verdict
from publisher.publication.spans import span
from publisher.use_cases.explain import Explanation, Part

WIDTH, HEIGHT = 960, 512
_LEFT, _RIGHT = 168, 936
_BEFORE, _AFTER = 0.06, 0.22
_LANES: Final = (("Old key", 112), ("New key", 166), ("Relying parties", 220))
_BAR, _LANES_END = 34, 266
_PARTS_TOP, _PARTS_BAR = 342, 24
_LEAST_LABEL = 62
_ROW, _COLUMNS = 24, 3

_STYLE = """\
svg{--paper:#fff;--ink:#1d2129;--soft:#5c6470;--line:#d5d9e0;--signs:#2456b8;--waits:#b9cdf5;--rests:#dfe3ea;
--good:#1a7f4b;--warn:#b25e00;--bad:#b3261e;--on:#fff}
@media(prefers-color-scheme:dark){svg{--paper:#14171c;--ink:#e8eaee;--soft:#a2abb8;--line:#39404b;
--signs:#7da7f7;--waits:#2c4a85;--rests:#2b313a;--good:#4cc38a;--warn:#f0a04b;--bad:#f2837b;--on:#14171c}}
text{font:14px/1 system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:var(--ink)}
.h{font-size:17px;font-weight:650}.s{font-size:13px;fill:var(--soft)}.b{font-weight:600}
.on{fill:var(--on)}.paper{fill:var(--paper)}
.signs{fill:var(--signs)}.waits{fill:var(--waits)}.rests{fill:var(--rests)}
.safe{fill:var(--good)}.thin{fill:var(--warn)}.never{fill:var(--bad)}.lacks{fill:var(--warn)}.has{fill:var(--good)}
.gone{fill:none;stroke:var(--soft);stroke-dasharray:4 4}
.mark{stroke:var(--soft);stroke-dasharray:2 3}.edge{stroke:var(--paper);stroke-width:2}
.p0{fill:#6b4fbb}.p1{fill:#2456b8}.p2{fill:#0e7490}.p3{fill:#1a7f4b}.p4{fill:#96660b}.p5{fill:#a33b61}
"""


def draw(explanation: Explanation) -> bytes:
    """Draw the rotation to scale, and below it what a new key needs. Pure: equal arguments, equal bytes."""
    title = (
        f"One rotation with {explanation.life}: {span(explanation.lead)} of lead time,"
        f" {span(explanation.outlook.needed)} needed; {explanation.verdict}"
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" role="img">',
        f"<title>{escape(title)}</title>",
        f"<style>\n{_STYLE}</style>",
        f'<rect class="paper" width="{WIDTH}" height="{HEIGHT}"/>',
        *_Rotation(explanation).lines(),
        *_needs(explanation),
        "</svg>",
    ]
    return "".join(f"{line}\n" for line in lines).encode()


class _Rotation:
    """Draw the life of two keys, to scale, and from when on relying parties have the new one."""

    def __init__(self, explanation: Explanation) -> None:
        self._explained = explanation
        self._whole = explanation.old_expires

    def lines(self) -> Iterator[str]:
        explained = self._explained
        lead, needed, expires = explained.lead, explained.outlook.needed, self._whole
        yield _text(24, 34, f"One rotation, {explained.life}", "h")
        for at, first, second in (
            (timedelta(0), "prepared", "0 s"),
            (lead, "activated", f"after {span(lead)}"),
            (expires, "old key expires", f"after {span(expires)}"),
        ):
            yield f'<path class="mark" d="M{self._x(at)} 98V{_LANES_END}"/>'
            yield _text(self._x(at), 74, first, "b", "middle")
            yield _text(self._x(at), 92, second, "s", "middle")
        for name, top in _LANES:
            yield _text(24, top + 22, name, "b")
        old, new, readers = (top for _, top in _LANES)
        yield from self._bar(old, "signs", None, lead, "signs")
        yield from self._bar(old, "rests", lead, expires, "its tokens are good")
        yield from self._bar(old, "gone", expires, None, "in the bundle")
        yield from self._bar(new, "waits", timedelta(0), lead, "in the bundle, signs nothing: lead time")
        yield from self._bar(new, "signs", lead, None, "signs")
        yield from self._bar(readers, "lacks", timedelta(0), needed, "some lack it")
        yield from self._bar(readers, "has", needed, None, "every one of them has the new key")
        yield _text(
            max(self._x(needed), self._x(timedelta(0))),
            _LANES_END + 18,
            f"all have it after {span(needed)} at the latest",
            "s",
            "end" if self._x(needed) > (_LEFT + _RIGHT) / 2 else "start",
        )

    def _x(self, at: timedelta) -> float:
        share = (at / self._whole + _BEFORE) / (1 + _BEFORE + _AFTER)
        return round(_LEFT + (_RIGHT - _LEFT) * min(max(share, 0.0), 1.0), 1)

    def _bar(
        self, top: int, kind: str, begin: timedelta | None, end: timedelta | None, label: str
    ) -> Iterator[str]:
        left = _LEFT if begin is None else self._x(begin)
        right = _RIGHT if end is None else self._x(end)
        width = round(right - left, 1)
        yield f'<rect class="{kind}" x="{left}" y="{top}" width="{width}" height="{_BAR}" rx="3"/>'
        if width >= 8 * len(label):
            tone = "on" if kind in {"signs", "lacks", "has"} else ""
            yield _text(round((left + right) / 2, 1), top + 22, label, tone, "middle")


def _needs(explanation: Explanation) -> Iterator[str]:
    outlook = explanation.outlook
    yield _text(24, _PARTS_TOP - 16, f"What a new key needs, at the worst: {span(outlook.needed)}", "h")
    x, whole = 24.0, WIDTH - 48
    for number, part in enumerate(explanation.parts):
        width = whole * (part.period / outlook.needed) if outlook.needed else 0.0
        yield (
            f'<rect class="p{number} edge" x="{round(x, 1)}" y="{_PARTS_TOP}" width="{round(width, 1)}"'
            f' height="{_PARTS_BAR}"/>'
        )
        x += width
    top = _PARTS_TOP + _PARTS_BAR + 12
    for number, part in enumerate(explanation.parts):
        yield from _legend(number, part, 24 + 304 * (number % _COLUMNS), top + _ROW * (number // _COLUMNS))
    end = top + 2 * _ROW + 26
    tone = {Verdict.SAFE: "safe", Verdict.THIN: "thin", Verdict.NEVER: "never"}[outlook.verdict]
    available = f"It has {span(outlook.available)} at the least. {explanation.verdict.capitalize()}."
    yield _text(24, end, available, f"b {tone}")
    revoked = f"A revoked key is accepted for up to {span(explanation.exposure)},"
    yield _text(
        24, end + 24, f"{revoked} by go-oidc (Vault, Kubernetes) until it restarts or meets a new key."
    )


def _legend(number: int, part: Part, x: int, y: int) -> Iterator[str]:
    yield f'<rect class="p{number}" x="{x}" y="{y}" width="12" height="12" rx="2"/>'
    yield _text(x + 20, y + 11, f"{part.name} {span(part.period)}")


def _text(x: float, y: float, words: str, kind: str = "", anchor: str = "start") -> str:
    named = f' class="{kind}"' if kind else ""
    anchored = f' text-anchor="{anchor}"' if anchor != "start" else ""
    return f'<text{named} x="{x}" y="{y}"{anchored}>{escape(words)}</text>'
