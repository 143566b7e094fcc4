"""The host's side of go-plugin, as spire-server plays it, over the tests' own encoding of messages."""

import contextlib
import json
import os
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from tests.peers import wire
from tests.plugin import messages

COOKIE = {"BundlePublisher": "BundlePublisher"}
PROGRAM = (sys.executable, "-m", "publisher", "spire-plugin")
_PATIENCE = 30.0


@dataclass(frozen=True, slots=True)
class Answer:
    """How one call ended: its status, its text, its message."""

    code: grpc.StatusCode
    text: str = ""
    message: bytes = b""

    @property
    def ok(self) -> bool:
        return self.code is grpc.StatusCode.OK


class Host:
    """Start the plugin as SPIRE does, and keep everything that it says."""

    def __init__(
        self,
        folder: Path,
        *,
        command: Iterable[str] = PROGRAM,
        environment: Mapping[str, str] | None = None,
        trust_domain: str = "example.org",
    ) -> None:
        self.trust_domain = trust_domain
        self._log_path = folder / "plugin.log"
        with self._log_path.open("wb") as log:
            self.process = subprocess.Popen(
                [*command],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=log,
                env={**os.environ, **COOKIE, "TMPDIR": "/tmp", **(environment or {})},
            )
        self.stdout: list[bytes] = []
        self._lines: queue.SimpleQueue[bytes] = queue.SimpleQueue()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        self.channel: grpc.Channel | None = None
        self.streams: list[Any] = []
        self.path = ""

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as stdout:
            for line in stdout:
                self.stdout.append(line)
                self._lines.put(line)
        self._lines.put(b"")

    def shake_hands(self) -> None:
        """Read the handshake, connect, look at the plugin's health, open the broker's and stdio's streams."""
        line = self._lines.get(timeout=_PATIENCE).decode()
        parts = line.rstrip("\n").split("|")
        assert (parts[:3], parts[4:]) == (["1", "1", "unix"], ["grpc"]), (line, self.log_text())
        self.path = parts[3]
        options = [
            ("grpc.enable_retries", 0),
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.initial_reconnect_backoff_ms", 100),
            ("grpc.max_reconnect_backoff_ms", 500),
        ]
        self.channel = grpc.insecure_channel(f"unix:{self.path}", options=options)
        health = self.call("/grpc.health.v1.Health/Check", wire.encode({1: "plugin"}))
        assert health.ok, health
        assert wire.number(health.message, 1) == 1, "SERVING"
        hold = threading.Event()

        def broker() -> Iterator[bytes]:
            yield wire.encode({2: "unix"})  # the address of the host's services, which we do not call
            hold.wait()

        self.streams = [
            self.channel.stream_stream("/plugin.GRPCBroker/StartStream", bytes, bytes)(broker()),
            self.channel.unary_stream("/plugin.GRPCStdio/StreamStdio", bytes, bytes)(b""),
        ]
        self._hold = hold

    def init(self) -> set[str]:
        answer = self.call("/spire.service.private.init.v1.Init/Init", wire.encode({1: "x.HostService"}))
        assert answer.ok, answer
        return {name.decode() for name in wire.texts(answer.message, 1)}

    def configure(self, plugin_data: str, trust_domain: str | None = None) -> Answer:
        message = messages.configure(plugin_data, trust_domain or self.trust_domain)
        return self.call("/spire.service.common.config.v1.Config/Configure", message)

    def validate(self, plugin_data: str) -> tuple[bool, list[str]]:
        message = messages.configure(plugin_data, self.trust_domain)
        answer = self.call("/spire.service.common.config.v1.Config/Validate", message)
        assert answer.ok, answer
        notes = [note.decode() for note in wire.texts(answer.message, 2)]
        return bool(wire.number(answer.message, 1)), notes

    def publish(self, bundle: bytes, *, seconds: float = 30.0) -> Answer:
        name = "spire.plugin.server.bundlepublisher.v1.BundlePublisher/PublishBundle"
        return self.call(f"/{name}", wire.encode({1: bundle}), seconds=seconds)

    def publish_until(self, bundle: bytes) -> Answer:
        """Push again and again, as ticks do, until it works."""
        end = time.monotonic() + _PATIENCE
        while not (answer := self.publish(bundle)).ok and time.monotonic() < end:
            time.sleep(0.1)
        return answer

    def call(self, method: str, message: bytes = b"", *, seconds: float = 30.0) -> Answer:
        assert self.channel is not None
        try:
            answered = self.channel.unary_unary(method, bytes, bytes)(message, timeout=seconds)
        except grpc.RpcError as error:
            return Answer(error.code(), error.details() or "")
        return Answer(grpc.StatusCode.OK, "", bytes(answered))

    def start(self, plugin_data: str) -> None:
        """Do what SPIRE does at its start."""
        self.shake_hands()
        self.init()
        answer = self.configure(plugin_data)
        assert answer.ok, answer

    def worker(self) -> int:
        """Find the process of the present worker; wait until there is one."""
        end = time.monotonic() + _PATIENCE
        while time.monotonic() < end:
            for pid in children(self.process.pid):
                with contextlib.suppress(OSError):
                    if b"spire_plugin.worker" in Path(f"/proc/{pid}/cmdline").read_bytes():
                        return pid
            time.sleep(0.02)
        raise AssertionError(f"no worker: {self.log_text()}")

    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log_text().splitlines()]

    def log_text(self) -> str:
        return self._log_path.read_text()

    def shut_down(self) -> Answer:
        return self.call("/plugin.GRPCController/Shutdown")

    def wait(self, seconds: float = 15.0) -> int:
        return self.process.wait(seconds)

    def close(self) -> None:
        """End everything, whatever a test left."""
        if self.streams:
            self._hold.set()
            for stream in self.streams:
                stream.cancel()
        if self.channel is not None:
            self.channel.close()
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait(10)
        self._reader.join(10)


def children(pid: int) -> list[int]:
    with contextlib.suppress(OSError):
        return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []


def is_alive(pid: int) -> bool:
    """Tell whether a process runs; a zombie does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def wait_for_end(pid: int, seconds: float = 10.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if not is_alive(pid):
            return True
        time.sleep(0.02)
    return False
