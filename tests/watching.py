"""`watch` as an operator's process: started, listened to, stopped; and a systemd that takes its words."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

ROOT = Path(__file__).parents[1]
PATIENCE = 60.0
"""Seconds that anything may take to happen; far more than it needs."""

_POLL = 0.02


def wait_until(happened: Callable[[], object], *, seconds: float = PATIENCE, what: str = "") -> None:
    """Wait until that is true."""
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, f"did not happen within {seconds} s: {what or happened}"
        time.sleep(_POLL)


class WatchProcess:
    """Run `watch` until the block ends; `log` grows by every record that it writes.

    `environment` is added to this process's own; None takes a variable away.
    """

    def __init__(self, *arguments: str, environment: Mapping[str, str | None] | None = None) -> None:
        given = {**os.environ, **(environment or {})}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "publisher", "watch", *arguments],
            cwd=ROOT,
            env={name: value for name, value in given.items() if value is not None},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self.log: list[dict[str, Any]] = []
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr
        for line in self.process.stderr:
            self.log.append(json.loads(line))

    @property
    def said(self) -> str:
        return "\n".join(f"{record['severity']} {record['message']}" for record in self.log)

    def count(self, text: str) -> int:
        return self.said.count(text)

    def wait_for(self, text: str, *, times: int = 1, seconds: float = PATIENCE) -> None:
        """Wait until it has said that so many times."""

        def has_said() -> bool:
            return self.count(text) >= times or self.process.poll() is not None

        with contextlib.suppress(AssertionError):
            wait_until(has_said, seconds=seconds)
        assert self.count(text) >= times, f"never said {text!r}:\n{self.said}"

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """Ask it to end; give its exit status and the seconds that it took."""
        begun = time.monotonic()
        self.send(number)
        status = self.process.wait(PATIENCE)
        took = time.monotonic() - begun
        self._reader.join(PATIENCE)
        return status, took

    def ended(self) -> int:
        """Wait until it ends by itself; give its exit status."""
        status = self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        return status

    @property
    def out(self) -> bytes:
        assert self.process.stdout
        return self.process.stdout.read()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait(PATIENCE)
        self._reader.join(PATIENCE)
        for stream in (self.process.stdout, self.process.stderr):
            if stream is not None:
                stream.close()


class Supervisor:
    """Take what a service tells systemd, as systemd does: datagrams on a unix socket."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(path))
        self._socket.settimeout(0.2)
        self._ended = threading.Event()
        self.words: list[str] = []
        self._thread = threading.Thread(target=self._take)
        self._thread.start()

    def environment(self, *, watchdog_seconds: float | None = None) -> dict[str, str]:
        told = {"NOTIFY_SOCKET": str(self._path)}
        if watchdog_seconds is not None:
            told["WATCHDOG_USEC"] = str(int(watchdog_seconds * 1_000_000))
        return told

    def _take(self) -> None:
        while not self._ended.is_set():
            with contextlib.suppress(TimeoutError):
                self.words += self._socket.recv(65536).decode().splitlines()

    @property
    def status(self) -> str:
        return next((word for word in reversed(self.words) if word.startswith("STATUS=")), "")

    def close(self) -> None:
        self._ended.set()
        self._thread.join(PATIENCE)
        self._socket.close()


@contextlib.contextmanager
def supervisor() -> Iterator[Supervisor]:
    """Be systemd until the block ends."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    there = Supervisor(folder / "notify")
    try:
        yield there
    finally:
        there.close()
        shutil.rmtree(folder)
