"""Measure commands as whole processes: CPU, wall time, peak memory, requests to the bucket."""

import json
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.emulator.fault_proxy import FaultProxy

_SPAWN = Path(__file__).with_name("spawn.py")


class BenchError(Exception):
    """A measured command failed: what it cost means nothing."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one run of one command cost: seconds of user and system CPU, seconds, bytes."""

    cpu: float
    wall: float
    memory: int


@dataclass(frozen=True, kw_only=True)
class Scenario:
    """A command to measure. `command` is called before each run and prepares what that run needs."""

    name: str
    command: Callable[[], Sequence[str]]
    environment: Mapping[str, str]
    has_bucket: bool = True


@dataclass(kw_only=True)
class Row:
    """The samples of one scenario, one a round, and the requests of a run of its own."""

    scenario: Scenario
    samples: list[Sample] = field(default_factory=list)
    requests: int | None = None

    @property
    def cpu(self) -> float:
        return statistics.median(sample.cpu for sample in self.samples)

    @property
    def least_cpu(self) -> float:
        """Give the cheapest run: noise only ever adds, and small differences drown in a median's."""
        return min(sample.cpu for sample in self.samples)

    @property
    def wall(self) -> float:
        return statistics.median(sample.wall for sample in self.samples)

    @property
    def memory(self) -> int:
        return max(sample.memory for sample in self.samples)

    def to(self, other: "Row") -> float:
        """Give the ratio of CPU: the median over rounds, each against the other row's run in that round."""
        pairs = zip(self.samples, other.samples, strict=True)
        return statistics.median(mine.cpu / theirs.cpu for mine, theirs in pairs)


class Spawner:
    """Start measured processes from a small one, see `spawn.py`."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        self._process, self._log = process, log

    def run(self, command: Sequence[str], environment: Mapping[str, str]) -> Sample:
        """Run a command to its end.

        Raises BenchError if it does not end with 0.
        """
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        asked = {"command": list(command), "environment": dict(environment), "log": str(self._log)}
        self._process.stdin.write(json.dumps(asked) + "\n")
        self._process.stdin.flush()
        answer: dict[str, Any] = json.loads(self._process.stdout.readline())
        if answer["status"]:
            said = self._log.read_text(errors="replace")[-2000:]
            raise BenchError(f"{' '.join(command)} ended with {answer['status']}: {said}")
        return Sample(cpu=answer["cpu"], wall=answer["wall"], memory=answer["memory"])


@contextmanager
def spawner(folder: Path) -> Iterator[Spawner]:
    command = [sys.executable, "-S", "-E", str(_SPAWN)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, encoding="utf-8"
    ) as process:
        try:
            yield Spawner(process, folder / "stderr.log")
        finally:
            process.kill()


def measure(scenarios: Sequence[Scenario], rounds: int, spawn: Spawner, proxy: FaultProxy) -> list[Row]:
    """Run every scenario once a round, so that all of them meet the same noise; the first round warms up.

    Requests are counted in one more run, through the proxy: the measured ones talk TLS to the emulator
    itself, as they would with Google.
    """
    rows = [Row(scenario=scenario) for scenario in scenarios]
    for number in range(rounds + 1):
        print(f"round {number} of {rounds}{'' if number else ' (warm-up)'} ...", file=sys.stderr, flush=True)
        for row in rows:
            sample = spawn.run(row.scenario.command(), row.scenario.environment)
            if number:
                row.samples.append(sample)
    for row in rows:
        if row.scenario.has_bucket:
            command = row.scenario.command()
            proxy.forget()
            spawn.run(command, {**row.scenario.environment, **proxy.environment})
            row.requests = len(proxy.requests)
    return rows
