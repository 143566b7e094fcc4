"""A takeover that was killed half-way is finished as what it was: nobody is accused."""

import json

import pytest

from publisher.publication.reports import TAMPERING
from publisher.publication.rules import Overrides
from tests import keys
from tests.doubles import Crashed, DictMemory, codes
from tests.worlds import CONFIGURATION, ISSUER, JWKS, MANIFEST, World, bundle

BY_HAND = {"issuer": str(ISSUER), "jwks_uri": f"{ISSUER}/keys", "made": "by hand"}


def crash(_number: int, _path: str) -> None:
    raise Crashed


def nothing(_number: int, _path: str) -> None:
    return


@pytest.fixture
def world() -> World:
    """Documents by hand, with a key that SPIRE does not have."""
    there = World(memory=DictMemory())
    there.sink.put(JWKS, keys.jwks("one", "stranger"))
    there.sink.put(CONFIGURATION, json.dumps(BY_HAND).encode())
    return there


def kill(world: World, number: int) -> None:
    """Take over, and die before the write of that number."""

    def at(now: int, path: str) -> None:
        if now == number:
            crash(now, path)

    world.sink.before_write = at
    with pytest.raises(Crashed):
        world.publish(bundle("one", "two"))
    world.sink.before_write = nothing


@pytest.mark.parametrize(("number", "expected"), [(0, ["ROT015"]), (1, ["ROT015"]), (2, ["ROT016"])])
def test_the_next_run_finishes_it(world: World, number: int, expected: list[str]) -> None:
    kill(world, number)
    assert codes(world.publish(bundle("one", "two")).findings) == expected
    assert codes(world.publish(bundle("one", "two")).findings) == []


def test_what_somebody_else_put_there_meanwhile_is_told(world: World) -> None:
    kill(world, 0)
    world.sink.put(JWKS, keys.jwks("one", "thief"))
    assert "ROT010" in codes(world.publish(bundle("one", "two")).findings)


def test_an_old_document_of_ours_that_comes_back_is_told(world: World) -> None:
    world.publish(bundle("one", "two"))
    old = world.sink.objects[JWKS].body
    world.publish(bundle("one"))
    world.sink.put(JWKS, old)
    del world.sink.objects[MANIFEST]
    assert "ROT010" in codes(world.publish(bundle("one")).findings)


def test_what_a_person_had_replaced_does_not_come_back_unseen(world: World) -> None:
    old = world.sink.objects[JWKS].body
    world.publish(bundle("seven"), overrides=Overrides(accept_disjoint_keys=True))
    world.sink.put(JWKS, old)
    del world.sink.objects[MANIFEST]
    assert TAMPERING & set(codes(world.publish(bundle("seven")).findings))


def test_what_was_taken_over_does_not_come_back_unseen_while_the_bundle_stays_the_same() -> None:
    world = World(memory=DictMemory())
    by_hand = keys.jwks("one", "leaked")
    world.sink.put(JWKS, by_hand)
    world.publish(bundle("one", "two"))
    world.sink.put(JWKS, by_hand)
    del world.sink.objects[MANIFEST]
    found = codes(world.publish(bundle("one", "two")).findings)
    assert {"ROT010", "ROT016"} <= set(found)
    assert "ROT015" not in found
