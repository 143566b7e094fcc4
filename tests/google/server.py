"""The stand-in's https ports: requests in, answers or faults out."""

import contextlib
import json
import socket
import ssl
import struct
import sys
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.google.errors import RefusedError
from tests.google.faults import Fault, Kind
from tests.google.journal import Entry, Journal
from tests.google.services import Request, Services

_LARGEST_BODY = 4 << 20
_PATIENCE = 60.0
_NO_LINGER = struct.pack("ii", 1, 0)
_ON_THE_WAY = (Kind.DELAY, Kind.DRIP, Kind.TRUNCATE, Kind.LOSE_REPLY)


class GooglePort(ThreadingHTTPServer):
    """Serve https on a free port of loopback, each connection in a thread of its own."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, services: Services, journal: Journal, context: Callable[[], ssl.SSLContext]) -> None:
        self.services, self.journal, self._context = services, journal, context
        super().__init__(("127.0.0.1", 0), _Handler)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def port(self) -> int:
        return int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Do the handshake in the connection's own thread: a slow one must hold up nobody."""
        self.journal.connected()
        request.settimeout(_PATIENCE)
        try:
            with self._context().wrap_socket(request, server_side=True) as secured:
                _Handler(secured, client_address, self)
        except OSError:
            return  # a handshake that failed, or a client that went away: the tests ask for both

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _BreakError(OSError):
    """End the connection here and now."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "ESF", ""
    disable_nagle_algorithm = True  # headers and body are two writes
    server: GooglePort
    connection: ssl.SSLSocket

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing: the journal does."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("do_"):
            return self._exchange
        raise AttributeError(name)

    def _exchange(self) -> None:
        path, _, query = self.path.partition("?")
        certificate = self.connection.getpeercert(binary_form=True)
        entry = Entry(
            at=self.server.services.state.clock.now(),
            method=self.command,
            host=self.headers.get("Host", ""),
            path=path,
            query=query,
            client_certificate=certificate is not None,
            user_agent=self.headers.get("User-Agent", ""),
            api_client=self.headers.get("X-Goog-Api-Client", ""),
        )
        fault = self.server.journal.note(entry)
        length = int(self.headers.get("Content-Length") or 0)
        if length > _LARGEST_BODY:
            raise _BreakError
        if "Transfer-Encoding" in self.headers:  # whoever sends chunks is told, not misread
            self.close_connection = True
            self._send(411, {}, b"", None)
            return
        body = self.rfile.read(length)
        canned = fault.canned() if fault else None
        if canned:
            entry.status = canned[0]
            self._send(*canned, None)
            return
        if fault and fault.kind not in _ON_THE_WAY:
            time.sleep(fault.seconds)
            self._break()
        if fault and fault.kind is Kind.DELAY:
            time.sleep(fault.seconds)
        headers = {name.lower(): value for name, value in self.headers.items()}
        request = Request(
            method=self.command, path=path, query=query, headers=headers, body=body, certificate=certificate
        )
        self._answer(request, entry, fault)

    def _answer(self, request: Request, entry: Entry, fault: Fault | None) -> None:
        try:
            headers, answer = self.server.services.answer(request, entry)
            entry.status = 200
        except RefusedError as refused:
            headers, answer, entry.status = {}, dict(refused.body), refused.status
        if fault and fault.kind is Kind.LOSE_REPLY:
            self._break()
        content = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self._send(
            entry.status, {"Content-Type": "application/json; charset=UTF-8", **headers}, content, fault
        )

    def _send(self, status: int, headers: dict[str, str], body: bytes, fault: Fault | None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        match fault:
            case Fault(kind=Kind.TRUNCATE):
                self.wfile.write(body[: len(body) // 2])
                self.close_connection = True
            case Fault(kind=Kind.DRIP):
                for place in range(len(body)):
                    self.wfile.write(body[place : place + 1])
                    time.sleep(fault.seconds)
            case _:
                self.wfile.write(body)

    def _break(self) -> None:
        with contextlib.suppress(OSError):
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        raise _BreakError
