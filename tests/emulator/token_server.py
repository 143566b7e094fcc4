"""A token exchange on loopback, as Google's STS: gives access tokens, or refuses as it is told to."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

_PROVIDER = "projects/1/locations/global/workloadIdentityPools/pool/providers/provider"


class TokenServer(ThreadingHTTPServer):
    """Answers every POST with `status` and `answer`, and counts them in `exchanges`.

    While `held` is clear, answers wait; `asked` is set by the first question.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.exchanges = 0
        self.status = 200
        self.answer: dict[str, Any] = {
            "access_token": "an-access-token",
            "issued_token_type": "urn:ietf:params:oauth:token-type:access_token",
            "token_type": "Bearer",
            "expires_in": 3600,
        }
        self._lock = threading.Lock()
        self.asked, self.held = threading.Event(), threading.Event()
        self.held.set()
        super().__init__(("127.0.0.1", 0), _Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1/token"

    def count(self) -> None:
        with self._lock:
            self.exchanges += 1

    def credential_file(self, folder: Path, source: dict[str, Any]) -> Path:
        """Write a credential configuration that exchanges its subject token here."""
        path = folder / "credentials.json"
        configuration = {
            "type": "external_account",
            "audience": f"//iam.googleapis.com/{_PROVIDER}",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": self.url,
            "credential_source": source,
        }
        path.write_text(json.dumps(configuration))
        return path


@contextmanager
def running_token_server() -> Iterator[TokenServer]:
    server = TokenServer()
    threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: TokenServer

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        self.server.count()
        self.server.asked.set()
        self.server.held.wait(timeout=20)
        body = json.dumps(self.server.answer).encode()
        self.send_response(self.server.status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""
