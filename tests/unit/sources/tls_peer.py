"""An https server, and a proxy, of a test's own: real TLS on loopback, and any bytes the test likes."""

import contextlib
import socket
import ssl
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Self

import trustme

Behaviour = Callable[[socket.socket], None]

_PATIENCE = 20.0


def response(status: int = 200, body: bytes = b"{}", **headers: str) -> bytes:
    """Write an HTTP response; `_` in a header's name stands for `-`."""
    lines = [f"HTTP/1.1 {status} Whatever", f"Content-Length: {len(body)}"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode() + body


def says(*parts: bytes) -> Behaviour:
    """Send these bytes and close."""

    def behave(connection: socket.socket) -> None:
        for part in parts:
            connection.sendall(part)

    return behave


class Peer:
    """Accept connections on loopback and serve each in a thread, until the `with` block ends."""

    def __init__(self) -> None:
        self.ended = threading.Event()
        self.heads: list[bytes] = []
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = self._listening.getsockname()[1]
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_error: object) -> None:
        self.ended.set()
        self._listening.shutdown(socket.SHUT_RDWR)
        self._listening.close()
        for thread in self._threads:
            thread.join(_PATIENCE)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = self._listening.accept()
                connection.settimeout(_PATIENCE)
                thread = threading.Thread(target=self._serve_one, args=(connection,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _serve_one(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            self.serve(connection)

    def serve(self, connection: socket.socket) -> None:
        raise NotImplementedError

    def read_head(self, connection: socket.socket) -> bytes:
        """Read a request's line and headers."""
        head = b""
        while b"\r\n\r\n" not in head and (byte := connection.recv(1)):
            head += byte
        self.heads.append(head)
        return head


class TlsPeer(Peer):
    """Read one request a connection and then behave; the certificate is for `name`."""

    def __init__(self, directory: Path, *, name: str = "localhost") -> None:
        super().__init__()
        authority = trustme.CA()
        self.ca_file = directory / "ca.pem"
        authority.cert_pem.write_to_path(self.ca_file)
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        authority.issue_cert(name).configure_cert(self._context)
        self.url = f"https://localhost:{self.port}/bundle"
        self.behaviour: Behaviour = says(response())

    def serve(self, connection: socket.socket) -> None:
        with self._context.wrap_socket(connection, server_side=True) as secured:
            self.read_head(secured)
            self.behaviour(secured)


class ProxyPeer(Peer):
    """Tunnel whatever host a CONNECT names to one port of loopback, or answer with a refusal."""

    def __init__(self, to_port: int, refusal: bytes | None = None) -> None:
        super().__init__()
        self._to_port, self._refusal = to_port, refusal

    def serve(self, connection: socket.socket) -> None:
        self.read_head(connection)
        if self._refusal is not None:
            connection.sendall(self._refusal)
            return
        with socket.create_connection(("127.0.0.1", self._to_port), _PATIENCE) as far:
            connection.sendall(b"HTTP/1.1 200 Connected\r\n\r\n")
            back = threading.Thread(target=_relay, args=(far, connection), daemon=True)
            back.start()
            _relay(connection, far)
            back.join(_PATIENCE)


def _relay(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
        sink.shutdown(socket.SHUT_WR)
