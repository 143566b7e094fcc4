"""The metadata server: cached tokens for one identity and 50, beside a trivial handler; the first token."""

import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tests.bench.load import Load, put_load, tool
from tests.bench.metadata_users import cpu, running_users, why_not
from tests.gcp.metadata.serving import DEFAULT, FLAVOR, ROOT, Serving, free_port, serving
from tests.gcp.metadata.world import APP, ISSUER, World, new_world
from tests.google.google import running_google
from tests.peers.peer import PeerOptions
from tests.peers.programs import ABSENT, find_spire
from tests.peers.real_peer import RealPeer
from tests.peers.start import best_kind, start_peer

IDENTITIES = 50
_FIRST_UID = 54000
_TOKEN = f"{DEFAULT}/token"
_HEADER = "Metadata-Flavor: Google"
_MIB = 1024 * 1024
_PATIENCE = 60.0


@dataclass(kw_only=True)
class Row:
    """What was measured of one way to ask, one sample a round; `pid` is the server's."""

    name: str
    pid: int
    ask: Callable[[], Load]
    loads: list[Load] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    walls: list[float] = field(default_factory=list)

    def measure(self, *, counts: bool) -> None:
        """Ask for a round."""
        before, began = cpu(self.pid), time.monotonic()
        load = self.ask()
        wall, used = time.monotonic() - began, cpu(self.pid) - before
        if counts:
            self.loads.append(load)
            self.rates.append(load.requests / used)
            self.walls.append(load.requests / wall)

    def figures(self) -> dict[str, Any]:
        """Give the medians over the rounds; latencies in seconds, memory in bytes."""
        return {
            "name": self.name,
            "requests_per_second": round(statistics.median(self.walls)),
            "requests_per_cpu_second": round(statistics.median(self.rates)),
            "p50_seconds": statistics.median(load.p50 for load in self.loads),
            "p99_seconds": statistics.median(load.p99 for load in self.loads),
            "memory_bytes": _memory(self.pid),
        }


def run(rounds: int, seconds: int = 2) -> dict[str, Any]:
    """Measure, print a table and give the figures. What cannot be measured here is said."""
    if sys.platform != "linux":
        print("metadata: not measured, it takes Linux")
        return {}
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="metadata-", dir="/tmp")))
        google = stack.enter_context(running_google(folder))
        delegates = ("spiffe://example.org/publisher",) if find_spire() else ()
        peer = start_peer(best_kind(), PeerOptions(jwt_issuer=ISSUER, authorized_delegates=delegates))
        stack.callback(peer.stop)
        peer.wait_for_agent()
        world = new_world(google, peer)
        world.account(APP, peer.spiffe_id)
        firsts = [_first_token(world) for _ in range(rounds)]
        rows = [_trivial(stack, seconds), _one(stack, world, seconds)]
        missing = why_not() or ("" if find_spire() else ABSENT)
        if not missing:
            rows += _many(stack, world, folder, seconds)
        for number in range(rounds + 1):
            print(f"metadata, round {number} of {rounds} ...", file=sys.stderr, flush=True)
            for row in rows:
                row.measure(counts=number > 0)
        figures = _report(rows, firsts, rounds, seconds)
    if missing:
        print(f"many identities: not measured ({missing})")
    return figures | {"not_measured": missing, "peer": peer.name}


def _first_token(world: World) -> tuple[float, float]:
    """Start a server; give the seconds from its start, and from the request, to the first token."""
    began = time.monotonic()
    with world.one("--service-account", APP) as server:
        asked = time.monotonic()
        _token(server)
        return time.monotonic() - began, time.monotonic() - asked


def _token(server: Serving) -> None:
    got = server.get(_TOKEN, FLAVOR)
    assert got.status == 200, got.text


def _trivial(stack: ExitStack, seconds: int) -> Row:
    port = free_port()
    pid = stack.enter_context(_running_trivial(port))
    return Row(
        name="trivial handler, same listener", pid=pid, ask=lambda: put_load(port, "/", seconds, _HEADER)
    )


@contextmanager
def _running_trivial(port: int) -> Iterator[int]:
    command = [sys.executable, "-m", "tests.bench.metadata_trivial", str(port)]
    process = subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE)
    try:
        time.sleep(1)  # its first answers are the warm-up round's
        yield process.pid
    finally:
        assert process.stdin
        process.stdin.close()
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _one(stack: ExitStack, world: World, seconds: int) -> Row:
    server = stack.enter_context(world.one("--service-account", APP))
    _token(server)
    return Row(
        name="cached token, one identity",
        pid=server.process.pid,
        ask=lambda: put_load(server.port, _TOKEN, seconds, _HEADER),
    )


def _many(stack: ExitStack, world: World, folder: Path, seconds: int) -> list[Row]:
    """Run one server with `--identities`, and ask as one user, then as 50: a process and connection each."""
    peer = cast("RealPeer", world.peer)
    uids = range(_FIRST_UID, _FIRST_UID + IDENTITIES)
    file = folder / "identities.toml"
    ids = [peer.add_workload(f"/user-{uid}", uid) for uid in uids]
    file.write_text("".join(f'[[identity]]\nspiffe_id = "{spiffe_id}"\n' for spiffe_id in ids))
    words = ("--provider", world.provider, "--identities", str(file), "--admin-socket", peer.admin_api)
    server = stack.enter_context(serving(*words, environment=world.google.environment))
    time.sleep(2 * peer.options.sync_interval + 1)  # until the agent knows them all
    rows = []
    for count in (1, IDENTITIES):
        users = stack.enter_context(running_users(server.port, _TOKEN, uids[:count]))
        name = f"cached token, many identities: {count} user{'s' if count > 1 else ''}"
        pid = server.process.pid
        rows.append(
            Row(name=name, pid=pid, ask=lambda users=users: users.put_load(seconds))  # type: ignore[misc]
        )
    return rows


def _memory(pid: int) -> int:
    """Give the bytes of memory of a process, shared pages in full."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Rss:"):
            return int(line.split()[1]) * 1024
    return 0


def _report(rows: list[Row], firsts: list[tuple[float, float]], rounds: int, seconds: int) -> dict[str, Any]:
    figures = [row.figures() for row in rows]
    width = max(len(row.name) for row in rows)
    print(f"\nmetadata: {rounds} rounds of {seconds} s; load by {tool()}, of many users by http.client")
    head = f"{'req/s':>8} {'req/CPU s':>9} {'to trivial':>10} {'p50 ms':>7} {'p99 ms':>7} {'MiB':>5}"
    print(f"{'':{width}}  {head}")
    for row, shown in zip(rows, figures, strict=True):
        ratio = statistics.median(mine / other for mine, other in zip(row.rates, rows[0].rates, strict=True))
        shown["rate_to_trivial"] = round(ratio, 3)
        print(
            f"{row.name:{width}}  {shown['requests_per_second']:8,} {shown['requests_per_cpu_second']:9,}"
            f" {ratio:10.3f} {shown['p50_seconds'] * 1e3:7.2f} {shown['p99_seconds'] * 1e3:7.2f}"
            f" {shown['memory_bytes'] / _MIB:5.0f}"
        )
    start, request = (statistics.median(each) for each in zip(*firsts, strict=True))
    print(f"first token: {start:.2f} s after the start of the program, {request:.3f} s after it is asked for")
    return {
        "rounds": rounds,
        "seconds_a_round": seconds,
        "load": tool(),
        "rows": figures,
        "first_token_seconds_from_start": round(start, 3),
        "first_token_seconds_from_request": round(request, 3),
    }
