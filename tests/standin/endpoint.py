"""The bundle endpoint: https with a certificate of a private CA, one path, as SPIRE serves it."""

import ssl
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.standin.authorities import Authorities
from tests.standin.documents import spiffe_bundle

REFRESH_HINT = 300
"""Seconds; SPIRE's default for `bundle_endpoint.refresh_hint`."""


class BundleEndpoint:
    """Serve the SPIFFE bundle at `/`, GET only. Started again it keeps its port."""

    def __init__(self, authorities: Authorities, certificate: Path) -> None:
        self._authorities = authorities
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(certificate)
        self._port = 0
        self._server: ThreadingHTTPServer | None = None
        self.start()

    @property
    def url(self) -> str:
        """Give the https URL, stable over restarts."""
        return f"https://127.0.0.1:{self._port}/"

    def start(self) -> None:
        """Listen on loopback."""
        authorities = self._authorities

        class Handler(BaseHTTPRequestHandler):
            timeout = 10

            def do_GET(self) -> None:
                if self.path != "/":
                    self.send_error(HTTPStatus.NOT_FOUND)
                    return
                body = spiffe_bundle(authorities.bundle, refresh_hint=REFRESH_HINT)
                self.send_response(HTTPStatus.OK)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                self.send_error(HTTPStatus.METHOD_NOT_ALLOWED)

            do_HEAD = do_PUT = do_DELETE = do_POST  # noqa: N815  # http.server's names

            def log_message(self, *_: Any) -> None:
                """Stay silent."""

        server = ThreadingHTTPServer(("127.0.0.1", self._port), Handler)
        # The handshake is left to the connection's own thread: a silent client must not block the rest.
        server.socket = self._context.wrap_socket(
            server.socket, server_side=True, do_handshake_on_connect=False
        )
        server.daemon_threads = True
        self._port = server.server_address[1]
        self._server = server
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()

    def stop(self) -> None:
        """Close the port. Once stopped, nothing happens."""
        if self._server:
            self._server.shutdown()
            self._server.server_close()
            self._server = None
