from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.errors import SettingsError, SinkUnavailableError
from publisher.oidc.issuer import Issuer
from publisher.ports import Deadline
from publisher.publication.manifest import ManifestError
from publisher.publication.timing import Timing
from publisher.use_cases.look import Sight, look
from tests.doubles import MemorySink
from tests.worlds import MANIFEST, World, bundle


def seen(world: World) -> Sight | None:
    before = dict(world.sink.objects)
    sight = look(world.sink, world.settings, deadline=Deadline(world.clock, 5))
    assert world.sink.objects == before
    return sight


def test_what_is_published_is_seen_with_its_lead_times() -> None:
    world = World()
    world.publish(bundle("one"))
    world.clock.advance(minutes=1)
    outcome = world.publish(bundle("one", "two"))
    assert seen(world) == Sight(manifest=outcome.manifest, lead_times=outcome.lead_times)


def test_a_function_of_its_own_counts() -> None:
    world = World()
    outcome = world.publish(bundle("one"))
    world.settings = replace(world.settings, timing=Timing(function_refresh=timedelta(minutes=5)))
    sight = seen(world)
    assert sight is not None
    assert sight.lead_times[0].needed == outcome.lead_times[0].needed + timedelta(minutes=5)


def test_nothing_is_there() -> None:
    assert seen(World()) is None


def test_the_publication_of_another_issuer_is_none_of_ours() -> None:
    world = World()
    world.publish(bundle("one"))
    world.settings = replace(world.settings, issuer=Issuer.parse("https://other.example"))
    assert seen(world) is None


@pytest.mark.parametrize(
    ("body", "error"), [(b"hello", ManifestError), (b'{"schema_version": 2}', SettingsError)]
)
def test_what_cannot_be_read_is_an_error(body: bytes, error: type[Exception]) -> None:
    world = World()
    world.sink.put(MANIFEST, body)
    with pytest.raises(error, match="memory:sink/"):
        seen(world)


def test_a_sink_that_is_away_is_an_error() -> None:
    class Away(MemorySink):
        def read(self, path: str, deadline: Deadline) -> None:
            raise SinkUnavailableError(path, "is away", "wait")

    with pytest.raises(SinkUnavailableError):
        seen(World(sink=Away()))
