"""Google's time of day in the tests: the real one, moved forward by as much as a test asks for."""

import time


class OffsetClock:
    """Tell Unix seconds. It goes forward only, until `reset`."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        return time.time() + self._ahead

    def advance(self, seconds: float) -> float:
        """Jump ahead and give the new time."""
        if seconds < 0:
            raise ValueError("the clock goes forward only")
        self._ahead += seconds
        return self.now()

    def reset(self) -> None:
        """Go back to the real time."""
        self._ahead = 0.0
