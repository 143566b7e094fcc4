"""A unix socket before another one: counts connections, and cuts them."""

import contextlib
import shutil
import socket
import tempfile
import threading
from pathlib import Path
from typing import Self

_PATIENCE = 20.0


class Relay:
    """Pass bytes on to and from the socket of an `endpoint`, until the `with` block ends."""

    def __init__(self, endpoint: str) -> None:
        self.connections = 0
        self._far = endpoint.removeprefix("unix://")
        self._directory = Path(tempfile.mkdtemp(prefix="relay-", dir="/tmp"))
        self.endpoint = f"unix://{self._directory}/api.sock"
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(f"{self._directory}/api.sock")
        self._listening.listen()
        self._open: list[socket.socket] = []
        self._threads = [threading.Thread(target=self._accept, daemon=True)]

    def __enter__(self) -> Self:
        self._threads[0].start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._listening.shutdown(socket.SHUT_RDWR)
        self._threads[0].join(_PATIENCE)
        self._listening.close()
        self.cut()
        for thread in self._threads:
            thread.join(_PATIENCE)
        shutil.rmtree(self._directory)

    def cut(self) -> None:
        """End every connection that is open."""
        while self._open:
            with contextlib.suppress(OSError):
                self._open.pop().shutdown(socket.SHUT_RDWR)  # closed by the threads that this wakes

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                self.connections += 1
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._far)
                self._open += [near, far]
                self._threads.append(threading.Thread(target=_relay, args=(near, far), daemon=True))
                self._threads[-1].start()


def _relay(near: socket.socket, far: socket.socket) -> None:
    back = threading.Thread(target=_pass_on, args=(far, near), daemon=True)
    back.start()
    _pass_on(near, far)
    back.join(_PATIENCE)
    near.close()
    far.close()


def _pass_on(source: socket.socket, sink: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            sink.sendall(data)
    for end in (source, sink):
        with contextlib.suppress(OSError):
            end.shutdown(socket.SHUT_RDWR)
