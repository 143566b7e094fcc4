"""Rotate, crash, lag, race, revoke in any order: no valid token is ever refused, no revoked key stays.

The world: SPIRE's server with its sequence number; two publishers with different views of it, of which one
has a state file, and which may run between any two writes of each other; a store; a relying party that keeps
what it read for max-age; now and then a publisher that is pointed at another SPIRE. A key that had its lead
time (readable for max-age and the longest lag before it signs) must verify at any moment.
"""

import json
from collections.abc import Callable
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
from publisher.errors import RefusedError
from publisher.publication.rules import Overrides
from tests import keys
from tests.doubles import Crashed, DictMemory, MemorySink, StoppedClock, codes
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

    overrides = Overrides()
    is_careless = False

    @initialize()
    def boot(self) -> None:
        self.clock = StoppedClock()
        self.sink = MemorySink()
        self.sink.is_careless = self.is_careless
        self.publishers = [
            World(sink=self.sink, clock=self.clock, memory=DictMemory()),
            World(sink=self.sink, clock=self.clock),
        ]
        self.sequence_number, self.made = 0, 0
        self.authorities: list[Authority] = []
        self.views: list[tuple[datetime, TrustBundle]] = []
        self.readable_since: dict[str, datetime] = {}
        self.cache: tuple[datetime, set[str]] | None = None
        self.revoked: set[str] = set()
        self.gone: set[str] = set()
        self._prepare()
        self.authorities[0].state = "active"
        assert self._publish(0, 0)

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

    # SPIRE revokes by hand, and a person who does looks first whether the next key is published.
    @precondition(
        lambda self: (
            any(a.state == "old" for a in self.authorities)
            and {a.kid for a in self.authorities if a.state != "old"} & self._listed()
        )
    )
    @rule()
    def taint_and_revoke(self) -> None:
        gone = next(a for a in self.authorities if a.state == "old")
        gone.state = "tainted"
        self._changed()
        self.authorities.remove(gone)
        self.revoked.add(gone.kid)
        self._changed()

    @rule(seconds=strategies.integers(1, 200))
    def wait(self, seconds: int) -> None:
        self.clock.advance(seconds=seconds)

    # What publishers do: with a fresh view or one that lags; they die, or run in between each other

    @rule(who=strategies.integers(0, 1), behind=strategies.integers(0, 3))
    def publish(self, who: int, behind: int) -> None:
        self._publish(who, behind)

    @rule(who=strategies.integers(0, 1), behind=strategies.integers(0, 3), crash_at=strategies.integers(0, 5))
    def publish_and_die(self, who: int, behind: int, crash_at: int) -> None:
        self._publish(who, behind, at=crash_at, then=_die)

    @rule(
        who=strategies.integers(0, 1),
        behind=strategies.integers(0, 2),
        other_behind=strategies.integers(0, 2),
        race_at=strategies.integers(0, 5),
    )
    def publish_at_once(self, who: int, behind: int, other_behind: int, race_at: int) -> None:
        ended: list[bool] = []
        self._publish(
            who,
            behind,
            at=race_at,
            then=lambda: ended.append(self._publish(1 - who, other_behind, nested=True)),
        )
        if True in ended and self._view(other_behind) == len(self.views) - 1:
            assert self._readable() == {a.kid for a in self.authorities}, "the newest wins"
            assert self.publishers[0].manifest().sequence_number == self.sequence_number

    @rule(who=strategies.integers(0, 1))
    def point_at_another_spire(self, who: int) -> None:
        before = self._readable()
        stranger = keys.bundle("stranger", sequence_number=self.sequence_number + 1)
        self.sink.before_write = self.sink.after_write = lambda _number, _path: None
        with pytest.raises(RefusedError) as refused:
            self.publishers[who].publish(stranger, overrides=self.overrides)
        assert codes(refused.value.findings) == ["ROT001"]
        assert self._readable() == before

    @rule()
    def refetch(self) -> None:
        """Let the relying party fetch early, as many do at an unknown kid."""
        self.cache = (self.clock.now(), self._readable())

    @invariant()
    def every_valid_token_verifies(self) -> None:
        if self.cache is None or self.clock.now() - self.cache[0] >= MAX_AGE:
            self.refetch()
        assert self.cache is not None
        trusted = {a.kid for a in self.authorities if a.state in ("active", "old") and a.had_lead_time}
        assert trusted <= self.cache[1]
        assert trusted <= self._readable()

    @invariant()
    def what_is_revoked_and_gone_never_comes_back(self) -> None:
        assert not self._readable() & self.gone

    def _prepare(self) -> None:
        self.made += 1
        self.authorities.append(Authority(kid=f"key{self.made}"))
        self._changed()

    def _changed(self) -> None:
        self.sequence_number += 1
        offered = keys.bundle(*(a.kid for a in self.authorities), sequence_number=self.sequence_number)
        self.views.append((self.clock.now(), offered))

    def _view(self, behind: int) -> int:
        index = max(len(self.views) - 1 - behind, 0)
        while index + 1 < len(self.views) and self.clock.now() - self.views[index + 1][0] > LONGEST_LAG:
            index += 1  # nobody lags further behind than the longest lag
        return index

    def _publish(
        self,
        who: int,
        behind: int,
        *,
        at: int | None = None,
        then: Callable[[], object] = lambda: None,
        nested: bool = False,
    ) -> bool:
        """Publish one view; call `then` once, before or after a write. Give whether it was published."""
        index = self._view(behind)
        newest = index == len(self.views) - 1
        assert newest or behind, "who does not lag sees the newest bundle"
        steps = iter(range(100))

        def step(_number: int, _path: str) -> None:
            self._look()
            if not nested and next(steps) == at:
                then()

        if not nested:
            self.sink.before_write = self.sink.after_write = step
        try:
            self.publishers[who].publish(self.views[index][1], overrides=self.overrides)
        except Crashed:
            return False
        except RefusedError as error:
            refused = codes(error.findings)
        else:
            refused = []
        finally:
            self._look()
        if refused:
            assert "ROT002" in refused, "only a bundle that lags may be refused"
            # A bundle so old that all its keys are gone is disjoint as well.
            assert not {"ROT003", "ROT004", "ROT005", "ROT006"} & set(refused)
            assert not newest, "the newest bundle is never refused"
            return False
        if newest:
            assert self._readable() == {authority.kid for authority in self.authorities}
            self.gone |= self.revoked
        return True

    def _readable(self) -> set[str]:
        stored = self.sink.objects.get(JWKS)
        return {key["kid"] for key in json.loads(stored.body)["keys"]} if stored else set()

    def _listed(self) -> set[str]:
        return {key.kid for key in self.publishers[0].manifest().keys}

    def _look(self) -> None:
        readable = self._readable()
        self.readable_since = {kid: self.readable_since.get(kid, self.clock.now()) for kid in readable}


def _die() -> None:
    raise Crashed


THOROUGH = settings(
    max_examples=200,
    stateful_step_count=50,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
)


def test_every_valid_token_verifies_and_no_revoked_key_comes_back() -> None:
    run_state_machine_as_test(Rotation, settings=THOROUGH)


class NoRollbackGuard(Rotation):
    overrides = Overrides(accept_lower_sequence=True)


class NoDisjointGuard(Rotation):
    overrides = Overrides(accept_disjoint_keys=True)


class NeverPublishesAgain(Rotation):
    def _view(self, _behind: int) -> int:
        return 0


class LossyReader(Rotation):
    def _readable(self) -> set[str]:
        return set(sorted(super()._readable())[:1])


class NoPreconditions(Rotation):
    is_careless = True


@pytest.mark.parametrize(
    "broken", [NoRollbackGuard, NoDisjointGuard, NeverPublishesAgain, LossyReader, NoPreconditions]
)
def test_the_machine_finds_what_is_broken(broken: type[Rotation]) -> None:
    """Else it would prove nothing."""
    with pytest.raises((AssertionError, pytest.fail.Exception)):
        run_state_machine_as_test(broken, settings=THOROUGH)
