"""The serving part of `make bench`, also `python -m tests.bench.serving`. Asserts nothing."""

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.bench.contenders import ROOT, Contender, make_contenders
from tests.bench.load import Load, put_load, tool
from tests.bench.server_process import ServerProcess, Start, free_port, on_cores
from tests.bench.serving_goals import Goal, judge
from tests.emulator.server import running_emulator

_MIB = 1024 * 1024
_WARM_UP = 1


@dataclass(kw_only=True)
class Row:
    """What was measured of one contender, one sample a round; memory in bytes."""

    contender: Contender
    starts: list[Start] = field(default_factory=list)
    rates: list[float] = field(default_factory=list)
    loads: list[Load] = field(default_factory=list)
    memory: int = 0

    @property
    def rate(self) -> float:
        """Give the median of requests per second of the server's CPU."""
        return statistics.median(self.rates)

    def figures(self) -> dict[str, Any]:
        figures: dict[str, Any] = {
            "name": self.contender.name,
            "start_cpu_seconds": round(statistics.median(start.cpu for start in self.starts), 4),
            "start_wall_seconds": round(statistics.median(start.wall for start in self.starts), 4),
            "memory_bytes": self.memory,
        }
        if self.loads:
            figures |= {
                "requests_per_cpu_second": round(self.rate),
                "p50_seconds": statistics.median(load.p50 for load in self.loads),
                "p99_seconds": statistics.median(load.p99 for load in self.loads),
                "requests_per_cpu_second_of_each_round": [round(rate) for rate in self.rates],
            }
        return figures


def measure_serving(starts: int, rounds: int, seconds: int, python: Path | None = None) -> list[Row]:
    """Measure on two cores: the servers on the first, everything else on the last.

    Within a round every contender has its turn, so that all of them meet the same noise.
    """
    cores = sorted(os.sched_getaffinity(0))
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="serving-")))
        stack.enter_context(on_cores({cores[-1]}))
        emulator = stack.enter_context(running_emulator(folder))
        contenders = make_contenders(folder, emulator, python or deployed_environment())
        rows = [Row(contender=contender) for contender in contenders]
        for number in range(starts + 1):
            _say(f"start {number} of {starts}{'' if number else ' (warm-up)'} ...")
            for row in rows:
                _start(row, folder, cores[0], stack=None, counts=bool(number))
        servers = [_start(row, folder, cores[0], stack, counts=False) for row in rows]
        for number in range(rounds + 1):
            _say(f"round {number} of {rounds}{'' if number else ' (warm-up)'} ...")
            for row, server in zip(rows, servers, strict=True):
                if not row.contender.only_starts:
                    _load(row, server, seconds if number else _WARM_UP, counts=bool(number))
        for row, server in zip(rows, servers, strict=True):
            row.memory = server.memory()
    return rows


def _start(row: Row, folder: Path, core: int, stack: ExitStack | None, *, counts: bool) -> ServerProcess:
    contender, port = row.contender, free_port()
    server = ServerProcess(contender.command(port), contender.environment, core, folder / "server.log", port)
    with ExitStack() as mine:
        mine.callback(server.stop)
        start = server.wait(contender.path, contender.is_good)
        if counts:
            row.starts.append(start)
        if stack is not None:
            stack.push(mine.pop_all())
    return server


def _load(row: Row, server: ServerProcess, seconds: int, *, counts: bool) -> None:
    before = server.cpu()
    load = put_load(server.port, row.contender.path, seconds)
    used = server.cpu() - before
    if counts:
        row.loads.append(load)
        row.rates.append(load.requests / used)


def deployed_environment() -> Path:
    """Give the Python of an environment with what is deployed and nothing else, made on first use.

    Other packages count: google.api_core, say, imports grpc where it is installed.
    """
    lock = ROOT / "requirements" / "function.txt"
    name = hashlib.sha256(lock.read_bytes() + sys.version.encode()).hexdigest()[:12]
    folder = ROOT / "build" / f"bench-{name}"
    python = folder / "bin" / "python"
    ready = folder / ".ready"
    if not ready.exists():
        _say("making an environment of requirements/function.txt ...")
        install = ("install", "--quiet", "--disable-pip-version-check", "--require-hashes", "--requirement")
        subprocess.run((sys.executable, "-m", "venv", "--clear", folder), check=True, timeout=120)
        subprocess.run((python, "-m", "pip", *install, lock), check=True, timeout=600)
        ready.touch()
    return python


def report(rows: Sequence[Row], goals: Sequence[Goal]) -> None:
    """Print a table and the goals."""
    width = max(len(row.contender.name) for row in rows)
    print(
        f"\n{'':{width}}  {'req/CPU s':>9} {'p50 ms':>7} {'p99 ms':>7} {'MiB':>5} {'start s':>7} {'CPU s':>6}"
    )
    for row in rows:
        figures = row.figures()
        speed = f"{'':9} {'':7} {'':7}"
        if row.loads:
            p50, p99 = figures["p50_seconds"] * 1e3, figures["p99_seconds"] * 1e3
            speed = f"{row.rate:9,.0f} {p50:7.2f} {p99:7.2f}"
        start, cpu = figures["start_wall_seconds"], figures["start_cpu_seconds"]
        print(f"{row.contender.name:{width}}  {speed} {row.memory / _MIB:5.0f} {start:7.3f} {cpu:6.3f}")
    print("\nGoals (ratios are taken within each round, then the median)")
    for goal in goals:
        print(goal)


def run(starts: int, rounds: int, seconds: int, python: Path | None = None) -> Mapping[str, Any]:
    """Measure and print; give the same figures for a file. Where it cannot be measured, say why."""
    if sys.platform != "linux" or len(os.sched_getaffinity(0)) < 2:
        print("serving: not measured, it takes Linux and two cores")
        return {}
    began = time.monotonic()
    rows = measure_serving(starts, rounds, seconds, python)
    goals = list(judge({row.contender.name: row for row in rows}))
    print(
        f"\nserving: {platform.system()} {platform.machine()}, Python {platform.python_version()}, "
        f"one core for the servers, the load by {tool()}; {starts} starts, {rounds} rounds of {seconds} s, "
        f"{time.monotonic() - began:.0f} s in all"
    )
    report(rows, goals)
    return {
        "starts": starts,
        "rounds": rounds,
        "seconds_a_round": seconds,
        "load": tool(),
        "rows": [row.figures() for row in rows],
        "goals": [goal.figures() for goal in goals],
    }


def main() -> None:
    """Measure serving, print a table and the goals, and exit 0 whether they are met or not."""
    parser = argparse.ArgumentParser(prog="python -m tests.bench.serving", description=main.__doc__)
    parser.add_argument("--starts", type=int, default=7, help="measured starts of each server (7)")
    parser.add_argument("--rounds", type=int, default=9, help="measured rounds of load (9)")
    parser.add_argument("--seconds", type=int, default=1, help="seconds of load a server and round (1)")
    parser.add_argument("--python", type=Path, help="serve with this one, not with an environment of its own")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    limits = (max(options.starts, 1), max(options.rounds, 1), max(options.seconds, 1))
    figures = run(*limits, options.python)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
