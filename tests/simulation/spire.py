"""SPIRE's servers: replicas on one datastore, each with JWT authorities of its own (facts of SPIRE 1.16)."""

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from functools import cache, cached_property

from publisher.bundle.jwt_authority import JwtAuthority
from publisher.bundle.public_key import PublicKey
from publisher.bundle.trust_bundle import TrustBundle
from tests import keys
from tests.simulation.timeline import BEGIN, Timeline

DAY = 86_400.0
PREPARE_CAP, ACTIVATE_CAP = 30 * DAY, 7 * DAY
ROTATE_EVERY, PRUNE_EVERY, PRUNED_AFTER = 10.0, 6 * 3600.0, DAY


def prepared_after(life: float) -> float:
    """Give the seconds of an authority's life after which SPIRE prepares the next one."""
    return life - min(life / 2, PREPARE_CAP)


def activated_after(life: float) -> float:
    """Give the seconds of an authority's life after which SPIRE activates the next one."""
    return life - min(life / 6, ACTIVATE_CAP)


class Birth(StrEnum):
    """Say why an authority was made, and so how much lead time SPIRE gave it."""

    FIRST_BOOT = "a server's first boot"
    KEYS_LOST = "a restart that lost the keys (memory)"
    DATASTORE_LOST = "keys and datastore lost"
    EXPIRED = "the server was down until its key had expired"
    FORCED = "activated by hand before its time"
    SCHEDULED = "SPIRE's own schedule"


@dataclass(eq=False)
class Authority:
    """One JWT authority's life. Times are seconds of the world, None: not yet."""

    kid: str
    birth: Birth
    prepared_at: float
    not_after: float
    activated_at: float | None = None
    revoked_at: float | None = None
    is_tainted: bool = False
    is_lost: bool = False

    @property
    def spire_lead(self) -> float:
        return (self.activated_at or self.prepared_at) - self.prepared_at


@dataclass(frozen=True)
class Version:
    """The bundle at one moment: what a server knows, and what agents get from it."""

    at: float
    epoch: int
    sequence_number: int
    authorities: tuple[Authority, ...]
    tainted: frozenset[str]

    @cached_property
    def kids(self) -> frozenset[str]:
        return frozenset(authority.kid for authority in self.authorities)

    @cached_property
    def told_by_server(self) -> TrustBundle:
        return keys.bundle(
            *(
                JwtAuthority(
                    kid=one.kid,
                    key=public_key(one.kid),
                    expires_at=(BEGIN + timedelta(seconds=one.not_after)).replace(microsecond=0),
                    tainted=one.kid in self.tainted,
                )
                for one in self.authorities
            ),
            sequence_number=self.sequence_number,
        )

    @cached_property
    def told_by_agent(self) -> TrustBundle:
        """Keys and kids alone: no sequence number, no expiry, no taint."""
        told = (JwtAuthority(kid=one.kid, key=public_key(one.kid)) for one in self.authorities)
        return keys.bundle(*told)


@cache
def public_key(kid: str) -> PublicKey:
    return PublicKey.from_jwk(keys.jwk(kid), where="simulation")


