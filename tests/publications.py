"""Publications as a reader of the sink finds them, made by the real publisher or bent on purpose."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from publisher import strict_json
from publisher.publication.found import Found
from publisher.publication.manifest import Manifest
from publisher.publication.rules import Overrides
from publisher.publication.snapshot import Snapshot
from publisher.publication.validation import Judgement, Terms, validate
from publisher.serving.policy import ServePolicy
from publisher.serving.watch import Duty, Watch
from tests.doubles import NOON
from tests.worlds import CONFIGURATION, ISSUER, JWKS, MANIFEST, World, bundle

TERMS = Terms(issuer=ISSUER, jwks_path=JWKS, trust_domain="example.org")
DISJOINT = Overrides(accept_disjoint_keys=True, accept_lower_sequence=True)
LOWER = Overrides(accept_lower_sequence=True)


def published(*kids: str, number: int | None = None, at: datetime = NOON) -> World:
    """Give a world with one publication, the publisher's clock at `at`."""
    world = World()
    world.clock.time = at
    world.publish(bundle(*kids, sequence_number=number))
    return world


def found(world: World) -> Found:
    """Read the sink as the function does."""
    objects = [world.sink.objects.get(path) for path in (JWKS, CONFIGURATION, MANIFEST)]
    return Found.of(objects, remembered=None, where="memory:sink")


def judged(
    world: World, serving: Snapshot | None = None, *, now: datetime = NOON, unfinished: bool = False
) -> Judgement:
    """Judge what is at the sink."""
    return validate(found(world), TERMS, serving=serving, now=now, accept_unfinished=unfinished)


def snapshot(world: World) -> Snapshot:
    """Give the snapshot of a world that must be valid."""
    judgement = judged(world, now=world.clock.now())
    assert judgement.snapshot is not None, judgement.findings
    return judgement.snapshot


def rewrite_manifest(world: World, **members: object) -> None:
    """Change members of the manifest, as a thief or an accident does."""
    value = strict_json.loads(world.sink.objects[MANIFEST].body, where="test")
    world.sink.put(MANIFEST, strict_json.dumps({**value, **members}))


def rewrite(world: World, path: str, change: Callable[[dict[str, object]], object]) -> None:
    """Change a document and forge the manifest's digest for it, as a clever thief does."""
    value = strict_json.loads(world.sink.objects[path].body, where="test")
    stored = world.sink.put(path, strict_json.dumps(change(value)))
    manifest = Manifest.parse(world.sink.objects[MANIFEST].body, where="test")
    documents = tuple(
        replace(one, sha256=stored.sha256, size=len(stored.body)) if one.path == path else one
        for one in manifest.documents
    )
    world.sink.put(MANIFEST, replace(manifest, documents=documents).dumps())


def duty(policy: ServePolicy | None = None, *, interval: float = 30) -> Duty:
    return Duty(
        terms=TERMS,
        policy=policy or ServePolicy(),
        interval=timedelta(seconds=interval),
        place="memory:sink",
        version="1.2.3",
        started_at=NOON,
    )


@dataclass
class Watched:
    """A watch over a world, read when told."""

    world: World
    watch: Watch

    @classmethod
    def over(cls, world: World, policy: ServePolicy | None = None) -> "Watched":
        return cls(world, Watch(duty=duty(policy)))

    def read(self, **later: float) -> Watch:
        self.world.clock.advance(**later)
        now = self.world.clock.now()
        self.watch = self.watch.took(self.watch.judge(found(self.world), now), now)
        return self.watch
