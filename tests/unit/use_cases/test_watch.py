"""The loop of `watch` in a time of its own: what happens at which second, and how often."""

import itertools
from collections.abc import Callable
from datetime import datetime, timedelta

import pytest

from publisher.errors import ExitStatus
from publisher.ports import Bell, Call, Clock
from publisher.use_cases.pace import LEAST_GAP, Pace
from publisher.use_cases.watch import LEAST_JUMP, SLICE, watch
from tests.doubles import NOON

DONE, AWAY, REFUSED = ExitStatus.DONE, ExitStatus.TEMPORARY, ExitStatus.UNSAFE


class Time:
    """A clock and a bell: monotonic seconds from 0, at which what was planned happens.

    Whatever is planned for a moment that a round takes is found when the round is over, as a bell keeps it.
    """

    def __init__(self, *, stop_at: float) -> None:
        self.seconds = 0.0
        self.day = NOON
        self.rounds: list[float] = []
        self.waits: list[float] = []
        self._plan: list[tuple[float, Call | Callable[[], None]]] = [(stop_at, Call.STOP)]

    def at(self, seconds: float, what: Call | Callable[[], None]) -> None:
        self._plan = sorted([*self._plan, (seconds, what)], key=lambda planned: planned[0])

    def jump(self, seconds: float) -> None:
        self.day += timedelta(seconds=seconds)

    def now(self) -> datetime:
        return self.day + timedelta(seconds=self.seconds)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds
        while self._plan[0][0] <= self.seconds and callable(self._plan[0][1]):
            self._plan.pop(0)[1]()  # type: ignore[operator]  # mypy does not narrow an element

    def wait(self, seconds: float) -> Call:
        assert seconds > 0
        self.waits.append(seconds)
        end = self.seconds + seconds
        while self._plan[0][0] <= end:
            moment, what = self._plan[0]
            self.seconds = max(self.seconds, moment)
            if what is Call.STOP:
                return what
            self._plan.pop(0)
            if isinstance(what, Call):
                while self._plan[0] == (self.seconds, what):
                    self._plan.pop(0)  # rings of one moment are one
                return what
            what()
        self.seconds = end
        return Call.TIME


def run(
    time: Time,
    work: Callable[[], ExitStatus] = lambda: DONE,
    *,
    confirm_every: float = 300,
    jumped: Callable[[float], None] | None = None,
) -> list[float]:
    """Watch in that time, and give when every round began."""

    def round_() -> ExitStatus:
        time.rounds.append(time.seconds)
        return work()

    bell: Bell = time
    clock: Clock = time
    pace = Pace(confirm_every=confirm_every)
    if jumped is None:
        watch(round_, bell=bell, clock=clock, pace=pace)
    else:
        watch(round_, bell=bell, clock=clock, pace=pace, jumped=jumped)
    return time.rounds


def test_it_works_at_once_and_confirms_by_the_clock() -> None:
    assert run(Time(stop_at=1000)) == [0, 300, 600, 900]
    assert run(Time(stop_at=35), confirm_every=10) == [0, 10, 20, 30]


def test_news_are_worked_on_at_once_and_the_clock_starts_anew() -> None:
    time = Time(stop_at=450)
    time.at(42.5, Call.NEWS)
    assert run(time) == [0, 42.5, 342.5]


def test_a_burst_is_two_rounds_a_gap_apart() -> None:
    time = Time(stop_at=200)
    for number in range(50):
        time.at(100 + number / 100, Call.NEWS)
    assert run(time) == [0, 100, 100 + LEAST_GAP]


def test_news_that_come_during_a_round_are_one_round_more() -> None:
    time = Time(stop_at=200)
    for number in range(5):
        time.at(100 + number, Call.NEWS)

    def work() -> ExitStatus:
        if time.seconds == 100:
            time.sleep(10)
        return DONE

    assert run(time, work) == [0, 100, 110 + LEAST_GAP]


def test_endless_news_are_one_round_a_second() -> None:
    time = Time(stop_at=60)
    for number in range(1200):
        time.at(number / 20, Call.NEWS)
    assert run(time) == pytest.approx(list(range(60)))


def test_failures_are_tried_again_ever_later_and_a_success_makes_good() -> None:
    time = Time(stop_at=1000)
    ends = iter([AWAY, AWAY, AWAY, AWAY, DONE, AWAY, *[DONE] * 10])
    rounds = run(time, lambda: next(ends))
    gaps = [later - earlier for earlier, later in itertools.pairwise(rounds)]
    bounds = [(1, 1), (1, 2), (2, 4), (4, 8), (300, 300), (1, 1), (300, 300), (300, 300)]
    assert len(gaps) >= len(bounds) - 1
    for gap, (least, most) in zip(gaps, bounds, strict=False):
        assert least - 0.001 <= gap <= most + 0.001


def test_a_lasting_failure_is_no_busy_loop() -> None:
    assert 60 <= len(run(Time(stop_at=3600), lambda: AWAY)) <= 130


def test_what_is_refused_is_tried_again_at_news() -> None:
    time = Time(stop_at=100)
    time.at(7, Call.NEWS)
    assert run(time, lambda: REFUSED) == [0, 7, 67]


@pytest.mark.parametrize("stop_at", [0.0, 0.4, 3.0, 299.9])
def test_the_stop_ends_every_wait(stop_at: float) -> None:
    time = Time(stop_at=stop_at)
    assert run(time) == [0]
    assert time.seconds == stop_at


def test_the_stop_ends_the_gap_too() -> None:
    time = Time(stop_at=0.5)
    time.at(0.1, Call.NEWS)
    assert run(time) == [0]
    assert time.seconds == 0.5


def test_no_wait_is_longer_than_a_slice() -> None:
    time = Time(stop_at=400)
    run(time)
    assert max(time.waits) == SLICE


@pytest.mark.parametrize("seconds", [3600.0, -3600.0, LEAST_JUMP, -LEAST_JUMP])
def test_a_clock_that_jumped_is_told_and_followed_by_a_round(seconds: float) -> None:
    time, told = Time(stop_at=250), list[float]()
    time.at(98, lambda: time.jump(seconds))
    assert run(time, jumped=told.append) == [0, 100]
    assert told == [pytest.approx(seconds)]


def test_a_jump_needs_no_listener() -> None:
    time = Time(stop_at=250)
    time.at(98, lambda: time.jump(3600))
    assert run(time) == [0, 100]


def test_a_jump_during_a_round_is_noticed_soon_after_it() -> None:
    time, told = Time(stop_at=250), list[float]()

    def work() -> ExitStatus:
        if not time.seconds:
            time.sleep(2)
            time.jump(600)
        return DONE

    assert run(time, work, jumped=told.append) == [0, 2 + SLICE]
    assert told == [pytest.approx(600)]


def test_news_do_not_hide_a_jump() -> None:
    time, told = Time(stop_at=250), list[float]()
    time.at(98, lambda: time.jump(3600))
    time.at(98.5, Call.NEWS)
    assert run(time, jumped=told.append) == [0, 98.5]
    assert told == [pytest.approx(3600)]


def test_a_clock_that_drifts_or_is_slewed_has_not_jumped() -> None:
    time, told = Time(stop_at=290), list[float]()
    for number in range(1, 280):
        time.at(number, lambda: time.jump(1.0))
    assert run(time, jumped=told.append) == [0]
    assert told == []
