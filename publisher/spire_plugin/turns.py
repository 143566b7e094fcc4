"""One publication's turns: a thread that works on one push at a time, and callers who wait for it."""

import threading
from collections.abc import Callable

from publisher.bundle.fetched import Fetched
from publisher.errors import ExitStatus, PublisherError, SourceUnavailableError
from publisher.last_net import unexpected
from publisher.logs import publication_name
from publisher.ports import Clock


class OutOfTimeError(PublisherError):
    """Report work that had not ended when its time was over."""

    exit_status = ExitStatus.TEMPORARY


class Turn:
    """Be the work on one push, or on the newest of several that came meanwhile."""

    def __init__(self, pushed: Fetched) -> None:
        self.pushed = pushed
        self._ended = threading.Event()
        self._error: PublisherError | None = None

    def end(self, error: PublisherError | None) -> None:
        """Say what it came to; None: published."""
        self._error = error
        self._ended.set()

    def wait(self, seconds: float) -> PublisherError | None:
        """Wait for the end, and give what it came to; None: published."""
        if not self._ended.wait(seconds):
            return OutOfTimeError(
                "publication",
                f"no end within {seconds:.0f} s; a write may have been done or not",
                "look at what the sink waits for; the next tick finishes it",
            )
        return self._error


class Turns:
    """Work on pushes one after the other, in a thread of its own; newer ones replace those that wait.

    `work` gives the error, or None; `accepted` is told each push that will be worked on, at once.
    """

    def __init__(
        self,
        name: str | None,
        work: Callable[[Fetched], PublisherError | None],
        *,
        accepted: Callable[[Fetched], None],
        clock: Clock,
    ) -> None:
        self.name = name
        self._work, self._accepted, self._clock = work, accepted, clock
        self._changed = threading.Condition()
        self._running: Turn | None = None
        self._waiting: Turn | None = None
        self._since = 0.0
        self._closed = False
        self._thread = threading.Thread(target=self._run, name=f"publication {name or ''}", daemon=True)
        self._thread.start()

    def push(self, pushed: Fetched) -> Turn:
        """Give the turn that will work on this push, or on a newer one.

        An older bundle than one that is under way or waits has nothing to add; if it is no straggler, the
        next tick brings it again.
        """
        with self._changed:
            if self._closed:
                return _closed(pushed)
            for turn in (self._running, self._waiting):
                if turn is not None and (
                    turn.pushed.bundle == pushed.bundle or _number(turn.pushed) > _number(pushed)
                ):
                    return turn
            self._accepted(pushed)
            if self._waiting is None:
                self._waiting = Turn(pushed)
                self._changed.notify()
            else:
                self._waiting.pushed = pushed
            return self._waiting

    def hangs_for(self) -> float:
        """Give the seconds since which the present work lasts; 0: nothing is under way."""
        with self._changed:
            return self._clock.monotonic() - self._since if self._running is not None else 0.0

    def close(self) -> None:
        """Take no more pushes; the thread ends after what is under way."""
        with self._changed:
            self._closed = True
            self._changed.notify()

    def _run(self) -> None:
        publication_name.set(self.name)
        while (turn := self._next()) is not None:
            try:
                error = self._work(turn.pushed)
            except Exception as mistake:  # noqa: BLE001 (the last net: SPIRE would see its text)
                error = unexpected(mistake, louder="set verbose = true", next_time="tick")
            with self._changed:
                self._running = None
            turn.end(error)

    def _next(self) -> Turn | None:
        with self._changed:
            while self._waiting is None and not self._closed:
                self._changed.wait()
            turn, self._waiting = self._waiting, None
            if self._closed and turn is not None:
                turn.end(_closed(turn.pushed).wait(0))
                return None
            self._running, self._since = turn, self._clock.monotonic()
            return turn


def _number(pushed: Fetched) -> int:
    return pushed.bundle.sequence_number or 0


def _closed(pushed: Fetched) -> Turn:
    turn = Turn(pushed)
    turn.end(
        SourceUnavailableError(
            "plugin", "was configured anew meanwhile", "nothing to do: the next tick publishes"
        )
    )
    return turn
