"""Google's credential services on loopback: STS, impersonation, OAuth tokens, the metadata server.

They give access tokens, or refuse as they are told to.
"""

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

    GETs are answered as the metadata server does. `faults` has, for the start of a path, the status and body
    that come instead.

    While `held` is clear, answers wait; `asked` is set by the first question.
    """

    daemon_threads = True

    def __init__(self) -> None:
        self.exchanges = 0
        self.status = 200
        self.faults: dict[str, tuple[int, bytes]] = {}
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

    @property
    def host(self) -> str:
        return f"127.0.0.1:{self.server_address[1]}"

    def fault(self, path: str) -> tuple[int, bytes] | None:
        """Give what is to go wrong with a request for this path; None: nothing."""
        return next((fault for start, fault in self.faults.items() if path.startswith(start)), None)

    def credential_file(self, folder: Path, source: dict[str, Any], **members: Any) -> Path:
        """Write a credential configuration that exchanges its subject token here."""
        path = folder / "credentials.json"
        configuration = {
            "type": "external_account",
            "audience": f"//iam.googleapis.com/{_PROVIDER}",
            "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
            "token_url": self.url,
            "credential_source": source,
            **members,
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
        answer = self.server.answer
        if self.path.endswith(":generateAccessToken"):
            answer = {"accessToken": "an-access-token", "expireTime": "2099-01-01T00:00:00Z"}
        self._say(self.server.status, json.dumps(answer).encode())

    def do_GET(self) -> None:
        if self.path.partition("?")[0].endswith("/token"):
            self._say(200, json.dumps(self.server.answer).encode())
        elif "universe" in self.path:
            self._say(404, b"")
        else:
            self._say(200, b'{"email":"publisher@project.example","scopes":[],"aliases":[]}')

    def _say(self, status: int, body: bytes) -> None:
        status, body = self.server.fault(self.path) or (status, body)
        self.send_response(status)
        self.send_header("Metadata-Flavor", "Google")
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name is the base class's
        """Say nothing."""
