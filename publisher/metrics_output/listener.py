"""Serve the metrics on loopback: two paths, two threads, small requests, one answer a connection."""

import ipaddress
import socket
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from http import HTTPStatus
from typing import Final

from publisher.errors import SettingsError
from publisher.quoting import quote
from publisher.serving.exposition import PROMETHEUS

MOST_AT_ONCE: Final = 2
"""How many connections are answered at once; a few more wait, the system refuses the rest."""

LARGEST_REQUEST: Final = 8192
"""The most bytes of a request line and its headers."""

SECONDS_EACH: Final = 2.0
"""How long a connection may take to ask, and again to take its answer."""

_WAITING = 8
_LAST_PORT = 65535
_PLAIN = "text/plain; charset=utf-8"
_LONGEST_JOIN = 0.4


class MetricsListener:
    """Answer `GET /metrics` with `text()`, and `GET /-/healthy` with 200 or 503 by `healthy()`.

    Loopback only, for Prometheus on this host or a proxy that asks who is there. A browser of this host can
    be led here by a name that a stranger resolves to loopback, so `Host` has to be a loopback address itself
    or `localhost`. No keep-alive, no body, no version of ours or of Python in the answer.

    Raises:
        SettingsError: the address is not loopback, or cannot be bound.

    """

    def __init__(
        self, host: str, port: int, *, text: Callable[[], bytes], healthy: Callable[[], bool]
    ) -> None:
        self._text = text
        self._healthy = healthy
        where = f"--metrics-listen {host}:{port}"
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            address = None
        if address is None or not address.is_loopback:
            raise SettingsError(where, "is no loopback address", "set it to 127.0.0.1:PORT or [::1]:PORT")
        if not 0 <= port <= _LAST_PORT:
            raise SettingsError(where, "no port has that number", "choose a free port, from 1024 up")
        family = socket.AF_INET if address.version == 4 else socket.AF_INET6  # noqa: PLR2004
        try:
            self._socket = socket.create_server((host, port), family=family, backlog=_WAITING)
        except OSError as error:
            what = (error.strerror or quote(str(error))).lower()
            raise SettingsError(where, what, "choose a free port, from 1024 up") from error
        self._closed = threading.Event()
        self._threads = [
            threading.Thread(target=self._serve, name=f"metrics {number}", daemon=True)
            for number in range(MOST_AT_ONCE)
        ]

    @property
    def address(self) -> tuple[str, int]:
        """Give the address that is listened at."""
        host, port, *_ = self._socket.getsockname()
        return host, port

    def start(self) -> None:
        """Begin to answer."""
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End within a second: nobody is accepted any more; who still talks is left to the process."""
        self._closed.set()
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)  # wakes the threads; closing alone does not
        self._socket.close()
        for thread in self._threads:
            if thread.ident is not None:
                thread.join(_LONGEST_JOIN)

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                # Closed; or out of descriptors, and then a pause, for this is no busy loop.
                if self._closed.wait(SECONDS_EACH):
                    return
                continue
            # A client that goes away or dawdles is its own affair.
            with connection, suppress(OSError):
                self._answer(connection)

    def _answer(self, connection: socket.socket) -> None:
        status, media_type, body = self._content(_read_head(connection))
        headers = [
            f"HTTP/1.1 {status.value} {status.phrase}",
            f"Content-Type: {media_type}",
            f"Content-Length: {len(body)}",
            "Cache-Control: no-store",
            "X-Content-Type-Options: nosniff",
            "Connection: close",
            *(["Allow: GET"] if status is HTTPStatus.METHOD_NOT_ALLOWED else []),
        ]
        connection.settimeout(SECONDS_EACH)  # of sendall as a whole
        connection.sendall("\r\n".join([*headers, "", ""]).encode() + body)
        connection.shutdown(socket.SHUT_WR)

    def _content(self, head: bytes | None) -> tuple[HTTPStatus, str, bytes]:
        status = HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE if head is None else _judge(head)
        if head is not None and status is HTTPStatus.OK:
            if head.split(b" ", 2)[1] == b"/metrics":
                return status, PROMETHEUS, self._text()
            if not self._healthy():
                status = HTTPStatus.SERVICE_UNAVAILABLE
        return status, _PLAIN, f"{status.phrase}\n".encode()


def _read_head(connection: socket.socket) -> bytes | None:
    """Read up to the empty line; None: it has not come within the bound.

    Raises:
        OSError: not in time, or the client went away.

    """
    end = time.monotonic() + SECONDS_EACH
    head = b""
    while b"\r\n\r\n" not in head:
        if len(head) > LARGEST_REQUEST:
            return None
        connection.settimeout(max(end - time.monotonic(), 0.001))
        part = connection.recv(LARGEST_REQUEST)
        if not part:
            raise ConnectionResetError
        head += part
    return head.partition(b"\r\n\r\n")[0]


def _judge(head: bytes) -> HTTPStatus:
    """Say what a request deserves, before anything is rendered for it."""
    first, *lines = head.split(b"\r\n")
    words = first.split(b" ")
    hosts = [
        value.strip()
        for name, _, value in (line.partition(b":") for line in lines)
        if name.lower() == b"host"
    ]
    if len(words) != 3 or words[2] not in {b"HTTP/1.1", b"HTTP/1.0"} or len(hosts) != 1:  # noqa: PLR2004
        return HTTPStatus.BAD_REQUEST
    if not _is_local(hosts[0].decode("latin-1")):
        return HTTPStatus.MISDIRECTED_REQUEST
    if words[0] != b"GET":
        return HTTPStatus.METHOD_NOT_ALLOWED
    return HTTPStatus.OK if words[1] in {b"/metrics", b"/-/healthy"} else HTTPStatus.NOT_FOUND


def _is_local(host: str) -> bool:
    name, _, port = host.rpartition(":") if host.rfind(":") > host.rfind("]") else (host, "", "")
    if port and not (port.isascii() and port.isdecimal()):
        return False
    if name.lower() == "localhost":
        return True
    try:
        return ipaddress.ip_address(name.removeprefix("[").removesuffix("]")).is_loopback
    except ValueError:
        return False
