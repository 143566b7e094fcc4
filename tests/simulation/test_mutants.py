"""The simulation finds what is broken on purpose."""

import re
from dataclasses import replace

import pytest

from tests.simulation.mutants import MUTANTS
from tests.simulation.world import World
from tests.simulation.worlds import BY_NAME


@pytest.mark.parametrize("broken", MUTANTS, ids=lambda broken: broken.__name__)
def test_the_simulation_finds_what_is_broken(broken: type[World]) -> None:
    name, expected = MUTANTS[broken]
    for seed in range(1, 4):
        figures = broken(replace(BY_NAME[name], days=0.4), seed).run()
        if any(re.search(expected, one) for one in figures.violations):
            return
    pytest.fail(f"{broken.__doc__} lives: {figures.violations}")
