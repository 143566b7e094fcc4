"""How many seeds of each world a long run takes, and how they are shared among processes."""

import multiprocessing
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor

from tests.simulation.ledger import Figures
from tests.simulation.world import World
from tests.simulation.worlds import BY_NAME, WORLDS

SEEDS: dict[str, int] = {
    "calm": 14,
    "timer": 4,
    "emergencies": 14,
    "replicas": 4,
    "two agents": 6,
    "memory keys": 6,
    "crashes": 6,
    "host away": 2,
    "datastore lost": 3,
    "wrong source": 2,
    "short ca_ttl": 4,
    "defaults": 2,
    "half a year": 2,
}
"""Seeds 1 to so many of each world: together at least `ROTATIONS`."""

ROTATIONS = 10_000

Job = tuple[str, int]


def jobs(only: str | None = None, seeds: Sequence[int] | None = None) -> list[Job]:
    """Give worlds and seeds, in the order of the report."""
    names = [spec.name for spec in WORLDS if only in (None, spec.name)]
    return [(name, seed) for name in names for seed in seeds or range(1, SEEDS[name] + 1)]


def live(job: Job) -> Figures:
    name, seed = job
    return World(BY_NAME[name], seed).run()


def run(todo: Sequence[Job], processes: int) -> Iterator[tuple[Job, Figures]]:
    """Live through all of them, and give them in their order."""
    if processes == 1:
        yield from ((job, live(job)) for job in todo)
        return
    context = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(processes, mp_context=context) as pool:
        yield from zip(todo, pool.map(live, todo), strict=True)
