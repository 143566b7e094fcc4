"""How long a new key takes from `localauthority jwt prepare` to readers, for each way to publish it."""

import contextlib
import http.client
import json
import os
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import certifi

from tests.bench.measure import BenchError
from tests.bench.ways import BUCKET, Beside, Way, ways_of
from tests.emulator.server import Emulator, running_emulator
from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.start import SPIRE, best_kind, start_peer

PREPARES = 20
TIMER_SECONDS = 60
_PATIENCE = 60.0
_POLL = 0.01
_LONGEST_INTERVAL = 31.0
_BETWEEN_READS = 0.5


@dataclass(kw_only=True)
class Figures:
    """The seconds of one way, one for each prepared key."""

    name: str
    seconds: list[float] = field(default_factory=list)

    def __str__(self) -> str:
        median, worst = statistics.median(self.seconds), max(self.seconds)
        return f"{self.name:50} {median:8.3f} {worst:8.3f}   ({len(self.seconds)})"


class Reader:
    """Read one JWKS over a connection that is kept, as often as asked."""

    def __init__(self, url: str, tls: ssl.SSLContext) -> None:
        self._parts, self._tls = urlsplit(url), tls
        self._connection: http.client.HTTPConnection | None = None

    def kids(self) -> frozenset[str]:
        """Give the kids that are there now; none where nothing can be read."""
        try:
            connection = self._connection or self._connect()
            connection.request("GET", self._parts.path)
            answer = connection.getresponse()
            body = answer.read()
            keys = json.loads(body).get("keys") or [] if answer.status == http.HTTPStatus.OK else []
            return frozenset(key.get("kid", "") for key in keys)
        except (OSError, http.client.HTTPException, ValueError):
            self._connection = None
            return frozenset()

    def wait_for(self, kid: str, until: float) -> float:
        """Give the monotonic time at which that key was seen first.

        Raises BenchError if it was not in time.
        """
        while kid not in self.kids():
            if time.monotonic() > until:
                raise BenchError(f"{self._parts.path}: no {kid} within {_PATIENCE:g} s")
            time.sleep(_POLL)
        return time.monotonic()

    def _connect(self) -> http.client.HTTPConnection:
        host = self._parts.netloc
        if self._parts.scheme == "https":
            self._connection = http.client.HTTPSConnection(host, timeout=5, context=self._tls)
        else:
            self._connection = http.client.HTTPConnection(host, timeout=5)
        return self._connection


def run(prepares: int = PREPARES) -> dict[str, Any]:
    """Measure every way side by side on one SPIRE and one emulator, print a table and give the figures."""
    kind = best_kind()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="rotation-", dir="/tmp")))
        emulator = stack.enter_context(running_emulator(folder))
        emulator.make_bucket(BUCKET)
        environment = environment_of(folder, emulator)
        # A real agent asks its server every 5 s; only then do the figures tell what an operator will see.
        options = PeerOptions(jwt_issuer="https://issuer.example", sync_interval=5.0)
        ways = ways_of(real=kind == SPIRE, emulator=emulator, options=options)
        peer = start_peer(kind, ways.options(environment))
        stack.callback(peer.stop)
        peer.wait_for_agent()
        with ExitStack() as beside:
            for way in ways.all:
                if isinstance(way, Beside):
                    beside.callback(way.stop)
                    way.start(peer, environment, folder)
            figures = _side_by_side(peer, ways.all, emulator, prepares)
        figures.append(_timers(peer, emulator, environment, prepares))
    print(f"\nFrom prepare to readable, seconds, on {peer.name.split(' at ')[0]}: median, worst (of)")
    for each in figures:
        print(each)
    return {
        "peer": peer.name.split(" at ")[0],
        "rows": [
            {
                "name": each.name,
                "median_seconds": round(statistics.median(each.seconds), 3),
                "worst_seconds": round(max(each.seconds), 3),
                "count": len(each.seconds),
            }
            for each in figures
        ],
    }


