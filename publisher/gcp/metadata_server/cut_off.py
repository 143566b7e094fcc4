"""Cut connections of `requests` off at a deadline: its own timeouts begin anew with every byte."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, Final

from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool

from publisher.ports import Deadline


class CutOff:
    """Shut down, at the deadline, whatever connection the exchange of this thread uses by then."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._sockets: list[socket.socket] = []
        self.is_due = False

    def watch(self, connected: Any) -> None:
        """Remember a connected socket by a duplicate: TLS detaches the one that it wraps."""
        with self._lock:
            duplicate = socket.socket(fileno=os.dup(connected.fileno()))
            self._sockets.append(duplicate)
            if self.is_due:
                _shut(duplicate)

    def fire(self) -> None:
        """Wake whoever waits for one of them."""
        with self._lock:
            self.is_due = True
            for one in self._sockets:
                _shut(one)

    def close(self) -> None:
        """Forget them; the connections stay open."""
        with self._lock:
            for one in self._sockets:
                one.close()
            self._sockets.clear()


_OF_THREAD: Final = threading.local()


@contextmanager
def cut_off(deadline: Deadline) -> Iterator[CutOff]:
    """Bound what this thread exchanges meanwhile through a `CuttingAdapter`."""
    cut = CutOff()
    timer = threading.Timer(deadline.remaining(), cut.fire)
    timer.daemon = True
    _OF_THREAD.cut = cut
    timer.start()
    try:
        yield cut
    finally:
        _OF_THREAD.cut = None
        timer.cancel()
        cut.close()


def _shut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)


def _watch(connected: Any) -> None:
    cut: CutOff | None = getattr(_OF_THREAD, "cut", None)
    if cut is not None and connected is not None:
        cut.watch(connected)


class _Watched(HTTPConnection):
    """Show its socket: a new one before TLS or a proxy's tunnel, a kept one before it is used again."""

    def _new_conn(self) -> socket.socket:
        made = super()._new_conn()
        _watch(made)
        return made

    def request(self, *arguments: Any, **named: Any) -> None:
        """Make a request."""
        _watch(self.sock)
        super().request(*arguments, **named)


class _WatchedTls(_Watched, HTTPSConnection):
    """Do so with TLS."""


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


_POOLS: Final = {"http": _Pool, "https": _TlsPool}


class CuttingAdapter(HTTPAdapter):
    """Have connections that `cut_off` can end, direct ones and those through a proxy."""

    def init_poolmanager(self, *arguments: Any, **named: Any) -> None:
        """Make the pools of direct connections."""
        super().init_poolmanager(*arguments, **named)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, *arguments: Any, **named: Any) -> Any:
        """Give the pools of a proxy's connections."""
        manager = super().proxy_manager_for(*arguments, **named)
        manager.pool_classes_by_scheme = _POOLS
        return manager
