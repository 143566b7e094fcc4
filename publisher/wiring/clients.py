"""One client of Cloud Storage for all rounds of `watch`: its connections stay open between them."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from publisher.errors import SinkConflictError, SinkError, SinkUnavailableError
from publisher.ports import Clock, Deadline

IDLE_SECONDS = 60.0
"""After so long without a request its connections are made anew: what lies between may have forgotten them,
and a request on such a one would wait for an answer that cannot come."""


@dataclass(slots=True)
class _Kept:
    client: Any
    last_used: float
    users: int = 0
    retired: bool = False


@dataclass(slots=True)
class Lease:
    """Be one round's hold on the client; `spoil` makes the next round open another one."""

    keeper: "ClientKeeper"
    deadline: Deadline
    taken: list[_Kept] = field(default_factory=list)

    def client(self) -> Any:
        """Give the client, the same one whenever this round asks.

        Raises:
            SinkError: as whoever opens it; the next round tries again.

        """
        if not self.taken:
            self.taken.append(self.keeper.take(self.deadline))
        return self.taken[0].client

    def spoil(self) -> None:
        """Say that this client may be what failed: its credentials or its authorities may be old."""
        for kept in self.taken:
            self.keeper.retire(kept)


@contextmanager
def spoiled(keeper: "ClientKeeper", deadline: Deadline) -> Iterator[Lease]:
    """Hold what one round takes, and spoil it if the round fails at its sink, a lost race excepted."""
    with keeper.lease(deadline) as lease:
        try:
            yield lease
        except SinkConflictError:
            raise
        except SinkError:
            lease.spoil()  # its credentials or authorities may have been renewed meanwhile
            raise


class ClientKeeper:
    """Keep one client for many threads, and close it only when nobody uses it any more.

    `close` ends its connections; as with Google's own, a client so closed makes new ones when it is used.
    """

    def __init__(
        self,
        clock: Clock,
        *,
        open_client: Callable[[], Any],
        close: Callable[[Any], object],
    ) -> None:
        self._clock = clock
        self._open, self._close = open_client, close
        self._lock = threading.Lock()
        self._opening = threading.Lock()
        self._kept: _Kept | None = None

    @contextmanager
    def lease(self, deadline: Deadline) -> Iterator[Lease]:
        """Hold what one round takes; nothing is opened before it is asked for."""
        lease = Lease(self, deadline)
        try:
            yield lease
        finally:
            for kept in lease.taken:
                self._give_back(kept)

    def drop(self) -> None:
        """Let later rounds open another client; the one there is closed when its last user is done."""
        with self._lock:
            kept = self._kept
        if kept is not None:
            self.retire(kept)

    def take(self, deadline: Deadline) -> _Kept:
        """Count one more user of the client, which is opened if there is none.

        Raises:
            SinkError: as whoever opens it, or another thread has been opening one until the deadline.

        """
        if (kept := self._take()) is not None:
            return kept
        if not self._opening.acquire(timeout=deadline.remaining()):
            raise SinkUnavailableError(
                "client of Cloud Storage",
                "another publication's round is still looking for credentials",
                "look at what Google's metadata server, or the credentials' own program, waits for",
            )
        try:
            if (kept := self._take()) is not None:
                return kept
            kept = _Kept(self._open(), self._clock.monotonic(), users=1)
            with self._lock:
                self._kept = kept
            return kept
        finally:
            self._opening.release()

    def retire(self, kept: _Kept) -> None:
        """Give this client to nobody any more, and close it as soon as nobody has it."""
        with self._lock:
            kept.retired, unused = True, kept.users == 0 and not kept.retired
            if self._kept is kept:
                self._kept = None
        if unused:
            self._close(kept.client)

    def _take(self) -> _Kept | None:
        with self._lock:
            kept = self._kept
            if kept is None:
                return None
            if not kept.users and self._clock.monotonic() - kept.last_used > IDLE_SECONDS:
                self._close(kept.client)
            kept.users += 1
            return kept

    def _give_back(self, kept: _Kept) -> None:
        with self._lock:
            kept.users -= 1
            kept.last_used = self._clock.monotonic()
            last = kept.retired and not kept.users
        if last:
            self._close(kept.client)
