"""Stores for tests of the function: a world's sink, that can be slow, broken, and counts."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta

from publisher.errors import PublisherError
from publisher.ports import Deadline
from publisher.publication.found import Found
from publisher.publication.snapshot import Snapshot
from publisher.serving import responses
from publisher.serving.policy import ServePolicy
from publisher.serving.responses import MaxAges, Resources
from spire_oidc_function.application import Application, AsgiResponse
from spire_oidc_function.keeper import Keeper
from spire_oidc_function.wiring import VIEWS
from tests.function.asgi_client import Answer
from tests.publications import duty, found, published
from tests.worlds import ISSUER, World

LOCATIONS = responses.paths(ISSUER, "keys")
KEYS, CONFIGURATION, MANIFEST = LOCATIONS


@dataclass
class WorldStore:
    """Read the sink of a world. `gate` closed: a read waits for it, as at a slow store."""

    world: World
    reads: int = 0
    error: PublisherError | BaseException | None = None
    gate: threading.Event = field(default_factory=threading.Event)
    reading: threading.Event = field(default_factory=threading.Event)
    before: Callable[[int], None] = lambda _number: None

    def __post_init__(self) -> None:
        self.gate.set()

    def read(self, deadline: Deadline) -> Found:
        assert deadline.remaining() > 0
        self.reads += 1
        self.before(self.reads)
        here = found(self.world)
        self.reading.set()
        assert self.gate.wait(20), "a test closed the gate and forgot it"
        if self.error is not None:
            raise self.error
        return here


def wait_until(true: Callable[[], bool]) -> None:
    end = time.monotonic() + 10
    while not true():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.005)


def kids(answer: Answer) -> list[str]:
    assert answer.status == 200
    return [key["kid"] for key in answer.json["keys"]]


def reads_settle(function: "Function", number: int) -> None:
    wait_until(lambda: function.keeper.status().counters.reads >= number)


def serve(snapshot: Snapshot | None, retry_after: int) -> Resources[AsgiResponse]:
    if snapshot is None:
        return responses.unavailable(LOCATIONS, AsgiResponse, retry_after=retry_after)
    ages = MaxAges(jwks=timedelta(seconds=60), configuration=timedelta(seconds=300))
    return responses.prepare(snapshot, LOCATIONS, ages, AsgiResponse)


@dataclass
class Function:
    """One function over one world, its clock stopped."""

    world: World
    store: WorldStore
    keeper: Keeper[AsgiResponse]
    application: Application

    @classmethod
    def over(
        cls, world: World | None = None, policy: ServePolicy | None = None, token: str | None = None
    ) -> "Function":
        world = world or published("a", "b", number=7)
        store = WorldStore(world)
        keeper = Keeper(store, duty(policy), world.clock, serve)
        return cls(world, store, keeper, Application(keeper, world.clock, VIEWS, token))
