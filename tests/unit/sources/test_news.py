"""What listeners share, without any source: when they look again, when they ring, what they tell."""

import logging
import threading
import time
from collections.abc import Callable

import pytest

from publisher.errors import BundleError, PublisherError, SourceSettingsError, SourceUnavailableError
from publisher.sources.news import Attempts, Pauses, Seen, StoppedError, Told, hopeless, poll
from publisher.sources.retry import LaterError
from tests.unit.sources.listening import PATIENCE, CountedStop

AWAY = SourceUnavailableError("there", "is away", "wait")
Look = Seen | PublisherError


def listed(*looks: Look) -> Callable[[], Seen]:
    """Look and see these, one after the other; the last for ever."""
    left = list(looks)

    def look() -> Seen:
        seen = left.pop(0) if len(left) > 1 else left[0]
        if isinstance(seen, PublisherError):
            raise seen
        return seen

    return look


def seen(value: object, next_in: float = 5, missing: PublisherError | None = None) -> Seen:
    assert value is None or isinstance(value, int | str)
    return Seen(value=value, next_in=next_in, missing=missing)


def polled(*looks: Look, pauses: Pauses | None = None) -> tuple[list[float], int]:
    """Look until all of these were seen; give the pauses, and the number of rings."""
    stop, rings = CountedStop(len(looks)), list[None]()
    poll(listed(*looks), lambda: rings.append(None), stop, pauses=pauses or Pauses(first=1, longest=60))
    return stop.pauses, len(rings)


class TestPauses:
    def test_they_grow_to_a_ceiling_and_vary(self) -> None:
        pauses = Pauses(first=0.1, longest=15)
        for failures, longest in [(1, 0.1), (2, 0.2), (3, 0.4), (8, 12.8), (9, 15), (10**6, 15)]:
            given = {pauses.after(failures, AWAY) for _ in range(20)}
            assert longest / 2 <= min(given) <= max(given) <= longest
            assert len(given) > 1

    def test_a_source_may_ask_for_a_longer_one_within_bounds(self) -> None:
        def asks(seconds: float) -> float:
            return Pauses(first=1, longest=60, most=300).after(1, LaterError("", "", "", seconds=seconds))

        assert asks(0) <= 1
        assert asks(30) == 30
        assert asks(86400) == 300

    def test_what_only_a_person_can_change_is_asked_most_seldom(self) -> None:
        for error in (SourceSettingsError("there", "is wrong", "mend it"), BundleError("it", "is bad", "")):
            later = hopeless(error)
            assert (later.where, later.what, later.remedy) == (error.where, error.what, error.remedy)
            assert Pauses(most=77).after(1, later) == 77
        assert hopeless(AWAY) is AWAY


class TestPolling:
    def test_the_first_answer_rings_and_equal_ones_do_not(self) -> None:
        assert polled(seen(1, 5), seen(1, 6), seen(1, 7)) == ([5, 6, 7], 1)

    def test_another_value_rings_up_and_down(self) -> None:
        assert polled(seen(1), seen(2), seen(2), seen(1))[1] == 3

    def test_a_return_rings_even_with_the_value_of_before(self) -> None:
        pauses, rings = polled(seen(1), AWAY, AWAY, AWAY, seen(1), seen(1), AWAY)
        assert rings == 2
        bounds = [(5, 5), (0.5, 1), (1, 2), (2, 4), (5, 5), (5, 5), (0.5, 1)]
        for pause, (least, most) in zip(pauses, bounds, strict=True):
            assert least <= pause <= most

    def test_what_appears_and_disappears_rings_and_what_was_never_there_does_not(self) -> None:
        missing = seen(None, missing=AWAY)
        assert polled(missing, missing)[1] == 0
        assert polled(missing, seen(1), seen(1))[1] == 1
        assert polled(seen(1), missing, missing, seen(1))[1] == 3

    def test_its_state_is_told_once(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level(logging.INFO)
        polled(seen(1), *[AWAY] * 30, seen(1), seen(1), *[seen(None, missing=AWAY)] * 9, seen(1))
        assert [record.getMessage() for record in caplog.records] == [
            "waiting for there: is away; wait",
            "there is back",
        ] * 2

    def test_a_bug_is_not_hidden(self) -> None:
        def look() -> Seen:
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            poll(look, lambda: None, CountedStop(9), pauses=Pauses())

    def test_a_bug_that_comes_again_and_again_leaves_no_thread_behind_each_time(self) -> None:
        def look() -> Seen:
            raise ZeroDivisionError

        stop, before = threading.Event(), threading.active_count()
        for _ in range(20):
            with pytest.raises(ZeroDivisionError):
                poll(look, lambda: None, stop, pauses=Pauses())
        assert threading.active_count() <= before + 2  # the waker of this stop, and an attempt that just ends
        stop.set()


class TestAttempts:
    def test_a_stop_leaves_one_behind(self) -> None:
        stop, end = threading.Event(), threading.Event()
        threading.Timer(0.05, stop.set).start()
        began = time.monotonic()
        with pytest.raises(StoppedError):
            Attempts(stop).make(lambda: end.wait(PATIENCE))
        assert time.monotonic() - began < PATIENCE / 2
        end.set()

    def test_checks_are_made_in_turn_while_it_lasts(self) -> None:
        made, end = list[str](), threading.Event()

        def last() -> None:
            made.append("second")
            end.set()

        attempts = Attempts(threading.Event())
        waits = (lambda: end.wait(PATIENCE), (0.01, lambda: made.append("first")), (0.01, last))
        assert attempts.make(*waits) is True
        assert made == ["first", "second"]

    def test_one_check_is_made_again_and_again_beside_the_others(self) -> None:
        made, end = list[str](), threading.Event()

        def look() -> None:
            made.append("look")
            if made.count("look") > 5:
                end.set()

        attempts = Attempts(threading.Event())
        once = (0.05, lambda: made.append("once"))
        assert attempts.make(lambda: end.wait(PATIENCE), once, again=(0.02, look)) is True
        assert made[:5] == ["look", "look", "look", "once", "look"]

    def test_what_ended_is_not_checked(self) -> None:
        made = list[str]()
        attempts = Attempts(threading.Event())
        assert attempts.make(lambda: 7, (PATIENCE, lambda: made.append("never"))) == 7
        assert made == []


def test_what_is_back_was_away(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    Told().back()
    assert caplog.records == []
