"""How soon after the agent's push `watch` shows it at the bucket, and what a round of it costs."""

import math
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.endurance import cpu_seconds_of
from tests.bench.measure import BenchError
from tests.bench.rotation import Reader, environment_of
from tests.bench.ways import BUCKET, PUBLIC, Watch
from tests.emulator.server import Emulator, running_emulator
from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.start import STANDIN, start_peer

PUSHES = 100
GOAL_SECONDS, GOAL_SHARE = 0.25, 0.99
BETWEEN = 1.5
"""Seconds from one push to the next: a round begins at least one second after the one before it."""

_PATIENCE = 30.0
_POLL = 0.005
_SETTLE = 3.0


@dataclass(kw_only=True)
class Pushes:
    """The seconds from pushes to what readers saw, and what `watch` spent on all of them."""

    name: str
    seconds: list[float] = field(default_factory=list)

    @property
    def within(self) -> int:
        """Give how many were within the goal's seconds."""
        return sum(each <= GOAL_SECONDS for each in self.seconds)

    @property
    def figures(self) -> dict[str, Any]:
        """Give them as JSON has them."""
        ordered = sorted(self.seconds)
        return {
            "name": self.name,
            "count": len(ordered),
            "median_seconds": round(statistics.median(ordered), 4),
            "p99_seconds": round(ordered[math.ceil(len(ordered) * GOAL_SHARE) - 1], 4),
            "worst_seconds": round(ordered[-1], 4),
            f"within_{GOAL_SECONDS:g}_seconds": self.within,
        }

    def __str__(self) -> str:
        given = self.figures
        return (
            f"{self.name:44} {given['median_seconds']:8.3f} {given['p99_seconds']:8.3f}"
            f" {given['worst_seconds']:8.3f}   {self.within} of {len(self.seconds)}"
        )


def run(pushes: int = PUSHES) -> dict[str, Any]:
    """Measure that many new keys and as many revoked ones, print a table and give the figures.

    On the stand-in: only its agent pushes when told, and no later. The time of the order counts as well.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="push-", dir="/tmp")))
        emulator = stack.enter_context(running_emulator(folder))
        emulator.make_bucket(BUCKET)
        options = PeerOptions(jwt_issuer=f"{PUBLIC}/{BUCKET}/watch-workload-api", sync_interval=0)
        peer = start_peer(STANDIN, options)
        stack.callback(peer.stop)
        peer.wait_for_agent()
        watch = Watch("workload-api", emulator)
        stack.callback(watch.stop)
        watch.start(peer, environment_of(folder, emulator), folder)
        new, gone, cpu = _measure(peer, watch, emulator, pushes)
    print("\nFrom the agent's push to the bucket, seconds: median, p99, worst, within 0.25 s")
    for each in (new, gone):
        print(each)
    met = new.within >= GOAL_SHARE * len(new.seconds)
    print(f"goal: {GOAL_SHARE:.0%} of the new keys within {GOAL_SECONDS:g} s: {'met' if met else 'missed'}")
    print(f"CPU of watch for each round: {1000 * cpu:.1f} ms")
    return {"rows": [new.figures, gone.figures], "cpu_seconds_per_round": round(cpu, 4)}


def _measure(peer: SpirePeer, watch: Watch, emulator: Emulator, pushes: int) -> tuple[Pushes, Pushes, float]:
    reader = Reader(watch.url, emulator.tls)
    reader.wait_for(max(peer.bundle().kids), time.monotonic() + _PATIENCE)
    time.sleep(_SETTLE)
    new, gone = Pushes(name="watch, a prepared key is there"), Pushes(name="watch, a revoked key is gone")
    before = cpu_seconds_of(watch.pid)
    for number in range(pushes):
        print(f"push {number + 1} of {pushes} ...", file=sys.stderr, flush=True)
        prepared = peer.prepare()
        _push(peer, new, lambda kid=prepared: kid in reader.kids())  # type: ignore[misc]
        peer.activate()
        peer.taint()
        peer.sync()  # shows nothing new to readers of bundles, and ends JWT-SVIDs of the tainted key
        revoked = peer.revoke()
        _push(peer, gone, lambda kid=revoked: bool(kids := reader.kids()) and kid not in kids)  # type: ignore[misc]
    return new, gone, (cpu_seconds_of(watch.pid) - before) / (2 * pushes)


def _push(peer: SpirePeer, pushes: Pushes, seen: Callable[[], bool]) -> None:
    """Let the agent push, and note when that was seen; return when the next push may come."""
    begun = time.monotonic()
    peer.sync()
    while not seen():
        if time.monotonic() - begun > _PATIENCE:
            raise BenchError(f"{pushes.name}: not within {_PATIENCE:g} s")
        time.sleep(_POLL)
    pushes.seconds.append(time.monotonic() - begun)
    time.sleep(BETWEEN)
