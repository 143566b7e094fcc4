"""Many publications at once, and the limit that holds them."""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from publisher.bundle.fetched import Fetched, SourceKind
from publisher.cli.runs import MOST_AT_ONCE, OutOfTimeError, PublicationThread, Work, run_all
from publisher.errors import PublisherError, SettingsError, SourceUnavailableError
from publisher.last_net import UnexpectedError
from publisher.ports import Deadline
from publisher.wiring import Once, SharedFetches, SharedSource, SystemClock
from tests import keys


def deadline(seconds: float = 60.0) -> Deadline:
    return Deadline(SystemClock(), seconds)


def works(*doings: Callable[[], object]) -> list[Work[object]]:
    return [Work(name=f"p{number}", do=do) for number, do in enumerate(doings)]


def failing(error: Exception) -> Callable[[], object]:
    def do() -> object:
        raise error

    return do


def test_results_are_in_order_whatever_ends_first() -> None:
    second = threading.Event()

    def first() -> object:
        assert second.wait(30)
        return "first"

    def then() -> object:
        second.set()
        return "second"

    assert run_all(works(first, then), deadline=deadline()) == ["first", "second"]


def test_failures_stay_where_they_are() -> None:
    known = SettingsError("here", "is wrong", "mend it")
    results = run_all(works(failing(known), failing(ValueError("hunter2")), lambda: 3), deadline=deadline())
    assert results[0] is known
    assert isinstance(results[1], UnexpectedError)
    assert "hunter2" not in str(results[1])
    assert "ValueError" in str(results[1])
    assert results[2] == 3


def test_no_more_than_the_bound_at_once() -> None:
    lock, at_once, most = threading.Lock(), [0], [0]
    all_in = threading.Barrier(MOST_AT_ONCE, timeout=60)

    def do() -> object:
        with lock:
            at_once[0] += 1
            most[0] = max(most[0], at_once[0])
        all_in.wait()  # broken unless as many run at once as may
        with lock:
            at_once[0] -= 1
        return None

    results = run_all(works(*[do] * (3 * MOST_AT_ONCE)), deadline=deadline())
    assert results == [None] * (3 * MOST_AT_ONCE)
    assert most == [MOST_AT_ONCE]


def test_what_hangs_is_left_behind_and_what_waits_is_not_begun() -> None:
    release, begun = threading.Event(), []

    def hang() -> object:
        begun.append(1)
        release.wait(120)
        return None

    results = run_all(works(lambda: "done", *[hang] * (MOST_AT_ONCE + 4)), deadline=deadline(0.5), grace=0.5)
    assert results[0] == "done"
    assert all(isinstance(result, OutOfTimeError) and result.exit_status == 75 for result in results[1:])
    assert len(begun) == MOST_AT_ONCE
    assert PublicationThread.any_left()
    release.set()
    for thread in threading.enumerate():
        if isinstance(thread, PublicationThread):
            thread.join(60)
    assert not PublicationThread.any_left()
    assert len(begun) == MOST_AT_ONCE  # the deadline had passed for those behind


@pytest.mark.parametrize("nothing", [None, (), "", 0])
def test_a_result_may_be_empty(nothing: object) -> None:
    assert run_all(works(lambda: nothing), deadline=deadline()) == [nothing]


def test_nothing_to_work_on() -> None:
    assert run_all([], deadline=deadline()) == []


@dataclass
class CountingSource:
    answers: list[Fetched | PublisherError]
    fetches: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def fetch(self, deadline: Deadline) -> Fetched:
        with self.lock:
            answer = self.answers[min(self.fetches, len(self.answers) - 1)]
            self.fetches += 1
        if isinstance(answer, PublisherError):
            raise answer
        return answer


def fetched(sequence_number: int) -> Fetched:
    return Fetched(bundle=keys.bundle("one", sequence_number=sequence_number), source=SourceKind.FILE)


@pytest.mark.parametrize("only_once", [False, True])
def test_publications_share_their_first_fetch_and_their_second(only_once: bool) -> None:
    source = CountingSource(answers=[fetched(1), fetched(2)])
    shared = SharedFetches(lambda: source, only_once=only_once)
    views = [SharedSource(shared) for _ in range(8)]
    firsts = run_all(
        works(*[lambda view=view: view.fetch(deadline()) for view in views]), deadline=deadline()
    )
    assert firsts == [fetched(1)] * 8
    assert source.fetches == 1
    assert views[3].fetch(deadline()) == views[5].fetch(deadline()) == fetched(1 if only_once else 2)
    assert source.fetches == (1 if only_once else 2)


def test_a_failed_fetch_is_shared_too() -> None:
    source = CountingSource(answers=[SourceUnavailableError("here", "is away", "wait")])
    shared = SharedFetches(lambda: source, only_once=False)
    for _ in range(3):
        with pytest.raises(SourceUnavailableError):
            SharedSource(shared).fetch(deadline())
    assert source.fetches == 1


def test_what_is_made_once_is_closed_once() -> None:
    made: list[object] = []
    closed: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    once = Once(make)
    once.forget(closed.append)
    assert once.get() is once.get()
    once.forget(closed.append)
    assert closed == made
    assert len(made) == 1


def test_the_system_clock() -> None:
    clock = SystemClock()
    begin = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() > begin
    assert clock.now().utcoffset() is not None
