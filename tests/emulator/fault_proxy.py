"""A proxy before the emulator: plain HTTP on loopback, counts what passes, breaks what it is told to."""

import http.client
import re
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from tests.emulator.faults import Fault, Kind, google_error
from tests.emulator.server import Emulator

_HOP_BY_HOP = {"connection", "transfer-encoding", "content-length", "keep-alive", "date"}
_NAME_WITHIN = 512
"""An upload names its object at the start of its body, before the content."""
_NO_LINGER = struct.pack("ii", 1, 0)


@dataclass(frozen=True, kw_only=True)
class Held:
    """A request that was sent and has not arrived yet."""

    method: str
    target: str
    headers: dict[str, str]
    body: bytes


class FaultProxy:
    """A running proxy. `requests` and `connections` count since the start or the last `forget`."""

    def __init__(self, emulator: Emulator) -> None:
        self.emulator = emulator
        self.requests: list[tuple[str, str]] = []
        self.connections = 0
        self.denied: set[str] = set()
        """Permissions that the caller lacks: storage.objects.get, list, create, delete."""
        self.held: list[Held] = []
        """Requests on their way, by Kind.HOLD."""
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self.stopped = threading.Event()
        self._server = _Server(self)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    @property
    def environment(self) -> dict[str, str]:
        return {"STORAGE_EMULATOR_HOST": self.url}

    def inject(self, *faults: Fault) -> None:
        """Queue faults: a request takes the first one that is for its method."""
        with self._lock:
            self._faults.extend(faults)

    def forget(self) -> None:
        """Count from zero, and let everything pass."""
        with self._lock:
            self.requests.clear()
            self._faults.clear()
            self.denied.clear()
            self.held.clear()
            self.connections = 0

    def seen(self, method: str, target: str, start: bytes = b"") -> Fault | None:
        """Count a request and give what shall happen to it; `start` is the first of its body."""
        named = _object(target, start)
        with self._lock:
            self.requests.append((method, target))
            for place, fault in enumerate(self._faults):
                if fault.method in {None, method} and fault.where(method, named):
                    left = replace(fault, times=fault.times - 1)
                    self._faults[place : place + 1] = [left] if left.times else []
                    return fault
        return None

    def hold(self, request: Held) -> None:
        """Keep a request that its sender believes to be lost."""
        with self._lock:
            self.held.append(request)

    def deliver(self, request: Held) -> tuple[int, dict[str, str], bytes]:
        """Let the server have a request, whoever sent it and is dead by now; give its answer."""
        there = http.client.HTTPSConnection(
            urlsplit(self.emulator.url).netloc, timeout=20, context=self.emulator.tls
        )
        try:
            headers = {
                name: value
                for name, value in request.headers.items()
                if name.lower() not in _HOP_BY_HOP | {"host"}
            }
            there.request(request.method, request.target, body=request.body or None, headers=headers)
            answer = there.getresponse()
            kept = {name: value for name, value in answer.getheaders() if name.lower() not in _HOP_BY_HOP}
            return answer.status, kept, answer.read()
        finally:
            there.close()

    def connected(self) -> None:
        with self._lock:
            self.connections += 1

    def lacking(self, method: str, target: str, status: int) -> str | None:
        """Name the permission for want of which Google refuses, given the status it would answer with."""
        if method == "GET":
            needed = {404: ("storage.objects.get", "storage.objects.list")}.get(
                status, ("storage.objects.get",)
            )
        else:
            overwrites = re.search("ifGenerationMatch=[1-9]", target)
            needed = ("storage.objects.create", "storage.objects.delete" if overwrites else "")
        return next((permission for permission in needed if permission in self.denied), None)

    def start(self) -> None:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def stop(self) -> None:
        self.stopped.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def running_fault_proxy(emulator: Emulator) -> Iterator[FaultProxy]:
    proxy = FaultProxy(emulator)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


