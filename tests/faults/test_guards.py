"""A store that denies an object for a moment must not talk the publisher out of its guards."""

import pytest

from tests.emulator.fault_proxy import FaultProxy
from tests.faults.catalogue import FAULTS
from tests.faults.cells import Cell
from tests.faults.places import Action, Place
from tests.faults.publishing import NEW, OLD, Publisher

MANIFEST = Place(action=Action.READ, number=2)


@pytest.mark.parametrize("fault", ["403, permission", "404, object"])
def test_an_older_bundle_is_refused_although_the_manifest_is_denied_once(
    publisher: Publisher, proxy: FaultProxy, fault: str
) -> None:
    environment = publisher.store.emulator.environment
    assert fault in FAULTS
    assert publisher.publish(["p"], environment, kids=NEW, number=2).ran.status == 0
    there = publisher.store.get("p")
    Cell(fault=fault, place=MANIFEST, is_lasting=False).inject(proxy, f"{publisher.store.bucket}/p")
    older = publisher.publish(["p"], proxy.environment, kids=OLD, number=1)
    assert older.ran.status == 65
    assert "sequence number" in older.publications["p"]["error"]["what"]
    assert publisher.store.get("p") == there, "and nothing was written before it was known"
