"""The real program, killed at every request to a bucket: before it arrives, and before its answer does."""

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.crashes.buckets import BucketPlace, KillingProxy, running_killing_proxy
from tests.crashes.launcher import Launcher, each, running_launchers
from tests.crashes.reader import Reader, tokens
from tests.crashes.scenarios import SCENARIOS, Scenario
from tests.crashes.steps import AFTER, BEFORE, Point, points
from tests.emulator.fixtures import bucket, emulator
from tests.emulator.server import Emulator

__all__ = ["bucket", "emulator"]

Proxies = dict[Launcher, KillingProxy]


@pytest.fixture(scope="module")
def proxies(emulator: Emulator) -> Iterator[Proxies]:
    """Launchers, each with a proxy of its own, which knows whom to kill."""
    with ExitStack() as stack:
        launchers = stack.enter_context(running_launchers(5))
        yield {launcher: stack.enter_context(running_killing_proxy(emulator)) for launcher in launchers}


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda scenario: scenario.name)
def test_killed_at_every_request(scenario: Scenario, proxies: Proxies, bucket: str, tmp_path: Path) -> None:
    def prepared(launcher: Launcher, name: str) -> BucketPlace:
        place = BucketPlace(folder=tmp_path / name, scenario=scenario, proxy=proxies[launcher], bucket=bucket)
        place.prepare(launcher)
        return place

    launchers = list(proxies)
    counting = prepared(launchers[0], "counted")
    counted = counting.killed_at_request(launchers[0], None)
    assert counted.status == 0, counted.err
    methods = [method for method, _ in counting.proxy.requests]
    documents = len(counted.publication["written"])
    assert methods.count("POST") == documents + 1, "documents and manifest"
    assert methods.count("GET") >= 3 + documents, "all are read first, what was written is read back"
    valid = tokens(*scenario.valid)

    def kill_at(launcher: Launcher, point: Point) -> None:
        place = prepared(launcher, f"{point.number}-{point.where}")
        with Reader(place.fetch, valid, must_exist=not scenario.is_first) as reader:
            assert place.killed_at_request(launcher, point).killed, point
            reader.look()
            place.assert_repaired(launcher)

    moments = [
        Point(number=number, where=where)
        for number, method in enumerate(methods, start=1)
        for where in (BEFORE, AFTER)
        if where == BEFORE or method == "POST" or number == len(methods)
    ]
    each(launchers, moments, kill_at)


def test_killed_at_every_step_of_the_state_file_of_a_bucket(
    proxies: Proxies, bucket: str, tmp_path: Path
) -> None:
    scenario = next(one for one in SCENARIOS if one.overrides)

    def prepared(launcher: Launcher, name: str) -> BucketPlace:
        place = BucketPlace(folder=tmp_path / name, scenario=scenario, proxy=proxies[launcher], bucket=bucket)
        place.prepare(launcher)
        return place

    launchers = list(proxies)
    counted = prepared(launchers[0], "state-counted").interrupt(launchers[0])
    assert {"write", "fsync", "rename"} <= {step.kind for step in counted.steps}

    def kill_at(launcher: Launcher, point: Point) -> None:
        place = prepared(launcher, f"state-{point.number}-{point.where}")
        with Reader(place.fetch, (), must_exist=True):
            assert place.interrupt(launcher, point).killed, point
            place.assert_repaired(launcher)

    each(launchers, points(counted.steps, twice=False), kill_at)
