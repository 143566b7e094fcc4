"""Signals and wake-ups of a service, in its main thread: one pipe for both, and no lock in a handler."""

import os
import select
import signal
from contextlib import suppress
from types import FrameType, TracebackType
from typing import Self

_HEEDED = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)


class Signals:
    """Take SIGTERM, SIGINT and SIGHUP while the block runs; `wait` wakes at each of them, and at `wake`.

    The handlers only note the number: setting an event in one could wait for ever for a lock that the main
    thread holds already.
    """

    def __init__(self) -> None:
        self._read, self._write = os.pipe()
        for end in (self._read, self._write):
            os.set_blocking(end, False)
        self._noted: list[int] = []

    def __enter__(self) -> Self:
        self._old_pipe = signal.set_wakeup_fd(self._write, warn_on_full_buffer=False)
        self._old = {number: signal.signal(number, self._note) for number in _HEEDED}
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(self._old_pipe)
        # The pipe stays open: threads that are left behind may still write, and not into another's file.

    def wake(self) -> None:
        """End the wait that is under way, or the next one; from any thread."""
        with suppress(BlockingIOError):  # full: it is awake
            os.write(self._write, b"\0")

    def wait(self, seconds: float) -> None:
        """Wait for a signal, a wake-up, or so many seconds."""
        select.select([self._read], [], [], seconds)
        with suppress(BlockingIOError):
            while os.read(self._read, 4096):
                pass

    def taken(self) -> tuple[int, ...]:
        """Give the signals that came since this was asked last, in order."""
        count = len(self._noted)
        taken, self._noted[:count] = tuple(self._noted[:count]), []
        return taken

    def _note(self, number: int, _frame: FrameType | None) -> None:
        self._noted.append(number)
