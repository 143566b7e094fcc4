"""A thousand races in one process: every step of every publisher chosen from a seed."""

import random
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from publisher.errors import ExitStatus
from publisher.ports import Sink
from publisher.sinks.directory import DirectorySink
from publisher.use_cases.run import MOST_ATTEMPTS
from tests.doubles import MemorySink
from tests.races.rounds import Round

NEWEST = 4
ROUNDS = {2: 150, 8: 100}
"""Rounds of each of four kinds, by the number of publishers: a thousand."""
ROUNDS_IN_A_DIRECTORY = {2: 25, 8: 10}
MOST_WRITES = 3 * MOST_ATTEMPTS

counted = pytest.mark.parametrize("is_counted", [True, False], ids=["numbered", "unnumbered"])
equal = pytest.mark.parametrize("is_equal", [True, False], ids=["same", "different"])
several = pytest.mark.parametrize("publishers", ROUNDS)


def offers(seed: int, publishers: int, *, is_equal: bool) -> list[int]:
    """Choose what each publisher offers; the newest is always among it."""
    if is_equal:
        return [NEWEST] * publishers
    chance = random.Random(f"{seed} {publishers}")
    chosen = [NEWEST, *(chance.choice((2, 3, NEWEST)) for _ in range(publishers - 1))]
    chance.shuffle(chosen)
    return chosen


def race(seed: int, publishers: int, sink: Sink, *, is_counted: bool, is_equal: bool) -> None:
    """Run one round and hold it to what docs/faults.md promises."""
    done = Round(
        seed=seed, sink=sink, offers=offers(seed, publishers, is_equal=is_equal), is_counted=is_counted
    )
    done.run()
    for one in done.publishers:
        assert one.sink.writes <= MOST_WRITES, "nobody loops"
        match one.status:
            case ExitStatus.DONE:
                pass
            case ExitStatus.UNSAFE:
                assert is_counted, "without numbers nobody can be told to be old"
                assert "ROT002" in one.codes
                assert one.first < NEWEST, "the newest is never refused"
                assert done.holds() > one.first
            case status:
                raise AssertionError(f"{status}: {one.ended}")
    held = done.holds()
    if is_counted:
        assert held == NEWEST, "the newest sequence number wins"
    assert not done.publish_alone(held).changed, "one more run has nothing to do but confirm"


@contextmanager
def memory() -> Iterator[Sink]:
    yield MemorySink()


@contextmanager
def directory() -> Iterator[Sink]:
    with tempfile.TemporaryDirectory() as name:
        yield DirectorySink(Path(name))


@counted
@equal
@several
def test_a_thousand_rounds_at_a_store_with_generations(
    publishers: int, is_equal: bool, is_counted: bool
) -> None:
    for seed in range(ROUNDS[publishers]):
        with memory() as sink:
            race(seed, publishers, sink, is_counted=is_counted, is_equal=is_equal)


@counted
@equal
@several
def test_rounds_in_a_directory(publishers: int, is_equal: bool, is_counted: bool) -> None:
    for seed in range(ROUNDS_IN_A_DIRECTORY[publishers]):
        with directory() as sink:
            race(seed, publishers, sink, is_counted=is_counted, is_equal=is_equal)


class Careless(MemorySink):
    """A store that heeds no precondition."""

    def __init__(self) -> None:
        super().__init__()
        self.is_careless = True


class Forgetful(MemorySink):
    """A store whose generations say nothing."""

    def put(self, *arguments: object, **how: object) -> object:  # type: ignore[override]
        self._generation = 0
        return super().put(*arguments, **how)  # type: ignore[arg-type]


@pytest.mark.parametrize("broken", [Careless, Forgetful])
def test_the_rounds_find_what_is_broken(broken: Callable[[], MemorySink]) -> None:
    """Else they would prove nothing."""
    found = 0
    for seed in range(ROUNDS[2]):
        try:
            race(seed, 2, broken(), is_counted=True, is_equal=False)
        except AssertionError:
            found += 1
    assert found


def test_a_round_can_be_run_again() -> None:
    logs = []
    for _ in range(2):
        sink = MemorySink()
        race(7, 8, sink, is_counted=True, is_equal=False)
        logs.append(sink.log)
    assert logs[0] == logs[1]
