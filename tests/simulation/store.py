"""The store with its rules, as a publisher sees it (`publisher.ports.Sink`), and the caches before it."""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import lru_cache

from publisher.errors import SinkConflictError, SinkUnavailableError
from publisher.findings import Finding
from publisher.oidc.issuer import MANIFEST_PATH
from publisher.ports import Deadline
from publisher.publication.document_set import Document, StoredObject
from publisher.publication.found import cached_for
from tests.simulation.timeline import Timeline
from tests.worlds import JWKS

WRITE_GAP = 1.0
"""Cloud Storage takes one write a second of each object, else it answers 429."""


class Killed(BaseException):
    """The publisher's process is killed here; nothing of it runs on."""


@lru_cache(maxsize=64)
def kids_of(body: bytes) -> frozenset[str]:
    """Read a JWKS document as a relying party does."""
    return frozenset(key["kid"] for key in json.loads(body)["keys"])


@dataclass(eq=False)
class Store:
    """Objects with generations. `down` counts the outages that last."""

    timeline: Timeline
    down: int = 0
    is_careless: bool = False
    objects: dict[str, StoredObject] = field(default_factory=dict)
    written_at: dict[str, float] = field(default_factory=dict)
    writes: dict[str, int] = field(default_factory=dict)
    on_write: Callable[[str], object] = lambda _path: None
    _generation: int = 0

    def put(self, document: Document, replaces: StoredObject | None) -> StoredObject:
        there = self.objects.get(document.path)
        if (there and there.generation) != (replaces and replaces.generation) and not self.is_careless:
            raise SinkConflictError(document.path, "is of another generation", "read it again")
        self._generation += 1
        path = document.path
        self.objects[path] = StoredObject(
            path=path, body=document.body, generation=str(self._generation), headers=document.headers
        )
        self.written_at[path] = self.timeline.now
        self.writes[path] = self.writes.get(path, 0) + 1
        self.on_write(path)
        return self.objects[path]


@dataclass(eq=False)
class SimulatedSink:
    """The store as one publisher sees it: each request takes time, and may be the last of its process.

    `dies_after` counts down the steps (two for each write: before, after) to the kill; None: it lives.
    """

    store: Store
    random: random.Random
    slowest: float = 0.4
    loses_replies: float = 0.0
    dies_after: int | None = None

    @property
    def location(self) -> str:
        return "simulated:store"

    @property
    def public_urls(self) -> tuple[str, ...]:
        return ()

    def read(self, path: str, deadline: Deadline) -> StoredObject | None:
        self._travel(path, deadline)
        stored = self.store.objects.get(path)
        self._come_back()
        return stored

    def write(self, document: Document, replaces: StoredObject | None, deadline: Deadline) -> StoredObject:
        self._travel(document.path, deadline)
        while self.store.timeline.now - self.store.written_at.get(document.path, -WRITE_GAP) < WRITE_GAP:
            self._pause(self.random.uniform(0.5, 1.5), document.path, deadline)  # status 429
        self._step()
        stored = self.store.put(document, replaces)
        self._step()
        self._come_back()
        if self.random.random() < self.loses_replies:
            raise SinkConflictError(document.path, "the retry of a write that happened", "read it again")
        return stored

    def rehearse(self, deadline: Deadline) -> None:
        self._travel("rehearsal", deadline)

    def findings(self) -> tuple[Finding, ...]:
        return ()

    def _travel(self, path: str, deadline: Deadline) -> None:
        self.store.timeline.wait(self.random.uniform(0.01, self.slowest) / 2)
        pause = 1.0
        while self.store.down:
            self._pause(pause, path, deadline)  # status 503
            pause = min(pause * 2, 8)

    def _come_back(self) -> None:
        self.store.timeline.wait(self.random.uniform(0.01, self.slowest) / 2)

    def _pause(self, seconds: float, path: str, deadline: Deadline) -> None:
        if deadline.passed:
            raise SinkUnavailableError(path, "no answer in time", "run again")
        self.store.timeline.wait(min(seconds, deadline.remaining()))

    def _step(self) -> None:
        if self.dies_after is not None:
            self.dies_after -= 1
            if self.dies_after < 0:
                self.dies_after = None
                raise Killed


@dataclass(eq=False)
class ObjectCache:
    """A shared cache before the store that honours max-age. `stretch` above 1 is one that does not."""

    store: Store
    stretch: float = 1.0
    _fresh_until: float = -1.0
    _kids: frozenset[str] | None = None

    def get(self) -> frozenset[str] | None:
        """Give the kids of the JWKS document as it is served; None: no answer."""
        now = self.store.timeline.now
        if now < self._fresh_until:
            return self._kids
        stored = self.store.objects.get(JWKS)
        if self.store.down or stored is None:
            return None
        self._kids = kids_of(stored.body)
        self._fresh_until = now + cached_for(stored).total_seconds() * self.stretch
        return self._kids


def listed_jwks(store: Store) -> str | None:
    """Give the digest of the JWKS document that the manifest at the store lists."""
    stored = store.objects.get(MANIFEST_PATH)
    return _listed(stored.body) if stored else None


@lru_cache(maxsize=64)
def _listed(manifest: bytes) -> str | None:
    documents = json.loads(manifest)["documents"]
    return next((one["sha256"] for one in documents if one["path"] == JWKS), None)
