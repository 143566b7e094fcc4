"""An issuer's web site as tests want it: any status, any header, any body, over https with a private CA."""

import json
import ssl
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import trustme

ISSUER = "https://issuer.example"
CONFIGURATION, KEYS = "/.well-known/openid-configuration", "/keys"
MANIFEST = "/.well-known/spire-oidc-publication.json"


@dataclass(frozen=True, kw_only=True)
class Page:
    """One answer."""

    body: bytes = b""
    status: int = 200
    headers: Mapping[str, str] = field(
        default_factory=lambda: {"Content-Type": "application/json", "Cache-Control": "public, max-age=60"}
    )


@dataclass(kw_only=True)
class Site:
    """Hold what is served; change `pages` at any time."""

    place: str
    ca_file: Path
    pages: dict[str, Page] = field(default_factory=dict)

    def publish(self, keys: list[dict[str, Any]], issuer: str = ISSUER) -> None:
        """Serve documents as our publisher makes them, for keys of a standard JWK Set."""
        served = [{"alg": _ALGORITHMS[key.get("crv", "RSA")], **key, "use": "sig"} for key in keys]
        self.put(KEYS, {"keys": served})
        configuration = {
            "issuer": issuer,
            "jwks_uri": f"{issuer}{KEYS}",
            "authorization_endpoint": f"{issuer}/authorize",
            "response_types_supported": ["id_token"],
            "subject_types_supported": ["public"],
            "id_token_signing_alg_values_supported": ["RS256", "ES256", "ES384"],
        }
        self.put(CONFIGURATION, configuration)

    def put(self, path: str, document: Any) -> None:
        """Serve a document."""
        self.pages[path] = Page(body=json.dumps(document).encode())


_ALGORITHMS = {"P-256": "ES256", "P-384": "ES384", "RSA": "RS256"}


@contextmanager
def running_site(folder: Path) -> Iterator[Site]:
    """Serve until the block ends."""
    authority = trustme.CA(organization_name="issuer's")
    certificate = authority.issue_cert("127.0.0.1", "issuer.example")
    ca_file = folder / "issuer-ca.pem"
    authority.cert_pem.write_to_path(str(ca_file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    site = Site(place="", ca_file=ca_file)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            page = site.pages.get(self.path, Page(status=404))
            self.send_response(page.status)
            for name, value in page.headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", str(len(page.body)))
            self.end_headers()
            self.wfile.write(page.body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    # The handshake is done by the first read, in the connection's own thread.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    site.place = f"127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield site
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
