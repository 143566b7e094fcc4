"""The function as a real process of the functions framework, behind a TLS front as Cloud Run has one."""

import http.client
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast
from urllib.parse import urlsplit

from tests.peers.certificates import Certificates, write_certificates

SOURCE = Path(__file__).parents[2] / "function" / "main.py"
SECONDS = 30.0
SECONDS_TO_START = 60.0
PREFIX = "SPIRE_OIDC_PUBLISHER_"

_HOP_BY_HOP = {"connection", "transfer-encoding", "keep-alive", "host"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold what a client got. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


class Front(ThreadingHTTPServer):
    """End TLS and pass requests on to `backend`, a port of loopback; 502 while nobody listens there.

    It has its port, and with it the issuer, before there is any function.
    """

    daemon_threads = True

    def __init__(self, certificates: Certificates) -> None:
        super().__init__(("127.0.0.1", 0), _Passage)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificates.chain, certificates.key)
        self.socket = context.wrap_socket(self.socket, server_side=True, do_handshake_on_connect=False)
        self.ca_file = certificates.ca
        self.url = f"https://localhost:{self.server_address[1]}"
        self.backend: int | None = None

    def finish_request(self, request: Any, client_address: Any) -> None:
        # In the connection's own thread: a client that never speaks holds up nobody.
        request.settimeout(SECONDS)
        request.do_handshake()
        super().finish_request(request, client_address)

    def handle_error(self, request: Any, client_address: Any) -> None:
        if not isinstance(sys.exception(), OSError):  # a client that hung up
            super().handle_error(request, client_address)

    def ask(
        self, path: str, *, method: str = "GET", headers: Mapping[str, str] | None = None, body: bytes = b""
    ) -> Answer:
        """Ask as a client on the internet does, over TLS."""
        address = urlsplit(self.url).netloc
        context = ssl.create_default_context(cafile=self.ca_file)
        connection = http.client.HTTPSConnection(address, timeout=SECONDS, context=context)
        return _exchange(connection, method, path, headers or {}, body)


@contextmanager
def running_front(folder: Path) -> Iterator[Front]:
    """Have a front with certificates of its own, until the block ends."""
    front = Front(write_certificates(folder))
    thread = threading.Thread(target=front.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield front
    finally:
        front.shutdown()
        front.server_close()
        thread.join(SECONDS)


@dataclass(frozen=True, kw_only=True)
class Function:
    """One process of the function behind a front."""

    front: Front
    log_file: Path
    process: "subprocess.Popen[bytes]" = field(repr=False)

    def get(self, path: str, **headers: str) -> Answer:
        return self.front.ask(path, headers={name.replace("_", "-"): text for name, text in headers.items()})

    @property
    def jwks(self) -> bytes:
        answer = self.get("/keys")
        assert answer.status == 200, answer
        return answer.body

    def status(self) -> dict[str, Any]:
        answer = self.get("/status")
        told: dict[str, Any] = answer.json
        assert answer.status == (200 if told["healthy"] else 503), told
        return told

    def refresh(self) -> dict[str, Any]:
        """Wait until a read that began after now has ended; give the status after it.

        One more read may be the end of one that began before; two more cannot both be.
        """
        wanted = self.status()["counters"]["reads"] + 2
        return self.until(lambda told: told["counters"]["reads"] >= wanted)

    def until(self, holds: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
        """Ask for the status until something holds of it."""
        end = time.monotonic() + SECONDS
        while not holds(told := self.status()):
            assert time.monotonic() < end, told
            time.sleep(0.05)
        return told

    @property
    def log(self) -> list[dict[str, Any]]:
        """Give the structured lines so far, the server's own left out; a half-written line is not one."""
        *lines, _ = self.log_file.read_text().split("\n")
        return [json.loads(line) for line in lines if line.startswith("{")]

    def said(self, severity: str) -> str:
        return "\n".join(
            f"{line['message']} {line.get('code', '')}" for line in self.log if line["severity"] == severity
        )

    def has_said(self, severity: str, words: str) -> None:
        """Wait for a line of the log: it follows the status by a moment."""
        self.until(lambda _: words in self.said(severity))


@contextmanager
def running_function(
    front: Front, folder: Path, settings: Mapping[str, str], environment: Mapping[str, str], *, target: str
) -> Iterator[Function]:
    """Run a target on the functions framework, as its documentation says, until the block ends.

    `settings` are named without the prefix, in lower case: `refresh_interval="1s"`.
    """
    port = _free_port()
    command = [sys.executable, "-m", "functions_framework", "--source", str(SOURCE), "--target", target]
    command += ["--asgi", "--host", "127.0.0.1", "--port", str(port)]
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    given = {f"{PREFIX}{name.upper()}": value for name, value in settings.items()}
    log_file = folder / f"{target}-{port}.log"
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            command,
            env={**inherited, **environment, **given},
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )
    try:
        _wait(process, port, log_file)
        front.backend = port
        yield Function(front=front, log_file=log_file, process=process)
    finally:
        front.backend = None
        process.terminate()
        try:
            process.wait(timeout=SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait(timeout=SECONDS)


class _Passage(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True  # headers and body are two writes

    def do_GET(self) -> None:
        port = cast("Front", self.server).backend
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        try:
            if port is None:
                raise ConnectionRefusedError
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=SECONDS)
            headers = {name: value for name, value in self.headers.items() if name.lower() not in _HOP_BY_HOP}
            answer = _exchange(connection, self.command, self.path, headers, body)
        except (OSError, http.client.HTTPException):
            answer = Answer(status=502, headers={"content-length": "0"}, body=b"")
        self.send_response_only(answer.status)
        for name, value in answer.headers.items():
            if name not in _HOP_BY_HOP:
                self.send_header(name, value)
        self.end_headers()
        self.wfile.write(answer.body)

    do_HEAD = do_POST = do_GET  # noqa: N815 (the base class calls them so)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (its name in the library)
        """Say nothing."""


def _exchange(
    connection: http.client.HTTPConnection, method: str, path: str, headers: Mapping[str, str], body: bytes
) -> Answer:
    try:
        connection.request(method, path, body=body or None, headers=dict(headers))
        answer = connection.getresponse()
        return Answer(
            status=answer.status,
            headers={name.lower(): value for name, value in answer.getheaders()},
            body=answer.read(),
        )
    finally:
        connection.close()


def _wait(process: "subprocess.Popen[bytes]", port: int, log_file: Path) -> None:
    end = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=5).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the function does not start: {log_file.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
