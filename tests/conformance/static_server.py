"""A static https server for a directory, as an operator would run one, that can be told to misbehave."""

import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.peers.certificates import Certificates

SECONDS = 10.0


@dataclass(kw_only=True)
class StaticServer:
    """Serve the files below `root` at `issuer`, with the headers that the documentation gives.

    `headers` overlays them, by path (`*` for every path; None leaves one out); `statuses` answers a path with
    that status and no file; `silent` accepts connections and never answers.
    """

    root: Path
    certificates: Certificates
    issuer: str = ""
    headers: dict[str, dict[str, str | None]] = field(default_factory=dict)
    statuses: dict[str, int] = field(default_factory=dict)
    silent: threading.Event = field(default_factory=threading.Event)
    closing: threading.Event = field(default_factory=threading.Event)
    log: list[str] = field(default_factory=list)

    @property
    def ca_file(self) -> Path:
        return self.certificates.ca

    def answer(self, path: str) -> tuple[int, dict[str, str], bytes]:
        """Give status, headers and body for a path below the root."""
        file = self.root / path
        status = self.statuses.get(path, 200 if file.is_file() else 404)
        body = file.read_bytes() if status == 200 else b"<html></html>"
        manifest = path.endswith("spire-oidc-publication.json")
        headers: dict[str, str | None] = {
            "Content-Type": "application/json" if status == 200 else "text/html",
            "Cache-Control": "no-store" if manifest else "public, max-age=60",
        }
        if status == 200:
            headers["Last-Modified"] = formatdate(file.stat().st_mtime, usegmt=True)
        headers |= self.headers.get("*", {}) | self.headers.get(path, {})
        return status, {name: value for name, value in headers.items() if value is not None}, body


@contextmanager
def serve(root: Path, certificates: Certificates, *, path: str = "") -> Iterator[StaticServer]:
    """Serve a directory on loopback, at the root or below `path`, until the block ends."""
    static = StaticServer(root=root, certificates=certificates)

    class Handler(BaseHTTPRequestHandler):
        timeout = SECONDS

        def do_GET(self) -> None:
            static.log.append(self.path)
            if static.silent.is_set():
                static.closing.wait(SECONDS)
                return
            status, headers, body = static.answer(self.path.removeprefix(f"{path}/"))
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (its name in the library)
            """Say nothing: the test reads `log`."""

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            """Say nothing: clients that distrust us hang up, which is what some tests are about."""

        def finish_request(self, request: object, client_address: object) -> None:
            # The handshake belongs in the connection's own thread: a client that never speaks blocks nobody.
            assert isinstance(request, ssl.SSLSocket)
            request.settimeout(SECONDS)
            request.do_handshake()
            super().finish_request(request, client_address)

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain, certificates.key)
    server = Server(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    static.issuer = f"https://localhost:{server.server_address[1]}{path}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield static
    finally:
        static.closing.set()
        server.shutdown()
        server.server_close()
        thread.join(SECONDS)
