"""`make bench`: what runs cost, beside the libraries' own cost in the same rounds. Asserts nothing."""

import argparse
import json
import os
import platform
import tempfile
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.bench import endurance, metadata, push, rotation, serving
from tests.bench.goals import Goal, judge
from tests.bench.measure import Row, measure, spawner
from tests.bench.scenarios import FLOOR, Bench
from tests.emulator.fault_proxy import running_fault_proxy
from tests.emulator.server import running_emulator
from tests.peers.programs import ABSENT, find_spire
from tests.peers.start import SPIRE, STANDIN, start_peer

_MIB = 1024 * 1024
_PARTS = ("runs", "serving", "rotation", "push", "endurance", "metadata")


def main() -> None:
    """Measure, print a table and the goals, and exit 0 whether they are met or not."""
    parser = argparse.ArgumentParser(prog="make bench", description=main.__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="measured rounds after one of warm-up (7)")
    parser.add_argument("--only", choices=_PARTS, help="measure this part only")
    parser.add_argument("--minutes", type=float, default=endurance.IDLE_MINUTES, help="of idling (10)")
    parser.add_argument(
        "--prepares", type=int, default=rotation.PREPARES, help="new keys, half a minute each (20)"
    )
    parser.add_argument("--pushes", type=int, default=push.PUSHES, help="of an agent, 4 s each (100)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there as well")
    options = parser.parse_args()
    rounds: int = max(options.rounds, 1)
    parts: dict[str, Callable[[], Mapping[str, Any]]] = {
        "runs": lambda: _runs(rounds),
        "serving": lambda: serving.run(starts=rounds, rounds=rounds, seconds=1),
        "rotation": lambda: rotation.run(options.prepares),
        "push": lambda: push.run(max(options.pushes, 1)),
        "endurance": lambda: endurance.run(options.minutes),
        "metadata": lambda: metadata.run(rounds),
    }
    chosen = (options.only,) if options.only else _PARTS
    figures = {part: parts[part]() for part in chosen}
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n")


def _runs(rounds: int) -> dict[str, Any]:
    """Measure runs of the command beside the libraries' own cost."""
    programs = find_spire()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="bench-")))
        emulator = stack.enter_context(running_emulator(folder))
        proxy = stack.enter_context(running_fault_proxy(emulator))
        spawn = stack.enter_context(spawner(folder))
        peers = []
        for kind in (STANDIN, SPIRE) if programs else (STANDIN,):
            peer = start_peer(kind)
            stack.callback(peer.stop)
            peer.wait_for_agent()
            peers.append(peer)
        rows = measure(Bench(folder, emulator).scenarios(peers, programs), rounds, spawn, proxy)
    named = {row.scenario.name: row for row in rows}
    goals = list(judge(named))
    machine = (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}"
    )
    print(f"\n{machine}; medians of {rounds} rounds; SPIRE: {programs.version if programs else ABSENT}\n")
    _table(rows, named[FLOOR])
    print("\nGoals (ratios are taken within each round, then the median)")
    for goal in goals:
        print(goal)
    return _figures(machine, rounds, rows, goals)


def _table(rows: Sequence[Row], floor: Row) -> None:
    width = max(len(row.scenario.name) for row in rows)
    print(f"{'':{width}}  {'CPU s':>7} {'to floor':>8} {'wall s':>7} {'MiB':>5} {'requests':>8}")
    for row in rows:
        requests = "" if row.requests is None else str(row.requests)
        print(
            f"{row.scenario.name:{width}}  {row.cpu:7.3f} {row.to(floor):8.2f} {row.wall:7.3f}"
            f" {row.memory / _MIB:5.0f} {requests:>8}"
        )


def _figures(machine: str, rounds: int, rows: Sequence[Row], goals: Sequence[Goal]) -> dict[str, Any]:
    floor = next(row for row in rows if row.scenario.name == FLOOR)
    return {
        "machine": machine,
        "rounds": rounds,
        "rows": [
            {
                "name": row.scenario.name,
                "cpu_seconds": round(row.cpu, 4),
                "cpu_to_floor": round(row.to(floor), 3),
                "wall_seconds": round(row.wall, 4),
                "peak_memory_bytes": row.memory,
                "gcs_requests": row.requests,
                "cpu_seconds_of_each_round": [round(sample.cpu, 4) for sample in row.samples],
            }
            for row in rows
        ],
        "goals": [
            {"goal": goal.text, "measured": round(goal.measured, 3), "most": goal.most, "met": goal.met}
            for goal in goals
        ],
    }


if __name__ == "__main__":
    main()
