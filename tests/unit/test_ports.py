from dataclasses import dataclass
from datetime import UTC, datetime

import pytest

from publisher.ports import Deadline


@dataclass
class _Clock:
    seconds: float

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds

    def sleep(self, seconds: float) -> None:
        self.seconds += seconds


def test_a_deadline_counts_from_its_start() -> None:
    clock = _Clock(1000.0)
    deadline = Deadline(clock, 30)
    clock.sleep(10)
    assert deadline.remaining() == pytest.approx(20)
    assert not deadline.passed


def test_a_deadline_that_has_passed_never_becomes_no_limit_at_all() -> None:
    clock = _Clock(1000.0)
    deadline = Deadline(clock, 30)
    for seconds in (30, 1, 3600):
        clock.sleep(seconds)
        assert deadline.passed
        assert deadline.remaining() == 0.001
