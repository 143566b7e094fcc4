"""A publisher that was overtaken puts back what it overwrote before it knew."""

import pytest

from publisher.errors import RefusedError, SinkUnavailableError
from publisher.use_cases.put_back import MOST_ATTEMPTS
from tests.doubles import codes
from tests.races.rounds import version
from tests.worlds import CONFIGURATION, JWKS, MANIFEST, World

OLD, LATE, NEWEST, FOURTH = (version(number, is_counted=True) for number in (1, 2, 3, 4))


def newest() -> dict[str, bytes]:
    world = World()
    world.publish(NEWEST)
    return world.bodies()


def overtaken() -> World:
    """Be where a newer publisher has written its JWKS, and will write its manifest just before ours."""
    world = World()
    world.publish(OLD)
    world.sink.put(JWKS, newest()[JWKS])
    writes = world.sink.writes

    def overtake(number: int, path: str) -> None:
        if path == MANIFEST and number == writes + 1:
            world.sink.put(MANIFEST, newest()[MANIFEST])

    world.sink.before_write = overtake
    return world


def test_what_the_newer_manifest_lists_is_put_back() -> None:
    world = overtaken()
    with pytest.raises(RefusedError) as refused:
        world.publish(LATE)
    assert codes(refused.value.findings)[0] == "ROT002"
    assert world.bodies() == newest()
    assert world.sink.written[-2:] == [JWKS, JWKS], "ours, and the newer one again"
    headers = world.sink.objects[JWKS].headers
    assert headers
    assert headers.cache_control == "public, max-age=60"
    assert not world.publish(NEWEST).changed


def test_nothing_else_is_put_back() -> None:
    """The newer publisher has come back to it meanwhile: then nothing is missing."""
    world = overtaken()
    read = world.sink.after_read
    writes = world.sink.writes

    def repair(path: str) -> None:
        read(path)
        if path == CONFIGURATION and world.sink.writes > writes + 1:
            world.sink.put(JWKS, newest()[JWKS])

    world.sink.after_read = repair
    with pytest.raises(RefusedError):
        world.publish(LATE)
    assert world.bodies() == newest()
    assert world.sink.written.count(JWKS) == 2, "of the old publication, and ours"


def test_a_third_publisher_s_document_is_left_alone() -> None:
    """It may be newer than the manifest, whose turn has not come yet."""
    world = overtaken()
    read, writes = world.sink.after_read, world.sink.writes
    third = World()
    third.publish(FOURTH)

    def write(path: str) -> None:
        read(path)
        overtook = world.sink.objects[MANIFEST].body == newest()[MANIFEST] and world.sink.writes > writes + 1
        if path == CONFIGURATION and overtook and world.sink.objects[JWKS].body != third.bodies()[JWKS]:
            world.sink.put(JWKS, third.bodies()[JWKS])

    world.sink.after_read = write
    with pytest.raises(RefusedError):
        world.publish(LATE)
    assert world.bodies()[JWKS] == third.bodies()[JWKS]


def test_a_store_that_fails_meanwhile_does_not_hide_the_refusal() -> None:
    world = overtaken()
    overtake, ours = world.sink.before_write, world.sink.writes

    def fail(number: int, path: str) -> None:
        overtake(number, path)
        if path == JWKS and number > ours:
            raise SinkUnavailableError("bucket", "answers 503", "wait")

    world.sink.before_write = fail
    with pytest.raises(RefusedError) as refused:
        world.publish(LATE)
    assert codes(refused.value.findings)[0] == "ROT002"


def test_a_race_about_putting_back_has_an_end() -> None:
    world = overtaken()
    overtake, ours = world.sink.before_write, world.sink.writes
    tries = []

    def interfere(number: int, path: str) -> None:
        overtake(number, path)
        if path == JWKS and number > ours:
            tries.append(number)
            world.sink.put(JWKS, world.sink.objects[JWKS].body)

    world.sink.before_write = interfere
    with pytest.raises(RefusedError):
        world.publish(LATE)
    assert len(tries) == MOST_ATTEMPTS


def test_before_an_unfinished_publication_is_overwritten_the_bundle_is_fetched_again() -> None:
    """Its publisher may have a newer bundle, of which a key is gone, and be about to write its manifest."""
    world = World()
    world.publish(OLD)
    world.sink.put(JWKS, newest()[JWKS])
    outcome = world.publish(LATE, NEWEST)
    assert outcome.manifest.sequence_number == NEWEST.sequence_number
    assert world.bodies()[JWKS] == newest()[JWKS]
    assert JWKS not in outcome.written, "it was never overwritten"


def test_what_a_killed_run_left_is_overwritten_all_the_same() -> None:
    world = World()
    world.publish(OLD)
    world.sink.put(JWKS, newest()[JWKS])
    outcome = world.publish(LATE, LATE)
    assert outcome.written == (JWKS,)
    assert codes(outcome.findings) == ["ROT010"], "nothing tells its new key from a stranger's"


def test_a_lagging_source_has_its_second_chance_all_the_same() -> None:
    world = World()
    world.publish(OLD)
    world.sink.put(JWKS, newest()[JWKS])

    def finish() -> None:
        world.sink.put(MANIFEST, newest()[MANIFEST])

    world.clock.while_sleeping = finish
    outcome = world.publish(LATE, LATE, NEWEST)
    assert outcome.manifest.sequence_number == NEWEST.sequence_number
    assert world.sink.written.count(JWKS) == 1, "of the old publication: nothing was overwritten"
