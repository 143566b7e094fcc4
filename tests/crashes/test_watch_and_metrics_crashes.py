"""`watch`, killed at every step of its round; and the metrics file, which its reader never sees torn."""

import os
import re
import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.crashes.launcher import Launcher, Ran, each, running_launchers
from tests.crashes.places import Place
from tests.crashes.reader import Reader, tokens
from tests.crashes.scenarios import SCENARIOS
from tests.crashes.steps import Point, points

ROTATION = SCENARIOS[1]
SAMPLE = re.compile(r'[a-z_]+(\{([a-z_]+="[^"]*",?)*\})? [-+0-9.eE]+|# (HELP|TYPE) .+')


@pytest.fixture(scope="module")
def launchers() -> Iterator[list[Launcher]]:
    with running_launchers(4) as started:
        yield started


def watch(place: Place, launcher: Launcher, point: Point | None) -> Ran:
    """Run `watch`; without a point it is stopped as systemd does, after its first round."""
    arguments = [word for word in place.arguments() if word not in {"publish", "--output", "json"}]
    manifest = place.public / ".well-known" / "spire-oidc-publication.json"
    before = manifest.read_bytes()

    def stop_later(pid: int) -> None:
        def stop() -> None:
            end = time.monotonic() + 20
            while time.monotonic() < end and manifest.read_bytes() == before:
                time.sleep(0.02)
            time.sleep(0.3)
            os.kill(pid, signal.SIGTERM)

        if point is None:
            threading.Thread(target=stop).start()

    return place.run(launcher, started=stop_later, arguments=["watch", *arguments], point=point)


def test_watch_killed_at_every_step(launchers: list[Launcher], tmp_path: Path) -> None:
    prepared = Place(folder=tmp_path / "prepared", scenario=ROTATION)
    prepared.prepare(launchers[0])
    time.sleep(1.1)  # manifests have whole seconds: the round's shall differ
    counted = watch(prepared.copied("counted"), launchers[0], None)
    assert counted.status in {0, 143}, counted.err
    assert {"open", "write", "fchmod", "fsync", "rename"} <= {step.kind for step in counted.steps}
    valid = tokens(*ROTATION.valid)

    def kill_at(launcher: Launcher, point: Point) -> None:
        place = prepared.copied(f"{point.number}-{point.where}")
        with Reader(place.fetch, valid, must_exist=True) as reader:
            ran = watch(place, launcher, point)
            assert ran.killed, (point, ran.err)
            reader.look()
            place.assert_repaired(launcher)

    each(launchers, points(counted.steps), kill_at)


def assert_whole(file: Path) -> bytes | None:
    """Give the metrics; None: there are none yet."""
    if not file.exists():
        return None
    body = file.read_text()
    assert body.endswith("\n")
    assert [line for line in body.splitlines() if not SAMPLE.fullmatch(line)] == []
    return body.encode()


@pytest.mark.parametrize("existed", [False, True])
def test_the_metrics_file_is_whole_at_every_step(
    existed: bool, launchers: list[Launcher], tmp_path: Path
) -> None:
    prepared = Place(folder=tmp_path / "prepared", scenario=ROTATION)
    prepared.prepare(launchers[0])

    def run(place: Place, launcher: Launcher, point: Point | None) -> Ran:
        folder = place.folder / "metrics"
        folder.mkdir(exist_ok=True)
        return place.run(
            launcher, "--metrics-file", str(folder / "spire.prom"), roots=[str(folder)], point=point
        )

    if existed:
        assert run(prepared, launchers[0], None).status == 0
    counted = run(prepared.copied("counted"), launchers[0], None)
    assert {"open", "write", "fsync", "rename"} <= {step.kind for step in counted.steps}

    def kill_at(launcher: Launcher, point: Point) -> None:
        place = prepared.copied(f"{point.number}-{point.where}")
        file = place.folder / "metrics" / "spire.prom"
        before = assert_whole(file)
        assert (before is not None) == existed
        assert run(place, launcher, point).killed
        assert_whole(file)
        assert run(place, launcher, None).status == 0
        assert assert_whole(file)
        assert file.stat().st_mode & 0o044 == 0o044, "node exporter is another user"
        names = {one.name for one in file.parent.iterdir()}
        assert len(names - {"spire.prom"}) <= 1, names
        assert not [name for name in names if name.endswith("unfinished")]
        place.assert_repaired(launcher)

    each(launchers, points(counted.steps), kill_at)
