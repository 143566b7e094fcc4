"""Run blocking reads in threads of their own; those that never come back are counted, not piled up."""

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

from publisher.errors import SinkUnavailableError

if TYPE_CHECKING:
    from concurrent.futures import Future

READING = 10.0
"""Seconds that one refresh has for its reads."""

LOST = 3 * READING
"""Seconds after which a refresh is given up: looking a name up obeys no deadline."""

MOST_LOST = 4
"""How many reads that were given up may still hang before no further one is begun."""


def in_thread(work: Callable[[], None]) -> None:
    """Begin `work` in a thread that keeps no process alive.

    Raises:
        RuntimeError: the machine has no thread left.

    """
    threading.Thread(target=work, name="refresh", daemon=True).start()


class Reads:
    """Begin reads at one place (named printably). Called by one thread at a time."""

    def __init__(self, place: str, start: Callable[[Callable[[], None]], None] = in_thread) -> None:
        self._place = place
        self._start = start
        self._given_up: list[Future[None]] = []

    @property
    def hanging(self) -> int:
        """Count the reads that were given up and have not come back since."""
        self._given_up = [landed for landed in self._given_up if not landed.done()]
        return len(self._given_up)

    def begin(self, work: Callable[[], None], landed: "Future[None]") -> None:
        """Run `work` elsewhere; `landed` is done when it has ended, however it did.

        Raises:
            SinkUnavailableError: too many hang already, or no thread can be had.

        """
        if self.hanging >= MOST_LOST:
            what = f"{MOST_LOST} reads did not come back: none is begun before one does"
            raise SinkUnavailableError(self._place, what, "look at the network, or start a new instance")

        def run() -> None:
            try:
                work()
            finally:
                landed.set_result(None)

        landed.set_running_or_notify_cancel()
        try:
            self._start(run)
        except RuntimeError as error:
            what = "no thread could be started to read in"
            remedy = "give the instance more memory, or lower its concurrency"
            raise SinkUnavailableError(self._place, what, remedy) from error

    def give_up(self, landed: "Future[None]") -> None:
        """Count a read as lost until it comes back."""
        self._given_up.append(landed)

    def lost(self) -> SinkUnavailableError:
        """Say that a read was given up."""
        return SinkUnavailableError(self._place, "a read did not come back", "look at the network")
