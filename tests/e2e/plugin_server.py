"""A SPIRE server with the plugin in it: real SPIRE, or the stand-in with the tests' host of plugins."""

import contextlib
import functools
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from tests.e2e.conftest import Story
from tests.peers import wire
from tests.peers.client import ServerBundle
from tests.plugin.host import Host, children

TICK_PATIENCE = 50.0
"""Seconds within which SPIRE has pushed again: it does so every 30."""

_PAUSE = 0.1


def publisher_block(plugin_data: str) -> str:
    """Give what server.conf says: the program is the installed one, with the checksum that it prints."""
    program = Path(sys.executable).parent / "spire-oidc-publisher"
    return (
        f'BundlePublisher "oidc" {{\n plugin_cmd = {json.dumps(str(program))}\n'
        f' plugin_checksum = "{_checksum(program)}"\n'
        f' plugin_args = ["spire-plugin"]\n plugin_data {{\n{plugin_data}\n }}\n}}'
    )


@functools.cache
def _checksum(program: Path) -> str:
    printed = subprocess.run(
        [program, "spire-plugin-config"], capture_output=True, text=True, timeout=60, check=True
    ).stdout
    found = re.search(r'plugin_checksum = "([0-9a-f]{64})"', printed)
    assert found, printed
    return found[1]


def message(bundle: ServerBundle) -> bytes:
    """Give what SPIRE pushes of such a bundle."""
    keys = b"".join(
        wire.encode(
            {
                3: wire.encode(
                    {1: key.public_key, 2: key.kid, 3: key.expires_at or [], 4: int(key.tainted) or []}
                )
            }
        )
        for key in bundle.jwt_authorities
    )
    return wire.encode({1: bundle.trust_domain}) + keys + wire.encode({5: bundle.sequence_number})


@dataclass
class PluginServer:
    """One story's server. `host` is None where SPIRE itself is the host."""

    story: Story
    host: Host | None
    said: list[str] = field(default_factory=list)

    def tick(self) -> None:
        """Do what SPIRE does at an update and every 30 s, if it does not do it by itself."""
        if self.host is not None:
            answer = self.host.publish(message(self.story.peer.bundle()))
            self.said.append(answer.text)

    def wait_for(self, what: Callable[[], bool], seconds: float = TICK_PATIENCE) -> None:
        """Wait until something holds."""
        end = time.monotonic() + seconds
        while not what():
            assert time.monotonic() < end, self.log()[-3000:]
            self.tick()
            time.sleep(_PAUSE)

    def published(self, kid: str) -> Callable[[], bool]:
        """Ask whether a key can be read."""
        return lambda: kid.encode() in self.story.objects().get("keys", b"")

    def log(self) -> str:
        """Give what the operator reads."""
        if self.host is not None:
            return "\n".join([*self.said, self.host.log_text()])
        return (self.story.peer.directory / "server.log").read_text()

    def processes(self) -> list[int]:
        """Find supervisor and worker."""
        if self.host is not None:
            return [self.host.process.pid, self.host.worker()]
        end = time.monotonic() + TICK_PATIENCE
        while time.monotonic() < end:
            found = [pid for pid in _below(os.getpid()) if b"spire_plugin" in _command(pid)]
            if len(found) == 2:
                return found
            time.sleep(_PAUSE)
        raise AssertionError(f"no plugin: {self.log()[-2000:]}")

    def kill_server(self) -> None:
        """End the server at once."""
        if self.host is not None:
            self.host.process.kill()
        self.story.peer.kill_server()


def workers() -> list[int]:
    """Find the workers of all plugins below this process."""
    return [pid for pid in _below(os.getpid()) if b"spire_plugin.worker" in _command(pid)]


def _below(pid: int) -> list[int]:
    """Give all processes below one, parents first."""
    found = []
    for child in _children(pid):
        found += [child, *_below(child)]
    return found


def _children(pid: int) -> list[int]:
    # Of every thread: SPIRE starts its plugins from any of them.
    with contextlib.suppress(OSError):
        return [
            int(child)
            for task in Path(f"/proc/{pid}/task").iterdir()
            for child in (task / "children").read_text().split()
        ]
    return children(pid)


def _command(pid: int) -> bytes:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""
