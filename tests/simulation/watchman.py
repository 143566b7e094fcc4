"""Who looks at the store at every write, and holds what is there to what must hold."""

import json
from functools import lru_cache
from typing import TYPE_CHECKING

from publisher.oidc.issuer import MANIFEST_PATH
from tests.simulation.ledger import Ledger
from tests.simulation.spire import Authority
from tests.simulation.store import Store, kids_of, listed_jwks
from tests.worlds import JWKS

if TYPE_CHECKING:
    from tests.simulation.world import World


@lru_cache(maxsize=64)
def _sequence_number(manifest: bytes) -> int | None:
    number: int | None = json.loads(manifest)["sequence_number"]
    return number


class Watchman:
    """Judge every write. `readable_since`: of each key at the sink, without a gap; `vouched_since`: the
    same for publications whose manifest belongs to their JWKS, which is all that the function serves."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.ledger: Ledger = world.ledger
        self.store: Store = world.store
        self.readable_since: dict[str, float] = {}
        self.vouched_since: dict[str, float] = {}
        self.seen: set[str] = set()
        self.gone: set[str] = set()
        self.mixed_since: float | None = None
        self.pair_since = 0.0
        self.confirmed_at: float | None = None
        self.sequence_number = 0
        self.last_cause = 0.0

    def wrote(self, path: str) -> None:
        if path == JWKS:
            self._jwks()
        elif path == MANIFEST_PATH:
            self._manifest()
        self._mixed()

    def _jwks(self) -> None:
        now, world = self.world.timeline.now, self.world
        kids = kids_of(self.store.objects[JWKS].body)
        self.ledger.note(
            f"JWKS: {', '.join(sorted(kids - self.readable_since.keys())) or '-'} new, "
            f"{', '.join(sorted(self.readable_since.keys() - kids)) or '-'} gone"
        )
        for kid in kids - self.readable_since.keys():
            self._appeared(kid)
        for kid in self.readable_since.keys() - kids:
            del self.readable_since[kid]
            self._disappeared(world.by_kid.get(kid))
        quiet = world.bound + 60
        if now - self.last_cause > quiet and not world.impairment.overlap(now - 2 * quiet, now):
            self.ledger.violated("documents are written though nothing has changed: publishers loop")

    def _appeared(self, kid: str) -> None:
        now, world, authority = self.world.timeline.now, self.world, self.world.by_kid.get(kid)
        self.readable_since[kid] = now
        if authority is None:
            self.ledger.violated(f"a stranger's key is published: {kid}")
            return
        if authority.revoked_at is not None and kid in self.gone:
            self.ledger.figures.came_back += 1
            late = now - authority.revoked_at - world.impairment.overlap(authority.revoked_at, now)
            if world.is_sequenced and late > world.bound:
                self.ledger.violated(f"revoked {kid} is published again")
        if kid in self.seen:
            return
        self.seen.add(kid)
        excused = self.world.impairment.overlap(authority.prepared_at, now)
        self.ledger.figures.appeared.add(now - authority.prepared_at, excused)

    def _disappeared(self, authority: Authority | None) -> None:
        if authority is None or authority.revoked_at is None:
            return
        now = self.world.timeline.now
        self.gone.add(authority.kid)
        excused = self.world.impairment.overlap(authority.revoked_at, now)
        self.ledger.figures.readable.add(now - authority.revoked_at, excused)

    def _manifest(self) -> None:
        self.confirmed_at = self.world.timeline.now
        if len(self.world.hosts) == 1 and self._is_mixed():
            self.ledger.violated("the manifest vouches for a JWKS that is not there: it must be written last")
        number = _sequence_number(self.store.objects[MANIFEST_PATH].body) or 0
        if number < self.sequence_number and self.world.is_sequenced and not self.world.cluster.epoch:
            self.ledger.violated(f"sequence number {number} after {self.sequence_number}: a rollback")
        self.sequence_number = number

    def _is_mixed(self) -> bool:
        stored = self.store.objects.get(JWKS)
        return stored is None or stored.sha256 != listed_jwks(self.store)

    def _mixed(self) -> None:
        now, mixed = self.world.timeline.now, self._is_mixed()
        if mixed and self.mixed_since is None:
            self.mixed_since = since = now
            self.ledger.expect(
                self.world.bound, lambda: self.mixed_since != since, "the documents are still no pair"
            )
        elif not mixed:
            if self.mixed_since is not None:
                excused = self.world.impairment.overlap(self.mixed_since, now)
                self.ledger.figures.mixed.add(now - self.mixed_since, excused)
                self.mixed_since, self.pair_since = None, now
            self.vouched_since = {kid: self.vouched_since.get(kid, now) for kid in self.readable_since}
