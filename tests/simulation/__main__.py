"""`make simulate`: thousands of rotations in simulated worlds; exits with 1 if anything broke."""

import argparse
import os
import sys
import time
from collections.abc import Sequence

from tests.simulation import plan, report
from tests.simulation.ledger import Figures
from tests.simulation.world import World
from tests.simulation.worlds import BY_NAME


def main() -> int:
    """Run worlds from their seeds and print what they came to."""
    parser = argparse.ArgumentParser(prog="python -m tests.simulation", description=main.__doc__)
    parser.add_argument("--world", choices=sorted(BY_NAME), help="only this world")
    parser.add_argument("--seed", type=int, help="only this seed")
    parser.add_argument("--trace", action="store_true", help="print every event; needs --world and --seed")
    parser.add_argument("--report", action="store_true", help="write the figures to docs/simulation.md")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 1, help="how many at a time")
    options = parser.parse_args()
    if options.trace and (options.world is None or options.seed is None):
        parser.error("--trace needs --world and --seed")
    if options.trace:
        figures = World(BY_NAME[options.world], options.seed, trace=_say).run()
        return _end({options.world: figures}, figures.violations)
    begun = time.monotonic()
    todo = plan.jobs(options.world, None if options.seed is None else [options.seed])
    by_world: dict[str, Figures] = {}
    for (name, seed), figures in plan.run(todo, options.processes):
        state = "ok" if not figures.violations else f"{len(figures.violations)} VIOLATIONS"
        sys.stderr.write(f"{name} {seed}: {figures.rotations} rotations, {state}\n")
        by_world.setdefault(name, Figures()).merge(figures)
    violations = [one for figures in by_world.values() for one in figures.violations]
    status = _end(by_world, violations)
    _say(f"{len(todo)} worlds in {time.monotonic() - begun:.0f} s")
    if options.report:
        if options.world is not None or options.seed is not None or violations:
            parser.error("--report is of a whole run without violations")
        report.write(by_world)
    return status


def _end(by_world: dict[str, Figures], violations: Sequence[str]) -> int:
    _say(report.tables(by_world))
    for violation in violations:
        name, seed = violation.partition(" at ")[0].rsplit(" ", 1)
        _say(f"VIOLATION {violation}")
        _say(f"    replay: python -m tests.simulation --world '{name}' --seed {seed} --trace")
    return 1 if violations else 0


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(main())
