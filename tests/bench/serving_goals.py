"""The goals of serving, and what was measured of each."""

import statistics
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tests.bench.contenders import KIDS, OURS_BARE, OURS_ON, STORAGE_ON, TRIVIAL_BARE, TRIVIAL_ON, provider

if TYPE_CHECKING:
    from tests.bench.serving import Row

_MIB = 1024 * 1024
_ON_FRAMEWORK, _BARE, _AHEAD, _START, _MEMORY = 0.85, 0.9, 1.0, 1.2, 100.0


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A number that shall be at least, or at most, another one."""

    text: str
    measured: float
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool:
        return (self.least is None or self.measured >= self.least) and (
            self.most is None or self.measured <= self.most
        )

    def figures(self) -> dict[str, Any]:
        measured = round(self.measured, 3)
        return {
            "goal": self.text,
            "measured": measured,
            "least": self.least,
            "most": self.most,
            "met": self.met,
        }

    def __str__(self) -> str:
        verdict = "met    " if self.met else "NOT MET"
        sign, bound = (">=", self.least) if self.least is not None else ("<=", self.most)
        return f"{verdict}  {self.measured:6.2f} {sign} {bound:<5g} {self.text}"


def judge(rows: Mapping[str, "Row"]) -> Iterator[Goal]:
    """Compare with every goal; nothing is asserted."""
    on, bare = rows[OURS_ON], rows[OURS_BARE]
    text = "requests per CPU second to the trivial target's, functions framework"
    yield Goal(text=text, measured=_rates(on, rows[TRIVIAL_ON]), least=_ON_FRAMEWORK)
    text = "requests per CPU second to the trivial application's, bare"
    yield Goal(text=text, measured=_rates(bare, rows[TRIVIAL_BARE]), least=_BARE)
    for number in (len(KIDS), 1):
        name = provider(number)
        if name in rows:
            text = f"requests per CPU second, bare, to {name}"
            yield Goal(text=text, measured=_rates(bare, rows[name]), least=_AHEAD)
    storage = rows[STORAGE_ON]
    for what in ("cpu", "wall"):
        pairs = zip(on.starts, storage.starts, strict=True)
        ratio = statistics.median(getattr(mine, what) / getattr(theirs, what) for mine, theirs in pairs)
        yield Goal(text=f"start, {what}: to a {STORAGE_ON}", measured=ratio, most=_START)
    for row in (on, bare):
        yield Goal(text=f"MiB after load: {row.contender.name}", measured=row.memory / _MIB, most=_MEMORY)


def _rates(mine: "Row", theirs: "Row") -> float:
    pairs = zip(mine.rates, theirs.rates, strict=True)
    return statistics.median(one / other for one, other in pairs)