def environment_of(folder: Path, emulator: Emulator) -> dict[str, str]:
    """Give the environment of every measured process: the emulator, its CA beside Google's."""
    ours = ("SPIRE_OIDC_PUBLISHER_", "SPIFFE_", "PYTHON", "COVERAGE", "NOTIFY_SOCKET")
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    authorities = folder / "authorities.pem"
    authorities.write_bytes(Path(certifi.where()).read_bytes() + emulator.ca_file.read_bytes())
    return {
        **inherited,
        **emulator.environment,
        "REQUESTS_CA_BUNDLE": str(authorities),
        "SSL_CERT_FILE": str(authorities),  # what SPIRE's own programs read
    }


def _side_by_side(peer: SpirePeer, ways: Sequence[Way], emulator: Emulator, prepares: int) -> list[Figures]:
    readers = [Reader(way.url, emulator.tls) for way in ways]
    figures = [Figures(name=way.name) for way in ways]
    known = max(peer.bundle().kids)
    for reader in readers:
        reader.wait_for(known, time.monotonic() + _PATIENCE)
    for number in range(prepares):
        print(f"prepare {number + 1} of {prepares} ...", file=sys.stderr, flush=True)
        # At another moment of everybody's intervals each time; the longest is the function's, which looks
        # for something newer only when it is asked: so somebody asks all the time.
        pause = time.monotonic() + random.uniform(1, _LONGEST_INTERVAL)
        while time.monotonic() < pause:
            for reader in readers:
                reader.kids()
            time.sleep(_BETWEEN_READS)
        begun = time.monotonic()
        kid = peer.prepare()
        seen = _all(readers, kid, begun + _PATIENCE)
        for each, moment in zip(figures, seen, strict=True):
            each.seconds.append(moment - begun)
    return figures


def _all(readers: Sequence[Reader], kid: str, until: float) -> list[float]:
    """Wait for one key at all readers at once; give when each saw it."""
    results: dict[int, float] = {}

    def wait(number: int) -> None:
        with contextlib.suppress(BenchError):
            results[number] = readers[number].wait_for(kid, until)

    threads = [threading.Thread(target=wait, args=(number,)) for number in range(len(readers))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if len(results) < len(readers):
        raise BenchError("a way never showed the new key")
    return [results[number] for number in range(len(readers))]


def _timers(peer: SpirePeer, emulator: Emulator, environment: Mapping[str, str], count: int) -> Figures:
    """Run many timers of one minute, their phases spread evenly over it: one prepared key, many samples."""
    ended = threading.Event()
    places = [f"timer-{number}" for number in range(count)]
    begun = time.monotonic()

    def tick(number: int) -> None:
        after = begun + TIMER_SECONDS * number / count
        while not ended.wait(max(after - time.monotonic(), 0)):
            after += TIMER_SECONDS
            subprocess.run(
                publish_command("publish", f"workload-api:{peer.workload_api}", places[number]),
                env=dict(environment),
                capture_output=True,
                timeout=_PATIENCE,
                check=False,
            )

    threads = [threading.Thread(target=tick, args=(number,)) for number in range(count)]
    for thread in threads:
        thread.start()
    try:
        print(f"{count} timers of {TIMER_SECONDS} s: two minutes ...", file=sys.stderr, flush=True)
        time.sleep(TIMER_SECONDS + 5)
        prepared = time.monotonic()
        kid = peer.prepare()
        readers = [Reader(emulator.public_url(BUCKET, f"{place}/keys"), emulator.tls) for place in places]
        seconds = [moment - prepared for moment in _all(readers, kid, prepared + 2 * _PATIENCE)]
    finally:
        ended.set()
        for thread in threads:
            thread.join()
    return Figures(name=f"publish, a timer of {TIMER_SECONDS} s, Workload API", seconds=seconds)


def publish_command(command: str, source: str, place: str) -> tuple[str, ...]:
    """Give our command line for one place of the bucket."""
    base = f"{BUCKET}/{place}"
    return (
        *(sys.executable, "-m", "publisher", command, "--no-verify-url", "--source", source),
        *("--sink", f"gs://{base}", "--issuer", f"https://storage.googleapis.com/{base}"),
    )
