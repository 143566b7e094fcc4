"""A metadata server as a process of its own, as systemd would start it."""

import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[3]
FLAVOR = {"Metadata-Flavor": "Google"}
DEFAULT = "/computeMetadata/v1/instance/service-accounts/default"
_START_PATIENCE, _STOP_PATIENCE, _ANSWER_PATIENCE = 60.0, 20.0, 60.0


def free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        port: int = one.getsockname()[1]
        return port


@dataclass(frozen=True, slots=True, kw_only=True)
class Got:
    """Hold one answer."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def text(self) -> str:
        return self.body.decode()

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def ask(
    address: tuple[str, int],
    path: str,
    headers: Mapping[str, str] = FLAVOR,
    method: str = "GET",
    body: bytes | None = None,
) -> Got:
    """Ask once on a connection of its own."""
    connection = http.client.HTTPConnection(*address, timeout=_ANSWER_PATIENCE)
    try:
        connection.request(method, path, body=body, headers=dict(headers))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Got(status=answer.status, headers=found, body=answer.read())
    finally:
        connection.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Hold a running server."""

    port: int
    process: "subprocess.Popen[bytes]"
    log_file: Path

    @property
    def address(self) -> tuple[str, int]:
        return "127.0.0.1", self.port

    @property
    def environment(self) -> dict[str, str]:
        """Give what a workload's process is told: nothing but where the server is."""
        here = f"127.0.0.1:{self.port}"
        return {"GCE_METADATA_HOST": here, "GCE_METADATA_IP": here}

    @property
    def log(self) -> str:
        return self.log_file.read_text()

    def get(self, path: str, headers: Mapping[str, str] = FLAVOR) -> Got:
        return ask(self.address, path, headers)


def bare(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out of the machine's environment what would lead Google's libraries elsewhere."""
    prefixes = (
        "SPIRE_OIDC_PUBLISHER_",
        "SPIFFE_",
        "GOOGLE_",
        "GCE_",
        "CLOUDSDK_",
        "HTTP",
        "http",
        "NO_PROXY",
    )
    others = {name: value for name, value in os.environ.items() if not name.startswith(prefixes)}
    return others | dict(environment)


@contextmanager
def serving(
    *arguments: str, environment: Mapping[str, str], prefix: tuple[str, ...] = ()
) -> Iterator[Serving]:
    """Run `gcp metadata-server` with these arguments until the block ends."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="metadata-", dir="/tmp") as folder:
        log_file = Path(folder) / "log"
        words = ["-m", "publisher", "gcp", "metadata-server", "--listen", f"127.0.0.1:{port}", *arguments]
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                [*prefix, sys.executable, *words],
                cwd=ROOT,
                env=bare(environment),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
            )
        try:
            _await(process, port, log_file)
            yield Serving(port=port, process=process, log_file=log_file)
        finally:
            stop(process)


def stop(process: "subprocess.Popen[bytes]") -> int:
    """End it as systemd would, within bounds."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
    try:
        return process.wait(_STOP_PATIENCE)
    except subprocess.TimeoutExpired:
        process.kill()
        return process.wait()


def _await(process: "subprocess.Popen[bytes]", port: int, log_file: Path) -> None:
    end = time.monotonic() + _START_PATIENCE
    while time.monotonic() < end and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the metadata server did not start: {log_file.read_text()[-2000:]}")
