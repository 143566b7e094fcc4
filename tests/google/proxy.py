"""A CONNECT proxy that leads Google's host names to the stand-in: clients need no other addresses."""

import contextlib
import socket
import socketserver
import threading
from collections.abc import Mapping

from tests.google.journal import Entry, Journal
from tests.google.state import State

_LONGEST_HEAD = 16 * 1024
_PATIENCE = 60.0
_SERVICES = ("sts", "iam", "iamcredentials", "cloudresourcemanager", "storage", "www", "oauth2")


def places(plain: int, mutual: int) -> Mapping[str, tuple[str, int]]:
    """Say where each of Google's hosts is: the port for all, and the port that wants a client certificate."""
    known = {f"{name}.googleapis.com": ("127.0.0.1", plain) for name in _SERVICES}
    return known | {f"{name}.mtls.googleapis.com": ("127.0.0.1", mutual) for name in _SERVICES}


class ConnectProxy(socketserver.ThreadingTCPServer):
    """Tunnel to the hosts that it knows and refuse all others; what passes it cannot read."""

    daemon_threads = True
    request_queue_size = 256

    def __init__(self, known: Mapping[str, tuple[str, int]], state: State, journal: Journal) -> None:
        self.known, self.state, self.journal = known, state, journal
        super().__init__(("127.0.0.1", 0), _Tunnel)
        threading.Thread(target=self.serve_forever, args=(0.05,), daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def place(self, host: str, port: str) -> tuple[str, int] | None:
        """Find a host: where a test put its issuer, or else one of Google's."""
        with self.state.lock:
            origins = dict(self.state.origins)
        placed = origins.get(f"https://{host}") if port == "443" else None
        placed = placed or origins.get(f"https://{host}:{port}")
        if placed:
            there, _, at = placed[0].rpartition(":")
            return there, int(at)
        return self.known.get(host) if port == "443" else None


class _Tunnel(socketserver.StreamRequestHandler):
    server: ConnectProxy
    timeout = _PATIENCE
    rbufsize = 0  # what follows the head belongs to the tunnel

    def handle(self) -> None:
        head = b""
        while not head.endswith(b"\r\n\r\n"):
            byte = self.rfile.read(1)
            if not byte or len(head) > _LONGEST_HEAD:
                return
            head += byte
        method, _, rest = head.decode("latin-1").partition(" ")
        host, _, port = rest.partition(" ")[0].rpartition(":")
        place = self.server.place(host, port) if method == "CONNECT" else None
        entry = Entry(at=self.server.state.clock.now(), method=method, host=host, path=f":{port}")
        self.server.journal.note(entry)
        entry.status = 200 if place else 403
        if place is None:
            self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
            return
        with socket.create_connection(place, timeout=_PATIENCE) as there:
            self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_pump, args=(there, self.connection), daemon=True)
            back.start()
            _pump(self.connection, there)
            back.join(_PATIENCE)


def _pump(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while chunk := source.recv(65536):
            target.sendall(chunk)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
