"""Publish at news, confirm by the clock, try again after failures, until told to stop."""

from collections.abc import Callable

from publisher.errors import ExitStatus
from publisher.ports import Bell, Call, Clock
from publisher.use_cases.pace import LEAST_GAP, Pace

SLICE = 5.0
"""The most seconds of one wait: only then can a machine that slept, or a clock that was set, be noticed."""

LEAST_JUMP = 30.0
"""Seconds by which the time of day must have run away from the monotonic clock to count as a jump."""


def watch(
    work: Callable[[], ExitStatus],
    *,
    bell: Bell,
    clock: Clock,
    pace: Pace,
    jumped: Callable[[float], None] = lambda _seconds: None,
) -> None:
    """Do `work`, one whole round of a publication, now and whenever it is due; return when told to stop.

    Rounds never overlap; news that come during one are one ring more. `jumped` is told when the machine slept
    or its clock was set, by how many seconds, and a round follows at once: connections and credentials may
    have died meanwhile. `work` raises nothing.
    """
    rest = _Rest(bell, clock, jumped)
    failures = 0
    while True:
        status = work()
        failures = 0 if status is ExitStatus.DONE else failures + 1
        ended = clock.monotonic()
        if rest.until(ended + pace.after(status, failures)) is Call.STOP:
            return
        while (left := ended + LEAST_GAP - clock.monotonic()) > 0:
            if bell.wait(left) is Call.STOP:
                return


class _Rest:
    """Wait between rounds, with an eye on the time of day."""

    def __init__(self, bell: Bell, clock: Clock, jumped: Callable[[float], None]) -> None:
        self._bell = bell
        self._clock = clock
        self._jumped = jumped
        self._offset = self._measure()

    def _measure(self) -> float:
        return self._clock.now().timestamp() - self._clock.monotonic()

    def until(self, end: float) -> Call:
        """Wait until that monotonic time, for news, for the stop, or for a jump, which counts as news."""
        while (left := end - self._clock.monotonic()) > 0:
            call = self._bell.wait(min(left, SLICE))
            if call is Call.STOP:
                return call
            offset = self._measure()
            jump, self._offset = offset - self._offset, offset
            if abs(jump) >= LEAST_JUMP:
                self._jumped(jump)
                return Call.NEWS
            if call is Call.NEWS:
                return call
        return Call.TIME
