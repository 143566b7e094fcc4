"""The machine's clock. Only `wiring` makes one."""

import time
from datetime import UTC, datetime

# A frozen instance must not believe that its snapshot is young: this clock counts while it is suspended.
_RUNNING = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock:
    """Implement `ports.Clock`."""

    def now(self) -> datetime:
        """Give the time of day in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.clock_gettime(_RUNNING)

    def sleep(self, seconds: float) -> None:
        """Wait for that long."""
        time.sleep(seconds)
