"""Eight real processes that publish at the same moment, again and again."""

import multiprocessing
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.synchronize import Barrier
from typing import Any

from tests.cli.running import LIMIT, Ran, invoke

Job = tuple[Sequence[str], Mapping[str, Any]]
"""The words of a command line, and its environment."""

_start: dict[str, Barrier] = {}


class Fleet:
    """Processes that live as long as the test: each has loaded everything, so that they meet at the sink."""

    def __init__(self, pool: ProcessPoolExecutor, size: int) -> None:
        self._pool, self._size = pool, size

    def run(self, jobs: Sequence[Job]) -> list[Ran]:
        """Run one command in each process, all from the same moment on."""
        assert len(jobs) == self._size
        return list(self._pool.map(_run, jobs, timeout=LIMIT))


@contextmanager
def fleet(size: int) -> Iterator[Fleet]:
    context: Any = multiprocessing.get_context("spawn")
    barrier = context.Barrier(size)
    with ProcessPoolExecutor(size, mp_context=context, initializer=_know, initargs=(barrier,)) as pool:
        yield Fleet(pool, size)


def _know(barrier: Barrier) -> None:
    _start["barrier"] = barrier


def _run(job: Job) -> Ran:
    arguments, environment = job
    _start["barrier"].wait(LIMIT)
    return invoke(*arguments, **environment)
