"""What the plugin in SPIRE's server costs while nothing happens: both of its processes, with 39 keys."""

import os
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.measure import BenchError
from tests.bench.ways import BUCKET, PUBLIC
from tests.plugin import messages
from tests.plugin.host import Host

KEYS = 39
"""As many as thirteen servers have that keep three each."""

TICK = 30.0
"""Every so many seconds SPIRE pushes its bundle, changed or not."""

_WARM_UPS = 20
_CLOCK_TICK = os.sysconf("SC_CLK_TCK")
_KIB, _MIB = 1024, 1024 * 1024
_PLACE = f"{BUCKET}/plugin-at-rest"


class PluginAtRest:
    """Play SPIRE's server to a plugin: many updates first, then nothing but ticks."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._ended = threading.Event()
        self._bundle = b""
        host.start(f'sink = "gs://{_PLACE}"\nissuer = "{PUBLIC}/{_PLACE}"\nverify_url = false')
        for number in range(_WARM_UPS):
            self._bundle = messages.bundle(*(f"key-{key}" for key in range(KEYS - number % 2)), number=number)
            self._push()
        self._pids = (host.process.pid, host.worker())
        self._begun, self._spent = time.monotonic(), self._cpu()
        self._ticks = threading.Thread(target=self._tick)
        self._ticks.start()

    def cost(self) -> dict[str, Any]:
        """Give what it cost since it was made, and print it."""
        seconds, spent = time.monotonic() - self._begun, self._cpu() - self._spent
        used = [_memory(pid) for pid in self._pids]
        resident = [of["Rss"] for of in used]
        private = [of["Private_Clean"] + of["Private_Dirty"] for of in used]
        percent = 100 * spent / seconds
        print(
            f"plugin, idle: {percent:.3f} % of a core; both processes, shared pages counted twice:"
            f" {sum(resident) / _MIB:.1f} MiB ({sum(resident) / 1e6:.1f} MB), of them private"
            f" {sum(private) / _MIB:.1f} MiB"
        )
        return {
            "name": "plugin in SPIRE's server",
            "keys": KEYS,
            "seconds": round(seconds),
            "cpu_seconds": round(spent, 3),
            "percent_of_a_core": round(percent, 3),
            "resident_bytes": resident,
            "private_bytes": private,
        }

    def close(self) -> None:
        """End it."""
        self._ended.set()
        self._ticks.join()

    def _tick(self) -> None:
        while not self._ended.wait(TICK):
            self._push()

    def _push(self) -> None:
        answer = self._host.publish(self._bundle)
        if not answer.ok:
            raise BenchError(f"the plugin answered {answer}")

    def _cpu(self) -> float:
        """Give the seconds of user and system CPU of both (proc(5), fields 14 and 15)."""
        total = 0
        for pid in self._pids:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / _CLOCK_TICK


@contextmanager
def plugin_at_rest(folder: Path, environment: Mapping[str, str]) -> Iterator[PluginAtRest]:
    """Run one, and end it."""
    print(f"{_WARM_UPS} updates of a plugin ...", file=sys.stderr, flush=True)
    host = Host(folder, environment=environment)
    try:
        resting = PluginAtRest(host)
        try:
            yield resting
        finally:
            resting.close()
    finally:
        host.close()


def _memory(pid: int) -> dict[str, int]:
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()[1:]
    return {name: int(size.split()[0]) * _KIB for name, _, size in (line.partition(":") for line in lines)}
