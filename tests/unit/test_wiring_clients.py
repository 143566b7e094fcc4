"""One client for many rounds: kept, made anew, and never closed under anybody's hands."""

from dataclasses import dataclass, field

import pytest

from publisher.errors import SinkSettingsError
from publisher.ports import Deadline
from publisher.wiring.clients import IDLE_SECONDS, ClientKeeper
from tests.doubles import StoppedClock


@dataclass
class Bench:
    """A keeper of numbers that are clients; `broken` makes opening fail."""

    clock: StoppedClock = field(default_factory=StoppedClock)
    opened: int = 0
    closed: list[int] = field(default_factory=list)
    broken: bool = False

    def __post_init__(self) -> None:
        self.keeper = ClientKeeper(self.clock, open_client=self.open, close=self.closed.append)

    def open(self) -> int:
        if self.broken:
            raise SinkSettingsError("here", "no credentials", "find some")
        self.opened += 1
        return self.opened

    @property
    def deadline(self) -> Deadline:
        return Deadline(self.clock, 30)

    def round(self) -> int:
        with self.keeper.lease(self.deadline) as lease:
            client: int = lease.client()
            assert lease.client() == client
            return client


def test_rounds_share_a_client_and_one_without_a_bucket_opens_none() -> None:
    bench = Bench()
    with bench.keeper.lease(bench.deadline):
        pass
    assert bench.opened == 0
    assert [bench.round(), bench.round()] == [1, 1]
    assert bench.closed == []


def test_a_spoilt_client_is_closed_after_its_last_user_and_given_to_nobody_else() -> None:
    bench = Bench()
    with bench.keeper.lease(bench.deadline) as first:
        first.client()
        with bench.keeper.lease(bench.deadline) as second:
            second.client()
            second.spoil()
            second.spoil()
            assert bench.round() == 2
        assert bench.closed == []
    assert bench.closed == [1]
    assert bench.round() == 2


def test_dropped_between_rounds_it_is_closed_at_once() -> None:
    bench = Bench()
    bench.keeper.drop()
    assert bench.closed == []
    bench.round()
    bench.keeper.drop()
    bench.keeper.drop()
    assert bench.closed == [1]
    assert bench.round() == 2


def test_a_client_that_could_not_be_opened_is_tried_again() -> None:
    bench = Bench(broken=True)
    with pytest.raises(SinkSettingsError):
        bench.round()
    bench.broken = False
    assert bench.round() == 1


@pytest.mark.parametrize(("idle", "closed"), [(IDLE_SECONDS - 1, []), (IDLE_SECONDS + 1, [1])])
def test_old_connections_are_closed_before_they_are_used(idle: float, closed: list[int]) -> None:
    bench = Bench()
    bench.round()
    bench.clock.advance(seconds=idle)
    assert bench.round() == 1
    assert bench.closed == closed


def test_connections_in_use_are_left_alone_however_old() -> None:
    bench = Bench()
    with bench.keeper.lease(bench.deadline) as lease:
        lease.client()
        bench.clock.advance(seconds=IDLE_SECONDS * 2)
        assert bench.round() == 1
    assert bench.closed == []
