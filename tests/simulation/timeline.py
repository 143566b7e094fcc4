"""The time of the simulated world: a heap of events, and a clock that moves only when one is due."""

import heapq
import itertools
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

Action = Callable[[], object]

BEGIN = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)
"""Second 0 of every world."""


class Timeline:
    """Run events in the order of their times; equal times in the order in which they were made.

    An event may let time pass (`wait`): whatever falls due meanwhile then runs inside it. So a publisher that
    waits for its store is overtaken by others, as deep as `depth` counts.
    """

    def __init__(self) -> None:
        self.now = 0.0
        self.depth = 0
        self.events = 0
        self._order = itertools.count()
        self._heap: list[tuple[float, int, Action]] = []

    def at(self, time: float, action: Action) -> None:
        heapq.heappush(self._heap, (max(time, self.now), next(self._order), action))

    def after(self, seconds: float, action: Action) -> None:
        self.at(self.now + seconds, action)

    def wait(self, seconds: float) -> None:
        """Let time pass, and run what falls due."""
        end = self.now + seconds
        while self._heap and self._heap[0][0] <= end:
            time, _, action = heapq.heappop(self._heap)
            self.now = max(self.now, time)
            self.events += 1
            action()
        self.now = max(self.now, end)


class HostClock:
    """The clock of one host, which is `offset` seconds wrong: `publisher.ports.Clock`."""

    def __init__(self, timeline: Timeline, offset: float = 0.0) -> None:
        self._timeline, self.offset = timeline, offset

    def now(self) -> datetime:
        return BEGIN + timedelta(seconds=self._timeline.now + self.offset)

    def monotonic(self) -> float:
        return self._timeline.now

    def sleep(self, seconds: float) -> None:
        self._timeline.wait(seconds)