@dataclass(eq=False)
class Cluster:
    """The datastore that the replicas share: bundle, sequence number, and who hears of changes."""

    timeline: Timeline
    ca_ttl: float
    epoch: int = 0
    sequence_number: int = 0
    made: int = 0
    rotations: int = 0
    authorities: list[Authority] = field(default_factory=list)
    versions: list[Version] = field(default_factory=list)
    on_change: list[Callable[[], object]] = field(default_factory=list)
    on_prepare: Callable[[Authority], object] = lambda _authority: None
    on_activate: Callable[[Authority], object] = lambda _authority: None
    on_revoke: Callable[[Authority], object] = lambda _authority: None

    def start(self) -> None:
        self.timeline.after(PRUNE_EVERY, self._prune)

    @property
    def newest(self) -> Version:
        return self.versions[-1]

    def known(self, lag: float) -> Version:
        """Give the bundle as a reader of the datastore that lags so far behind sees it."""
        if not lag:
            return self.newest
        then = self.timeline.now - lag
        known = (one for one in reversed(self.versions[-20:]) if one.at <= then)
        seen = next(known, self.newest)
        return seen if seen.epoch == self.epoch else self.newest

    def prepare(self, birth: Birth) -> Authority:
        self.made += 1
        now = self.timeline.now
        made = Authority(kid=f"key{self.made}", birth=birth, prepared_at=now, not_after=now + self.ca_ttl)
        self.authorities.append(made)
        self.changed()
        self.on_prepare(made)
        return made

    def activated(self, authority: Authority) -> None:
        authority.activated_at = self.timeline.now
        self.rotations += 1
        self.on_activate(authority)

    def taint(self, authority: Authority) -> None:
        authority.is_tainted = True
        self.changed()

    def revoke(self, authority: Authority) -> None:
        authority.revoked_at = self.timeline.now
        self.authorities.remove(authority)
        self.changed()
        self.on_revoke(authority)

    def lose(self) -> None:
        """Lose the datastore: another SPIRE begins, with sequence numbers of its own."""
        for authority in self.authorities:
            authority.is_lost = True
        self.authorities.clear()
        self.epoch += 1
        self.sequence_number = 0

    def changed(self) -> None:
        self.sequence_number += 1
        tainted = frozenset(one.kid for one in self.authorities if one.is_tainted)
        self.versions.append(
            Version(self.timeline.now, self.epoch, self.sequence_number, tuple(self.authorities), tainted)
        )
        for heard in self.on_change:
            heard()

    def _prune(self) -> None:
        self.timeline.after(PRUNE_EVERY, self._prune)
        stay = [one for one in self.authorities if one.not_after + PRUNED_AFTER > self.timeline.now]
        if len(stay) < len(self.authorities):
            self.authorities[:] = stay
            self.changed()


@dataclass(eq=False)
class Replica:
    """One server process. `keeps_keys` False is KeyManager `memory`."""

    cluster: Cluster
    keeps_keys: bool = True
    is_up: bool = False
    current: Authority | None = None
    prepared: Authority | None = None
    old: Authority | None = None
    on_power: list[Callable[[], object]] = field(default_factory=list)

    def boot(self, birth: Birth = Birth.FIRST_BOOT) -> None:
        """Start: without a key of its own it prepares and activates one at once."""
        self.is_up = True
        if self.current is not None and self.current.not_after <= self.cluster.timeline.now:
            self.current, self.prepared, self.old, birth = None, None, None, Birth.EXPIRED
        if self.current is None:
            self.current = self.cluster.prepare(birth)
            self.cluster.activated(self.current)
        self._rotate()
        for heard in self.on_power:
            heard()

    def stop(self, *, loses_all: bool = False) -> None:
        self.is_up = False
        if loses_all or not self.keeps_keys:
            self.current = self.prepared = self.old = None
        for heard in self.on_power:
            heard()

    def prepare(self, birth: Birth = Birth.FORCED) -> None:
        """`localauthority jwt prepare`; a key that was prepared before stays in the bundle."""
        self.prepared = self.cluster.prepare(birth)

    def activate(self) -> None:
        """`localauthority jwt activate`."""
        assert self.prepared is not None
        self.old, self.current, self.prepared = self.current, self.prepared, None
        self.cluster.activated(self.current)
        self._rotate()

    def _rotate(self) -> None:
        """Do what is due, and look again at the 10 s tick that comes after the next threshold."""
        timeline, current = self.cluster.timeline, self.current
        if not self.is_up or current is None:
            return
        begun = current.not_after - self.cluster.ca_ttl
        to_prepare = begun + prepared_after(self.cluster.ca_ttl)
        to_activate = begun + activated_after(self.cluster.ca_ttl)
        if self.prepared is None and timeline.now > to_prepare:
            self.prepare(Birth.SCHEDULED)
        if timeline.now > to_activate:
            self.activate()
            return
        due = to_activate if self.prepared is not None else to_prepare
        tick = (math.floor(due / ROTATE_EVERY) + 1) * ROTATE_EVERY
        timeline.at(tick, lambda: self._tick(current))

    def _tick(self, current: Authority) -> None:
        if self.current is current:
            self._rotate()
