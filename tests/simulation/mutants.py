"""Worlds that are broken on purpose: the simulation has to find each of them, else it would prove nothing."""

from collections.abc import Mapping

from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import SinkConflictError
from publisher.ports import Deadline
from publisher.publication.document_set import Document, StoredObject
from publisher.publication.rules import Overrides
from tests import keys
from tests.simulation.spire import Version
from tests.simulation.store import SimulatedSink
from tests.simulation.world import World
from tests.worlds import JWKS, MANIFEST


def _altered(bundle: TrustBundle, kids: set[str]) -> TrustBundle:
    """Give a bundle of other keys, so far as any are left."""
    listed = [one for one in bundle.jwt_authorities if one.kid in kids]
    return keys.bundle(*(listed or bundle.jwt_authorities), sequence_number=bundle.sequence_number)


class PublishesLate(World):
    """A publisher that leaves out what SPIRE made in the last 15 minutes."""

    def altered(self, bundle: TrustBundle, version: Version) -> TrustBundle:
        ripe = {one.kid for one in version.authorities if one.prepared_at < self.timeline.now - 900}
        return _altered(bundle, ripe)


class PublishesWhatSigns(World):
    """A publisher that leaves out prepared keys."""

    def altered(self, bundle: TrustBundle, version: Version) -> TrustBundle:
        return _altered(bundle, {one.kid for one in version.authorities if one.activated_at is not None})


class KeepsWhatIsGone(World):
    """A publisher that keeps removed keys for a day, to be safe."""

    def altered(self, bundle: TrustBundle, version: Version) -> TrustBundle:
        now, have = self.timeline.now, {one.kid for one in bundle.jwt_authorities}
        gone = (
            keys.authority(one.kid)
            for one in self.by_kid.values()
            if one.revoked_at is not None and now - one.revoked_at < 86_400 and one.kid not in have
        )
        both = (*bundle.jwt_authorities, *gone)
        return keys.bundle(*both, sequence_number=bundle.sequence_number)


class NoRollbackGuard(World):
    """A publisher that takes any older bundle."""

    overrides = Overrides(accept_lower_sequence=True)


class NoDisjointGuard(World):
    """A publisher that takes another SPIRE's keys."""

    overrides = Overrides(accept_disjoint_keys=True, accept_lower_sequence=True)


class CachesIgnoreMaxAge(World):
    """Caches that keep what they have for an hour and more."""

    cache_stretch = 90.0


class NoPreconditions(World):
    """A store, or a publisher, that overwrites whatever is there."""

    def start(self) -> None:
        self.store.is_careless = True
        for host in self.hosts:
            host.sink.slowest = 3.0
        super().start()


class JwksLast(World):
    """A publisher that writes the JWKS document after the manifest."""

    def _sink(self) -> SimulatedSink:
        return _JwksLastSink(self.store, self.random)


class _JwksLastSink(SimulatedSink):
    _held: tuple[Document, StoredObject | None] | None = None
    _shown: StoredObject | None = None

    def read(self, path: str, deadline: Deadline) -> StoredObject | None:
        if path == JWKS and self._held is not None:
            return self._shown
        return super().read(path, deadline)

    def write(self, document: Document, replaces: StoredObject | None, deadline: Deadline) -> StoredObject:
        if document.path == JWKS:
            self._held = (document, replaces)
            self._shown = StoredObject(
                path=JWKS, body=document.body, generation="held", headers=document.headers
            )
            return self._shown
        stored = super().write(document, replaces, deadline)
        if document.path == MANIFEST and self._held is not None:
            (held, before), self._held = self._held, None
            try:
                super().write(held, before, deadline)
            except SinkConflictError:
                return stored
        return stored


class NeverRepairs(World):
    """A publisher that, once killed, never runs again."""

    def reassess(self) -> None:
        for host in self.hosts:
            if host.has_failed and not host.is_away:
                host.is_away = True
                host.leave()
        self.impairment.set(False)


class Undoes(World):
    """Two publishers that undo each other: one leaves out expired keys, the other does not."""

    def altered(self, bundle: TrustBundle, version: Version) -> TrustBundle:
        if self.random.random() < 0.5:
            return bundle
        return _altered(bundle, {one.kid for one in version.authorities if one.not_after > self.timeline.now})


MUTANTS: Mapping[type[World], tuple[str, str]] = {
    PublishesLate: ("timer", "is not published"),
    PublishesWhatSigns: ("calm", "is not published"),
    KeepsWhatIsGone: ("emergencies", "still readable"),
    NoRollbackGuard: ("replicas", "published again|rollback"),
    NoDisjointGuard: ("wrong source", "a stranger's key"),
    CachesIgnoreMaxAge: ("calm", "refuses"),
    NoPreconditions: ("crashes", "rollback|published again"),
    JwksLast: ("timer", "must be written last"),
    NeverRepairs: ("emergencies", "is not published|still no pair|not confirmed"),
    Undoes: ("calm", "loop"),
}
"""Each broken world: what it is tried in, and a pattern of what is found."""
