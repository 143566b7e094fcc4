import logging
import threading

import pytest

from publisher.bundle.fetched import Fetched, SourceKind
from publisher.errors import PublisherError, SinkUnavailableError
from publisher.last_net import UnexpectedError
from publisher.spire_plugin.turns import OutOfTimeError, Turns
from publisher.wiring import SystemClock
from tests import keys

PATIENCE = 20.0


def pushed(number: int, *kids: str) -> Fetched:
    return Fetched(
        bundle=keys.bundle(*(kids or ("a",)), sequence_number=number), source=SourceKind.SPIRE_PLUGIN
    )


class Work:
    """Work that begins when told to, and remembers what it was given."""

    def __init__(self) -> None:
        self.done: list[int | None] = []
        self.accepted: list[int | None] = []
        self.begun = threading.Semaphore(0)
        self.may_end = threading.Semaphore(0)
        self.errors: dict[int, Exception] = {}
        self.turns = Turns("name", self.work, accepted=self.accept, clock=SystemClock())

    def accept(self, fetched: Fetched) -> None:
        self.accepted.append(fetched.bundle.sequence_number)

    def work(self, fetched: Fetched) -> PublisherError | None:
        number = fetched.bundle.sequence_number
        assert number is not None
        self.begun.release()
        assert self.may_end.acquire(timeout=PATIENCE)
        self.done.append(number)
        error = self.errors.get(number)
        if error is None or isinstance(error, PublisherError):
            return error
        raise error

    def begin(self, number: int) -> object:
        turn = self.turns.push(pushed(number))
        assert self.begun.acquire(timeout=PATIENCE)
        return turn


def test_a_push_is_worked_on() -> None:
    work = Work()
    work.may_end.release()
    assert work.turns.push(pushed(1)).wait(PATIENCE) is None
    assert work.done == work.accepted == [1]
    assert work.turns.hangs_for() == 0


def test_what_waits_is_replaced_by_what_is_newer_and_shares_its_result() -> None:
    work = Work()
    work.errors[4] = SinkUnavailableError("sink", "is away", "wait")
    work.begin(1)
    waiting = [work.turns.push(pushed(number)) for number in (2, 4, 3)]
    work.may_end.release(2)
    assert [turn.wait(PATIENCE) for turn in waiting] == [work.errors[4]] * 3
    assert work.done == [1, 4], "one round for the three of them"
    assert work.accepted == [1, 2, 4], "of which the older one that came last was none"


def test_an_equal_bundle_and_a_straggler_join_what_is_under_way() -> None:
    work = Work()
    first = work.begin(5)
    assert work.turns.push(pushed(5)) is first
    assert work.turns.push(pushed(4)) is first
    assert work.turns.push(pushed(5, "b")) is not first, "another bundle of that number is news"
    work.may_end.release(2)


def test_a_call_does_not_wait_for_ever() -> None:
    work = Work()
    work.begin(1)
    assert isinstance(work.turns.push(pushed(2)).wait(0.01), OutOfTimeError)
    assert work.turns.hangs_for() > 0
    work.may_end.release(2)


def test_a_mistake_is_hidden_and_stops_nothing(caplog: pytest.LogCaptureFixture) -> None:
    work = Work()
    work.errors[1] = RuntimeError("a token")
    work.may_end.release(2)
    with caplog.at_level(logging.INFO):
        error = work.turns.push(pushed(1)).wait(PATIENCE)
    assert isinstance(error, UnexpectedError)
    assert "token" not in str(error) + caplog.text
    assert work.turns.push(pushed(2)).wait(PATIENCE) is None


def test_closing_ends_what_waits_not_what_is_under_way() -> None:
    work = Work()
    first = work.turns.push(pushed(1))
    assert work.begun.acquire(timeout=PATIENCE)
    second = work.turns.push(pushed(2))
    work.turns.close()
    assert "configured anew" in str(work.turns.push(pushed(3)).wait(PATIENCE))
    work.may_end.release()
    assert first.wait(PATIENCE) is None
    assert "configured anew" in str(second.wait(PATIENCE))
    assert work.done == [1]


def test_closing_an_idle_one_ends_its_thread() -> None:
    work = Work()
    work.turns.close()
    work.turns._thread.join(PATIENCE)
    assert not work.turns._thread.is_alive()
