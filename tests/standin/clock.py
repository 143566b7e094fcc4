"""The stand-in's time of day: the real one, moved forward by as much as a test asks for."""

import time


class MovableClock:
    """Tell Unix seconds. `move_to` only goes forward, as time does."""

    def __init__(self) -> None:
        self._ahead = 0.0

    def now(self) -> float:
        """Give the stand-in's time of day in Unix seconds."""
        return time.time() + self._ahead

    def move_to(self, moment: float) -> None:
        """Jump to that moment; one that has passed is no jump."""
        self._ahead += max(moment - self.now(), 0.0)
