"""The function as a process: the functions framework, or the bare application on uvicorn."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
PREFIX = "SPIRE_OIDC_PUBLISHER_"
SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True, kw_only=True)
class Process:
    """A running function."""

    port: int
    log_file: Path

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def ask(
        self,
        path: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
    ) -> Reply:
        connection = self.connect()
        try:
            return exchange(connection, path, method=method, headers=headers, body=body)
        finally:
            connection.close()

    @property
    def log(self) -> list[dict[str, Any]]:
        """The JSON lines of standard error, those of ours."""
        lines = self.log_file.read_text(errors="replace").splitlines()
        return [json.loads(line) for line in lines if line.startswith("{")]


def exchange(
    connection: http.client.HTTPConnection,
    path: str,
    *,
    method: str = "GET",
    headers: Mapping[str, str] | None = None,
    body: bytes | None = None,
) -> Reply:
    connection.request(method, path, body=body, headers=dict(headers or {}))
    answer = connection.getresponse()
    found = {name.lower(): value for name, value in answer.getheaders()}
    return Reply(status=answer.status, headers=found, body=answer.read())


@contextmanager
def running(
    target: str,
    folder: Path,
    settings: Mapping[str, str],
    *,
    environment: Mapping[str, str] | None = None,
    python: str = sys.executable,
    source: Path = ROOT / "function",
) -> Iterator[Process]:
    """Run a target (`serve`, `validate`, or `bare` for uvicorn) until the block ends."""
    port = _free_port()
    if target == "bare":
        words = ["uvicorn", "--app-dir", str(source), "--port", str(port), "--log-level", "warning"]
        words.append("asgi:application")
    else:
        words = ["functions_framework", "--source", str(source / "main.py"), "--target", target, "--asgi"]
        words += ["--host", "127.0.0.1", "--port", str(port)]
    log_file = folder / f"{target}-{port}.log"
    kept = {name: value for name, value in os.environ.items() if not name.startswith(PREFIX)}
    given = {PREFIX + name: value for name, value in settings.items()}
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [python, "-m", *words],
            cwd=folder,
            env=kept | given | dict(environment or {}),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    try:
        _wait(process, port, log_file)
        yield Process(port=port, log_file=log_file)
    finally:
        process.terminate()
        try:
            process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(timeout=10)


def _wait(process: subprocess.Popen[bytes], port: int, log_file: Path) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"it does not listen: {log_file.read_text(errors='replace')[-2000:]}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
