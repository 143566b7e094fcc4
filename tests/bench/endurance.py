"""What `watch` and the plugin cost while nothing happens, and whether `watch` grows under many updates."""

import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench.plugin_at_rest import plugin_at_rest
from tests.bench.rotation import environment_of
from tests.bench.ways import BUCKET, Watch
from tests.emulator.server import running_emulator
from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.start import STANDIN, best_kind, start_peer

IDLE_MINUTES = 10.0
UPDATES = 1000
_WARM_UP = 20.0
_BETWEEN_UPDATES = 0.3
_SOURCES = ("workload-api", "server-api")
_PAGE, _TICK = os.sysconf("SC_PAGE_SIZE"), os.sysconf("SC_CLK_TCK")
_MIB = 1024 * 1024


def run(minutes: float = IDLE_MINUTES, updates: int = UPDATES) -> dict[str, Any]:
    """Measure both, print them and give the figures."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="endurance-", dir="/tmp")))
        emulator = stack.enter_context(running_emulator(folder))
        emulator.make_bucket(BUCKET)
        environment = environment_of(folder, emulator)
        idle = _on(best_kind(), [Watch(source, emulator) for source in _SOURCES], environment, folder)
        with plugin_at_rest(folder, environment) as plugin:
            figures: dict[str, Any] = {"idle": idle.rest(minutes * 60), "plugin": plugin.cost()}
        idle.stop()
        busy = _on(STANDIN, [Watch(_SOURCES[0], emulator)], environment, folder)
        figures["growth"] = busy.updated(updates)
        busy.stop()
    return figures


class _Watched:
    """Hold watchers of one peer."""

    def __init__(self, peer: SpirePeer, ways: Sequence[Watch]) -> None:
        self._peer, self._ways = peer, ways

    def rest(self, seconds: float) -> list[dict[str, Any]]:
        """Let them be, and give what that cost each."""
        time.sleep(_WARM_UP)
        before = [cpu_seconds_of(way.pid) for way in self._ways]
        print(f"idle for {seconds:g} s ...", file=sys.stderr, flush=True)
        time.sleep(seconds)
        found = []
        for way, earlier in zip(self._ways, before, strict=True):
            spent = cpu_seconds_of(way.pid) - earlier
            found.append(
                {
                    "name": way.name,
                    "seconds": seconds,
                    "cpu_seconds": round(spent, 3),
                    "percent_of_a_core": round(100 * spent / seconds, 3),
                    "resident_mib": round(_resident(way.pid) / _MIB, 1),
                }
            )
            print(
                f"{way.name}, idle: {100 * spent / seconds:.3f} % of a core, {found[-1]['resident_mib']} MiB"
            )
        return found

    def updated(self, updates: int) -> dict[str, Any]:
        """Change the bundle that often; give the memory at a fifth and at the end."""
        pid = self._ways[0].pid
        time.sleep(_WARM_UP)
        self._peer.prepare()  # in every cycle there is one to activate, so that the set does not grow
        early, done = 0, 0
        print(f"{updates} updates ...", file=sys.stderr, flush=True)
        while done < updates:
            for change in (self._peer.activate, self._peer.taint, self._peer.revoke, self._peer.prepare):
                change()
                time.sleep(_BETWEEN_UPDATES)
            done += 3  # activating changes no bundle
            if not early and done >= updates // 5:
                early = _resident(pid)
        late = _resident(pid)
        print(f"watch, after {done} updates: {early / _MIB:.1f} MiB at a fifth, {late / _MIB:.1f} at the end")
        return {
            "updates": done,
            "resident_mib_at_a_fifth": round(early / _MIB, 1),
            "resident_mib_at_the_end": round(late / _MIB, 1),
        }

    def stop(self) -> None:
        """End them and their peer."""
        for way in self._ways:
            way.stop()
        self._peer.stop()


def _on(kind: str, ways: Sequence[Watch], environment: Mapping[str, str], folder: Path) -> _Watched:
    sync = 5.0 if kind != STANDIN else 0.2
    peer = start_peer(kind, PeerOptions(jwt_issuer="https://issuer.example", sync_interval=sync))
    peer.wait_for_agent()
    for way in ways:
        way.start(peer, environment, folder)
    return _Watched(peer, ways)


def cpu_seconds_of(pid: int) -> float:
    """Give the seconds of user and system CPU that a process has had (proc(5), fields 14 and 15)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
