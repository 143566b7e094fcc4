"""Writes that arrive late, and the condition that every write carries."""

import re

import pytest

from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.faults import ALWAYS, Fault, Kind
from tests.faults.places import NAMES, PATHS, Action, Place
from tests.faults.publishing import NEW, OLD, Publisher


def test_every_write_says_which_generation_it_replaces(publisher: Publisher, proxy: FaultProxy) -> None:
    publisher.publish(["p"], proxy.environment, kids=OLD, number=1)
    publisher.publish(["p"], proxy.environment, kids=NEW, number=2)
    publisher.publish(["p"], proxy.environment, kids=NEW, number=2)
    writes = [target for method, target in proxy.requests if method not in {"GET", "HEAD"}]
    assert len(writes) == 3 + 2 + 1
    assert all(len(re.findall(r"[?&]ifGenerationMatch=[0-9]+(?:&|$)", target)) == 1 for target in writes)


@pytest.mark.parametrize("number", range(3), ids=NAMES)
@pytest.mark.parametrize("first", [True, False], ids=["first publication", "rotation"])
def test_a_dead_publisher_s_write_that_arrives_after_a_newer_one_is_refused(
    publisher: Publisher, proxy: FaultProxy, number: int, first: bool
) -> None:
    environment = publisher.store.emulator.environment
    prefix, elsewhere = "late", 'authorization_endpoint = "https://issuer.example/elsewhere"'
    if not first:
        publisher.publish([prefix], environment, kids=OLD, number=1, options=elsewhere)
    place = Place(action=Action.WRITE, number=number).within(f"{publisher.store.bucket}/{prefix}")
    proxy.inject(Fault(kind=Kind.HOLD, where=place, times=ALWAYS))
    dead = publisher.publish([prefix], proxy.environment, kids=NEW, number=2, timeout=2)
    assert dead.ran.status == 75
    held = list(proxy.held)
    assert held
    again = elsewhere.replace("elsewhere", "again")
    newer = publisher.publish([prefix], environment, kids=("stays", "newest"), number=3, options=again)
    assert newer.ran.status == 0
    there = publisher.store.get(prefix)
    assert set(there) == set(PATHS)
    assert {proxy.deliver(request)[0] for request in held} == {412}
    assert publisher.store.get(prefix) == there


@pytest.mark.parametrize("number", range(3), ids=NAMES)
def test_a_dead_publisher_s_write_that_arrives_first_is_built_upon(
    publisher: Publisher, proxy: FaultProxy, number: int
) -> None:
    """A write may happen long after its sender gave up; the next run then finds it, and finishes."""
    environment = publisher.store.emulator.environment
    place = Place(action=Action.WRITE, number=number).within(f"{publisher.store.bucket}/late")
    proxy.inject(Fault(kind=Kind.HOLD, where=place, times=ALWAYS))
    assert publisher.publish(["late"], proxy.environment, timeout=2).ran.status == 75
    assert [proxy.deliver(request)[0] for request in proxy.held][:2] == [200, 412]
    assert publisher.publish(["late"], environment).ran.status == 0
    again = publisher.publish(["late"], environment)
    assert not again.publications["late"]["changed"]