def _object(target: str, start: bytes) -> str:
    """Give the object that a request is about, as `bucket/name`."""
    bucket, _, rest = target.partition("/b/")[2].partition("/o")
    named = re.search(rb'"name": *"([^"]+)"', start)
    name = named[1].decode() if named else unquote(rest.partition("?")[0].removeprefix("/"))
    return f"{bucket}/{name}"


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, proxy: FaultProxy) -> None:
        self.proxy = proxy
        super().__init__(("127.0.0.1", 0), _Handler)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that gave up is what the tests are about
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes
    server: _Server

    def setup(self) -> None:
        super().setup()
        self.server.proxy.connected()

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""

    def do_GET(self) -> None:
        self._exchange()

    def do_POST(self) -> None:
        self._exchange()

    def _exchange(self) -> None:
        proxy = self.server.proxy
        length = int(self.headers.get("Content-Length", 0))
        start = self.rfile.read(min(length, _NAME_WITHIN))
        fault = proxy.seen(self.command, self.path, start)
        if fault and fault.kind is Kind.RESET_EARLY:
            self._break()
            return
        body = start + self.rfile.read(length - len(start))
        match fault:
            case Fault(kind=Kind.ANSWER):
                self._answer(fault.status, dict(fault.headers), fault.body)
            case Fault(kind=Kind.RESET):
                self._break()
            case Fault(kind=Kind.HOLD):
                proxy.hold(self._request(body))
                self._break()
            case Fault(kind=Kind.STALL):
                proxy.stopped.wait(fault.seconds)
                self._break()
            case _:
                self._pass(body, fault)

    def _pass(self, body: bytes, fault: Fault | None) -> None:
        proxy = self.server.proxy
        # A read needs to be known as absent or not before it is denied; a write must not happen.
        lacking = None if self.command == "GET" else proxy.lacking(self.command, self.path, 0)
        if lacking is None:
            status, headers, answer = self._ask(body)
            if self.command == "GET":
                lacking = proxy.lacking("GET", self.path, status)
        if lacking is not None:
            message = (
                f"publisher@example.com does not have {lacking} access to the Google Cloud Storage object."
            )
            self._answer(403, {"Content-Type": "application/json"}, google_error(403, message, "forbidden"))
            return
        self._spoil(fault, status, headers, answer)

    def _spoil(self, fault: Fault | None, status: int, headers: dict[str, str], answer: bytes) -> None:
        match fault:
            case None:
                self._answer(status, headers, answer)
            case Fault(kind=Kind.TRUNCATE):
                self._answer(status, headers, answer, sent=len(answer) // 2)
                self.close_connection = True
            case Fault(kind=Kind.CUT):
                self._answer(status, headers, answer, sent=len(answer) // 2)
                self._break()
            case Fault(kind=Kind.DRIP):
                self._answer(status, headers, answer, sent=0)
                self._drip(answer, fault.seconds)
            case Fault(kind=Kind.DRIP_HEAD):
                head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
                text = f"HTTP/1.1 {status} Told\r\nContent-Length: {len(answer)}\r\n{head}\r\n".encode()
                self._drip(text + answer, fault.seconds)
            case Fault(kind=Kind.CORRUPT):
                self._answer(status, headers, bytes([answer[0] ^ 1]) + answer[1:])
            case Fault(kind=Kind.REPLACE_BODY):
                self._answer(status, headers, fault.body)
            case Fault(kind=Kind.REPLACE_HEADERS):
                changed = {name: value for name, value in fault.headers.items() if value}
                kept = {
                    name: value
                    for name, value in headers.items()
                    if name.lower() not in {changing.lower() for changing in fault.headers}
                }
                self._answer(status, kept | changed, answer)
            case _:
                self._break()

    def _drip(self, octets: bytes, seconds: float) -> None:
        for octet in octets:
            if self.server.proxy.stopped.wait(seconds):
                break
            self.wfile.write(bytes([octet]))

    def _ask(self, body: bytes) -> tuple[int, dict[str, str], bytes]:
        return self.server.proxy.deliver(self._request(body))

    def _request(self, body: bytes) -> Held:
        return Held(method=self.command, target=self.path, headers=dict(self.headers.items()), body=body)

    def _answer(self, status: int, headers: dict[str, str], body: bytes, *, sent: int | None = None) -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[:sent])

    def _break(self) -> None:
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGER)
        self.close_connection = True
        # socketserver shuts a socket down politely; closing it first makes the kernel send a reset.
        self.connection.close()
