"""Rotate, crash, lag, race, revoke in any order: no valid token is ever refused, no revoked key stays.

The world: SPIRE's server with its sequence number; two publishers with different views of it, of which one
has a state file; a store; a relying party that keeps what it read for max-age. A key that had its lead time
(readable for max-age and the longest lag before it signs) must verify for that relying party at any moment.
"""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import PublisherError
from tests import keys
from tests.doubles import Crashed, DictMemory, MemorySink, StoppedClock
from tests.worlds import JWKS, SETTINGS, World

MAX_AGE = SETTINGS.jwks_max_age
LONGEST_LAG = timedelta(seconds=60)
LEAD_TIME = MAX_AGE + LONGEST_LAG


@dataclass
class Authority:
    """One key's life at the server."""

    kid: str
    state: str = "prepared"
    had_lead_time: bool = False


class Rotation(RuleBasedStateMachine):
    """The machine; `views` are the bundles the server had, newest last, each with its time."""

    @initialize()
    def boot(self) -> None:
        self.clock = StoppedClock()
        self.sink = MemorySink()
        self.publishers = [
            World(sink=self.sink, clock=self.clock, memory=DictMemory()),
            World(sink=self.sink, clock=self.clock),
        ]
        self.sequence_number, self.made = 0, 0
        self.authorities: list[Authority] = []
        self.views: list[tuple[datetime, TrustBundle]] = []
        self.readable_since: dict[str, datetime] = {}
        self.cache: tuple[datetime, frozenset[str]] | None = None
        self.revoked: set[str] = set()
        self._prepare()
        self.authorities[0].state = "active"
        self._publish(0, self.views[-1][1], crash_at=None)
        assert self._readable() == {"key1"}

    # What operators and SPIRE's own clock do

    @precondition(lambda self: not any(a.state == "prepared" for a in self.authorities))
    @rule()
    def prepare(self) -> None:
        self._prepare()

    @precondition(lambda self: any(a.state == "prepared" for a in self.authorities))
    @rule()
    def activate(self) -> None:
        for authority in self.authorities:
            if authority.state == "active":
                authority.state = "old"
        prepared = next(a for a in self.authorities if a.state == "prepared")
        prepared.state = "active"
        since = self.readable_since.get(prepared.kid)
        prepared.had_lead_time = since is not None and since + LEAD_TIME <= self.clock.now()

    @precondition(lambda self: any(a.state == "old" for a in self.authorities))
    @rule()
    def taint(self) -> None:
        next(a for a in self.authorities if a.state == "old").state = "tainted"
        self._changed()

    @precondition(lambda self: any(a.state == "tainted" for a in self.authorities))
    @rule()
    def revoke(self) -> None:
        gone = next(a for a in self.authorities if a.state == "tainted")
        self.authorities.remove(gone)
        self.revoked.add(gone.kid)
        self._changed()

    @rule(seconds=strategies.integers(1, 200))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    # What publishers do: with a fresh view or one that lags, and they may die at any write

    @rule(
        who=strategies.integers(0, 1),
        behind=strategies.integers(0, 3),
        crash_at=strategies.none() | strategies.integers(0, 5),
    )
    def publish(self, who: int, behind: int, crash_at: int | None) -> None:
        index = max(len(self.views) - 1 - behind, 0)
        while index + 1 < len(self.views) and self.clock.now() - self.views[index + 1][0] > LONGEST_LAG:
            index += 1  # nobody lags further behind than the longest lag
        finished = self._publish(who, self.views[index][1], crash_at)
        if finished and index == len(self.views) - 1:
            assert not self._readable() & self.revoked, "gone with the first publish that follows"
            assert self._readable() == {authority.kid for authority in self.authorities}

    @rule()
    def refetch(self) -> None:
        """Let the relying party fetch early, as many do at an unknown kid."""
        self.cache = (self.clock.now(), frozenset(self._readable()))

    @invariant()
    def every_valid_token_verifies(self) -> None:
        if self.cache is None or self.clock.now() - self.cache[0] >= MAX_AGE:
            self.refetch()
        assert self.cache is not None
        trusted = {a.kid for a in self.authorities if a.state in ("active", "old") and a.had_lead_time}
        assert trusted <= self.cache[1]
        assert trusted <= self._readable()

    def _prepare(self) -> None:
        self.made += 1
        self.authorities.append(Authority(kid=f"key{self.made}"))
        self._changed()

    def _changed(self) -> None:
        self.sequence_number += 1
        offered = keys.bundle(*(a.kid for a in self.authorities), sequence_number=self.sequence_number)
        self.views.append((self.clock.now(), offered))

    def _publish(self, who: int, view: TrustBundle, crash_at: int | None) -> bool:
        steps = iter(range(6))

        def step(_number: int, _path: str) -> None:
            self._look()
            if next(steps, None) == crash_at and crash_at is not None:
                raise Crashed

        self.sink.before_write = self.sink.after_write = step
        try:
            self.publishers[who].publish(view)
        except (Crashed, PublisherError):
            return False
        finally:
            self._look()
        return True

    def _readable(self) -> set[str]:
        stored = self.sink.objects.get(JWKS)
        return {key["kid"] for key in json.loads(stored.body)["keys"]} if stored else set()

    def _look(self) -> None:
        readable = self._readable()
        self.readable_since = {kid: self.readable_since.get(kid, self.clock.now()) for kid in readable}


THOROUGH = settings(
    max_examples=150, stateful_step_count=50, deadline=None, suppress_health_check=list(HealthCheck)
)


def test_every_valid_token_verifies_and_no_revoked_key_stays() -> None:
    run_state_machine_as_test(Rotation, settings=THOROUGH)


def test_the_machine_can_find_a_fault() -> None:
    """A store that loses the second key of every set must be caught, or the machine proves nothing."""

    class Lossy(Rotation):
        def _readable(self) -> set[str]:
            return set(sorted(super()._readable())[:1])

    with pytest.raises(AssertionError):
        run_state_machine_as_test(Lossy, settings=THOROUGH)
