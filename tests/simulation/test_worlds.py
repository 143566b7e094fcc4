"""A short run of every world; `make simulate` is the long one."""

from dataclasses import replace

import pytest

from tests.simulation.ledger import Figures
from tests.simulation.plan import ROTATIONS, SEEDS
from tests.simulation.spec import Spec
from tests.simulation.world import World
from tests.simulation.worlds import BY_NAME, WORLDS

SHORT = [spec for spec in WORLDS if spec.tested_days]


@pytest.mark.parametrize("spec", SHORT, ids=lambda spec: spec.name)
def test_every_valid_token_verifies_and_no_revoked_key_stays(spec: Spec) -> None:
    figures = Figures()
    for seed in (101,):
        figures.merge(World(replace(spec, days=spec.tested_days), seed).run())
    assert figures.violations == []
    assert figures.rotations > 0
    assert figures.presented > 0
    assert figures.refused.total() < figures.presented


def test_equal_seeds_give_equal_worlds() -> None:
    spec = replace(BY_NAME["emergencies"], days=0.2)
    assert World(spec, 5).run() == World(spec, 5).run()
    assert World(spec, 5).run() != World(spec, 6).run()


def test_every_world_has_its_seeds() -> None:
    assert SEEDS.keys() == BY_NAME.keys()
    assert ROTATIONS >= 10_000
