"""Where publications come from: a sink as it is, a bundle endpoint by the publisher's own plan."""

from typing import Any

import pytest

from publisher.bundle.fetched import SourceKind
from publisher.errors import BundleError, PublisherError, RefusedError, SettingsError, SourceUnavailableError
from publisher.ports import Deadline, Source
from publisher.publication.validation import validate
from publisher.serving.status import State
from spire_oidc_function.keeper import Keeper
from spire_oidc_function.stores import EndpointStore, SinkStore
from tests import keys
from tests.doubles import ListedSource, MemorySink, StoppedClock, codes
from tests.function.asgi_client import get
from tests.function.stores import KEYS, MANIFEST, Function, serve
from tests.publications import TERMS, duty, found, published, rewrite_manifest
from tests.worlds import SETTINGS, World, bundle


def deadline(clock: StoppedClock | None = None) -> Deadline:
    return Deadline(clock or StoppedClock(), 10)


def endpoint(*bundles: Any) -> EndpointStore:
    source = ListedSource(*bundles, kind=SourceKind.BUNDLE_ENDPOINT)
    return EndpointStore(lambda: source, SETTINGS)


def test_a_sink_is_made_once_and_read_in_the_order_of_writing() -> None:
    world = published("a")
    world.sink.log.clear()
    made: list[MemorySink] = []

    def make() -> MemorySink:
        made.append(world.sink)
        return world.sink

    store = SinkStore(make, SETTINGS.paths)
    assert made == [], "nothing is loaded before the first read"
    assert store.read(deadline()) == found(world)
    store.read(deadline())
    assert len(made) == 1
    assert [line.removeprefix("read ") for line in world.sink.log] == [*SETTINGS.paths] * 2


def test_a_manifest_of_a_newer_release_is_an_error_of_settings() -> None:
    world = published("a")
    rewrite_manifest(world, schema_version=99)
    with pytest.raises(SettingsError):
        SinkStore(lambda: world.sink, SETTINGS.paths).read(deadline())


def test_an_endpoint_gives_the_publication_that_the_publisher_would_write() -> None:
    world = World()
    world.publish(bundle("a", "b", sequence_number=7), kind=SourceKind.BUNDLE_ENDPOINT)
    read = endpoint(bundle("a", "b", sequence_number=7)).read(deadline())
    assert read.manifest == world.manifest()
    assert read.jwks is not None
    assert read.configuration is not None
    assert {read.jwks.path: read.jwks.body, read.configuration.path: read.configuration.body} == {
        path: body for path, body in world.bodies().items() if "publication" not in path
    }
    assert validate(read, TERMS, serving=None, now=StoppedClock().now()).findings == ()


def test_an_endpoint_confirms_and_rotates_like_a_publisher() -> None:
    clock = StoppedClock()
    store = endpoint(bundle("a"), bundle("a"), bundle("a", "b"))
    first = store.read(deadline(clock)).manifest
    clock.advance(minutes=1)
    second = store.read(deadline(clock)).manifest
    clock.advance(minutes=1)
    third = store.read(deadline(clock)).manifest
    assert first is not None
    assert second is not None
    assert third is not None
    assert second.modified_at == first.modified_at < second.confirmed_at
    assert [key.first_published_at for key in third.keys] == [first.confirmed_at, third.confirmed_at]


def test_an_endpoints_guards_refuse_and_tell_what_helps_here() -> None:
    store = endpoint(
        bundle("a", sequence_number=7), bundle("x", sequence_number=3), bundle("a", "x", sequence_number=8)
    )
    store.read(deadline())
    with pytest.raises(RefusedError) as caught:
        store.read(deadline())
    assert codes(caught.value.findings) == ["ROT001", "ROT002"]
    assert all("new instances" in finding.remedy for finding in caught.value.findings)
    assert store.read(deadline()).manifest is not None, "what is shared again is taken"


def test_an_endpoint_that_was_not_asked_for_a_stale_period_is_as_new() -> None:
    clock = StoppedClock()
    store = endpoint(bundle("a"), bundle("x"), bundle("y"))
    store.read(deadline(clock))
    clock.advance(minutes=61)
    manifest = store.read(deadline(clock)).manifest
    assert manifest is not None
    assert manifest.override is None
    clock.advance(minutes=59)
    with pytest.raises(RefusedError):
        store.read(deadline(clock))


def test_an_endpoint_that_could_not_be_reached_while_asked_keeps_its_guards() -> None:
    clock = StoppedClock()
    down = SourceUnavailableError("endpoint", "is down", "wait")
    store = endpoint(bundle("a"), *[down] * 70, bundle("x"))
    store.read(deadline(clock))
    for _ in range(70):
        clock.advance(minutes=1)
        with pytest.raises(SourceUnavailableError):
            store.read(deadline(clock))
    with pytest.raises(RefusedError):
        store.read(deadline(clock))


def test_an_endpoint_forgets_what_is_too_old_to_be_served() -> None:
    clock = StoppedClock()
    store = endpoint(bundle("a"), *[bundle("x")] * 60)
    store.read(deadline(clock))
    for _ in range(47):
        clock.advance(minutes=30)
        with pytest.raises(RefusedError):
            store.read(deadline(clock))
    clock.advance(minutes=30)
    assert store.read(deadline(clock)).manifest is not None


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (BundleError("endpoint", "has no JWT authorities yet", "wait"), State.INVALID),
        (SourceUnavailableError("endpoint", "is down", "wait"), State.FRESH),
    ],
)
def test_an_endpoint_that_fails_leaves_the_last_good_set_up(error: PublisherError, state: State) -> None:
    world = World()
    source: Source = ListedSource(bundle("a"), error, kind=SourceKind.BUNDLE_ENDPOINT)
    keeper = Keeper(EndpointStore(lambda: source, SETTINGS), duty(), world.clock, serve)
    function = Function.over(world)
    function.application._keeper = keeper
    assert get(function.application, KEYS).json["keys"][0]["kid"] == "a"
    world.clock.advance(seconds=30)
    assert get(function.application, KEYS).json["keys"][0]["kid"] == "a"
    assert keeper.status().state is state
    assert get(function.application, MANIFEST).json["source"] == "bundle-endpoint"


def test_a_key_of_an_algorithm_that_is_not_announced_is_refused() -> None:
    source = ListedSource(keys.bundle(keys.authority("a", "ES384")))
    settings = type(SETTINGS)(issuer=SETTINGS.issuer, authorization_endpoint=None, algorithms=("ES256",))
    with pytest.raises(BundleError):
        EndpointStore(lambda: source, settings).read(deadline())
