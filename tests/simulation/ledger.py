"""What is measured in a world, what must hold in it, and what excuses a delay."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.timeline import Timeline

MOST_VIOLATIONS = 20


@dataclass(eq=False)
class Impairment:
    """The times in which nobody could be expected to publish, as far as they have come."""

    timeline: Timeline
    _past: list[tuple[float, float]] = field(default_factory=list)
    _since: float | None = None

    def set(self, impaired: bool) -> None:
        now = self.timeline.now
        if impaired and self._since is None:
            self._since = now
        elif not impaired and self._since is not None:
            self._past.append((self._since, now))
            self._since = None

    def overlap(self, begin: float, end: float) -> float:
        """Give the seconds of impairment between two times."""
        total = max(0.0, end - max(begin, self._since)) if self._since is not None else 0.0
        for since, until in reversed(self._past):
            if until <= begin:
                break
            total += max(0.0, min(end, until) - max(begin, since))
        return total


@dataclass
class Longest:
    """The longest of some delays: as it was, and without the time in which nobody could publish."""

    raw: float = 0.0
    net: float = 0.0
    count: int = 0

    def add(self, raw: float, excused: float) -> None:
        self.raw, self.net = max(self.raw, raw), max(self.net, raw - excused)
        self.count += 1

    def merge(self, other: "Longest") -> None:
        self.raw, self.net = max(self.raw, other.raw), max(self.net, other.net)
        self.count += other.count


@dataclass
class Figures:
    """What one world, or many of them, came to. Times are seconds; all of it can be added up."""

    worlds: int = 0
    seconds: float = 0.0
    rotations: int = 0
    runs: int = 0
    presented: int = 0
    probed: int = 0
    bound: float = 0.0
    refused: Counter[tuple[str, str]] = field(default_factory=Counter)
    lead_held: int = 0
    writes: Counter[str] = field(default_factory=Counter)
    appeared: Longest = field(default_factory=Longest)
    readable: Longest = field(default_factory=Longest)
    accepted: dict[str, Longest] = field(default_factory=dict)
    mixed: Longest = field(default_factory=Longest)
    came_back: int = 0
    faults: Counter[str] = field(default_factory=Counter)
    violations: list[str] = field(default_factory=list)

    def merge(self, other: "Figures") -> None:
        for name in (
            "worlds",
            "seconds",
            "rotations",
            "runs",
            "presented",
            "probed",
            "lead_held",
            "came_back",
        ):
            setattr(self, name, getattr(self, name) + getattr(other, name))
        self.bound = max(self.bound, other.bound)
        self.refused.update(other.refused)
        self.writes.update(other.writes)
        self.faults.update(other.faults)
        for mine, theirs in (
            (self.appeared, other.appeared),
            (self.readable, other.readable),
            (self.mixed, other.mixed),
        ):
            mine.merge(theirs)
        for party, longest in other.accepted.items():
            self.accepted.setdefault(party, Longest()).merge(longest)
        self.violations.extend(other.violations)


@dataclass(eq=False)
class Ledger:
    """Keep the figures of one world, and its promises."""

    timeline: Timeline
    impairment: Impairment
    label: str
    figures: Figures = field(default_factory=Figures)
    trace: Callable[[str], object] | None = None

    def violated(self, what: str) -> None:
        if len(self.figures.violations) < MOST_VIOLATIONS:
            self.figures.violations.append(f"{self.label} at {self.timeline.now:.1f} s: {what}")
        self.note(f"VIOLATION: {what}")

    def note(self, what: str) -> None:
        if self.trace is not None:
            self.trace(f"{self.timeline.now:12.2f}  {what}")

    def expect(self, bound: float, holds: Callable[[], bool], what: str) -> None:
        """Demand that something holds within so many seconds; those of impairment do not count."""
        begun = self.timeline.now

        def look() -> None:
            if holds():
                return
            due = begun + bound + self.impairment.overlap(begun, self.timeline.now)
            if self.timeline.now >= due - 1e-6:
                self.violated(f"{what}, {self.timeline.now - begun:.1f} s after {begun:.1f}")
            else:
                self.timeline.at(due, look)

        self.timeline.after(bound, look)
