"""The goals of the project, and what was measured of each."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.bench.measure import Row
from tests.bench.scenarios import FEW, FLOOR, HELP, KEYS, PUBLICATIONS, nothing

_OF_FLOOR, _HELP_OF_FLOOR, _REQUESTS, _MANY_OF_ONE = 1.1, 0.2, 4, 5.0
_BEND = 1.25
"""How much dearer the second half of a size may be than the first: our own bound for "linear"."""


@dataclass(frozen=True, kw_only=True)
class Goal:
    """A number that shall be at most another one."""

    text: str
    measured: float
    most: float

    @property
    def met(self) -> bool:
        return self.measured <= self.most

    def __str__(self) -> str:
        verdict = "met    " if self.met else "NOT MET"
        return f"{verdict}  {self.measured:6.2f} <= {self.most:<5g} {self.text}"


def judge(rows: Mapping[str, Row]) -> Iterator[Goal]:
    """Compare with every goal; nothing is asserted."""
    floor = rows[FLOOR]
    one = rows[nothing()]
    live = [row for name, row in rows.items() if name.startswith("nothing to do, workload-api")]
    for row in (one, *live):
        yield Goal(text=f"CPU to the floor's: {row.scenario.name}", measured=row.to(floor), most=_OF_FLOOR)
        yield Goal(text=f"GCS requests: {row.scenario.name}", measured=row.requests or 0, most=_REQUESTS)
    yield Goal(text="CPU to the floor's: --help", measured=rows[HELP].to(floor), most=_HELP_OF_FLOOR)
    many = rows[nothing(FEW, PUBLICATIONS[-1])]
    text = f"CPU of {PUBLICATIONS[-1]} publications to that of one"
    yield Goal(text=text, measured=many.to(one), most=_MANY_OF_ONE)
    by_keys = {number: rows[nothing(number)] for number in KEYS}
    yield Goal(text="linear in keys: CPU a key, upper half to lower", measured=bend(by_keys), most=_BEND)
    by_publications = {number: rows[nothing(FEW, number)] for number in PUBLICATIONS}
    text = "linear in publications: CPU a publication, upper half to lower"
    yield Goal(text=text, measured=bend(by_publications), most=_BEND)


def bend(rows: Mapping[int, Row]) -> float:
    """Give the cost of one more in the upper half to that in the lower: 1 is a straight line."""
    (low, small), (middle, medium), (high, large) = sorted(
        (number, row.least_cpu) for number, row in rows.items()
    )
    lower = (medium - small) / (middle - low)
    upper = max(large - medium, 0.0) / (high - middle)
    return upper / lower if lower > 0 else float("inf")
