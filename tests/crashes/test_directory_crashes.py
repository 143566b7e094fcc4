"""The real program, killed at every step on disk: readers never notice, the next run repairs."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashes.launcher import Launcher, Ran, each, running_launchers
from tests.crashes.places import Place
from tests.crashes.reader import Reader, tokens
from tests.crashes.scenarios import SCENARIOS, Scenario
from tests.crashes.steps import Point, points


@pytest.fixture(scope="module")
def launchers() -> Iterator[list[Launcher]]:
    with running_launchers(5) as started:
        yield started


def kinds(ran: Ran) -> set[str]:
    return {step.kind for step in ran.steps if not step.failed}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_killed_at_every_step(scenario: Scenario, launchers: list[Launcher], tmp_path: Path) -> None:
    prepared = Place(folder=tmp_path / "prepared", scenario=scenario)
    prepared.prepare(launchers[0])
    counted = prepared.copied("counted").interrupt(launchers[0])
    assert counted.status == 0, counted.err
    assert kinds(counted) >= {"open", "write", "fchmod", "fsync", "rename"}

    valid = tokens(*scenario.valid)

    def kill_at(launcher: Launcher, point: Point) -> None:
        place = prepared.copied(f"{point.number}-{point.where}")
        with Reader(place.fetch, valid, must_exist=not scenario.is_first) as reader:
            ran = place.interrupt(launcher, point)
            assert ran.killed, (point, ran.err)
            reader.look()
            place.assert_repaired(launcher)

    # Those that make the next run look twice, which takes a second, die at every different moment only.
    twice = scenario.name not in {"first", "takeover", "reset"}
    each(launchers, points(counted.steps, twice=twice), kill_at)
