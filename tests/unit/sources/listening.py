"""A listener at work in a thread, its rings counted."""

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from publisher.ports import Listener

if TYPE_CHECKING:
    from collections.abc import Callable

PATIENCE = 20.0
_POLL = 0.01


class Listening:
    """Let a listener listen until the `with` block ends, and require that it then returns in time.

    Every ring is counted, and calls `also`.
    """

    def __init__(self, listener: Listener) -> None:
        self.rings = 0
        self.also: Callable[[], None] = lambda: None
        self.stop = threading.Event()
        self.error: BaseException | None = None
        self.seconds_to_stop = 0.0
        self._listener = listener
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        began = time.monotonic()
        self.stop.set()
        self._thread.join(PATIENCE)
        self.seconds_to_stop = time.monotonic() - began
        if error is None:
            assert not self._thread.is_alive()
            assert self.error is None
            # The contract says one second; the machine may have been busy with something else.
            assert self.seconds_to_stop < 5

    def _run(self) -> None:
        try:
            self._listener.listen(self._ring, self.stop)
        except BaseException as error:  # noqa: BLE001 (asserted on by the test's own thread)
            self.error = error

    def _ring(self) -> None:
        self.rings += 1
        self.also()

    def has_rung(self, times: int, *, within: float = PATIENCE) -> bool:
        """Tell whether it has rung so often, at the latest `within` so many seconds."""
        end = time.monotonic() + within
        while self.rings < times and time.monotonic() < end:
            time.sleep(_POLL)
        return self.rings >= times

    def stays_silent(self, seconds: float = 0.3) -> bool:
        """Tell whether nothing more is heard for so long."""
        before = self.rings
        time.sleep(seconds)
        return self.rings == before


class CountedStop:
    """A stop that comes instead of the pause of that number, from 1; no pause takes any time."""

    def __init__(self, at_pause: int) -> None:
        self.pauses: list[float] = []
        self._at_pause = at_pause
        self._set = threading.Event()

    def is_set(self) -> bool:
        return self._set.is_set()

    def wait(self, timeout: float | None = None) -> bool:
        if timeout is None:
            return self._set.wait()
        self.pauses.append(timeout)
        if len(self.pauses) >= self._at_pause:
            self._set.set()
        return self._set.is_set()


def pauses_of(listener: Listener, number: int) -> tuple[list[float], int]:
    """Let it listen until its pause of that number; give all pauses, and how often it rang."""
    stop = CountedStop(number)
    rings = 0

    def ring() -> None:
        nonlocal rings
        rings += 1

    listener.listen(ring, stop)
    return stop.pauses, rings
