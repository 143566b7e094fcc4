import itertools
import logging

import pytest

from publisher.errors import BundleError, PublisherError, SourceSettingsError, SourceUnavailableError
from publisher.ports import Deadline
from publisher.sources.retry import LaterError, retry
from tests.doubles import StoppedClock


class Flaky:
    """Fail with these errors, one after the other, then succeed."""

    def __init__(self, *errors: PublisherError) -> None:
        self.errors = list(errors)
        self.attempts = 0

    def __call__(self, deadline: Deadline) -> str:
        assert deadline.remaining() > 0
        self.attempts += 1
        if self.errors:
            raise self.errors.pop(0)
        return "done"


def away(what: str = "is away") -> SourceUnavailableError:
    return SourceUnavailableError("there", what, "wait")


def test_the_first_success_counts() -> None:
    clock = StoppedClock()
    assert retry(Flaky(), Deadline(clock, 30)) == "done"
    assert clock.slept == []


def test_what_may_pass_is_tried_again_after_growing_pauses() -> None:
    clock, flaky = StoppedClock(), Flaky(away(), away(), away(), away())
    assert retry(flaky, Deadline(clock, 30)) == "done"
    assert flaky.attempts == 5
    for pause, longest in zip(clock.slept, (0.1, 0.2, 0.4, 0.8), strict=True):
        assert longest / 2 <= pause <= longest


@pytest.mark.parametrize(
    "error", [SourceSettingsError("there", "is wrong", ""), BundleError("it", "is bad", "")]
)
def test_nothing_else_is_tried_again(error: PublisherError) -> None:
    clock, flaky = StoppedClock(), Flaky(error)
    with pytest.raises(type(error)) as caught:
        retry(flaky, Deadline(clock, 30))
    assert caught.value is error
    assert (flaky.attempts, clock.slept) == (1, [])


def test_it_gives_up_while_the_sink_still_has_time() -> None:
    clock = StoppedClock()
    deadline = Deadline(clock, 40)
    errors = [away(f"failed {number}") for number in range(1000)]
    flaky = Flaky(*errors)
    with pytest.raises(SourceUnavailableError) as caught:
        retry(flaky, deadline)
    assert caught.value is errors[flaky.attempts - 1]
    assert 5 < flaky.attempts < 100
    assert 10 <= deadline.remaining() < 20


def test_a_source_may_ask_for_a_longer_pause() -> None:
    clock = StoppedClock()
    flaky = Flaky(LaterError("there", "is busy", "wait", seconds=7))
    assert retry(flaky, Deadline(clock, 30)) == "done"
    assert clock.slept == [7]


def test_a_pause_beyond_the_deadline_is_not_waited_for() -> None:
    clock = StoppedClock()
    flaky = Flaky(*itertools.repeat(LaterError("there", "is busy", "wait", seconds=60), 2))
    with pytest.raises(LaterError):
        retry(flaky, Deadline(clock, 30))
    assert (flaky.attempts, clock.slept) == (1, [])


def test_who_waits_a_second_is_told_once_what_for(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "publisher")
    clock, told = StoppedClock(), []
    start = clock.monotonic()
    clock.while_sleeping = lambda: told.append((clock.monotonic() - start, len(caplog.records)))
    assert retry(Flaky(*[away("is not there")] * 9), Deadline(clock, 60)) == "done"
    assert [count for passed, count in told] == [int(passed >= 1) for passed, _ in told]
    assert caplog.records[0].levelno == logging.INFO, "shown to a person, not with --quiet"
    assert caplog.messages[0].startswith("waiting for there: is not there; for up to 4")


def test_a_short_wait_is_nothing_to_tell(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG, "publisher")
    assert retry(Flaky(away(), away()), Deadline(StoppedClock(), 30)) == "done"
    assert caplog.records == []
