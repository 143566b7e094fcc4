"""The system's clock, for tests that wait for real sockets, locks and threads."""

import time
from datetime import UTC, datetime

from publisher.ports import Deadline


class RealClock:
    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)


def soon(seconds: float = 20.0) -> Deadline:
    """A deadline that no healthy test meets."""
    return Deadline(RealClock(), seconds)
