"""The real program on disks that are full, run out of files, or become read-only at any step."""

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.crashes.launcher import Launcher, running_launchers
from tests.crashes.places import Place
from tests.crashes.reader import Reader, tokens
from tests.crashes.scenarios import SCENARIOS, Scenario
from tests.crashes.steps import BEFORE, Point

FIRST, ROTATION = SCENARIOS[:2]
PAGE = 4096
MANY = replace(ROTATION, now=(*ROTATION.earlier, *(f"new-{number}" for number in range(60))))
"""A JWKS of several pages, so that a disk can be full in the middle of it."""


@pytest.fixture(scope="module")
def launcher() -> Iterator[Launcher]:
    with running_launchers(1) as (started,):
        yield started


@contextmanager
def on_small_disk(prepared: Place, name: str, options: str, part: str = "public") -> Iterator[Place]:
    """Copy a place whose public folder (or state folder) is a file system of its own, in memory."""
    place = replace(prepared, folder=prepared.folder.parent / name)
    shutil.copytree(prepared.folder, place.folder)
    folder, content = place.folder / part, prepared.folder / part
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", f"mode=755,{options}", "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False, timeout=20).returncode:
        pytest.skip("a small file system cannot be mounted here: needs root")
    try:
        shutil.copytree(content, folder, dirs_exist_ok=True)
        yield place
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=20)


def fill(folder: Path, *, leaving: int) -> Path:
    """Use up a disk but for some pages; give the file to remove."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        free = shutil.disk_usage(folder).free
        file.write(b"7" * (free - leaving * PAGE))
    return filler


def remount(folder: Path, options: str) -> None:
    command = ["mount", "-o", f"remount,{options}", str(folder)]
    subprocess.run(command, check=True, capture_output=True, timeout=20)


def prepared(launcher: Launcher, tmp_path: Path, scenario: Scenario) -> Place:
    place = Place(folder=tmp_path / "prepared", scenario=scenario)
    place.prepare(launcher)
    return place


def test_a_disk_that_is_full_at_any_page(launcher: Launcher, tmp_path: Path) -> None:
    before = prepared(launcher, tmp_path, MANY)
    statuses = []
    for pages in range(8):
        with on_small_disk(before, f"pages-{pages}", "size=256k") as place:
            filler = fill(place.public, leaving=pages)
            with Reader(place.fetch, tokens(*MANY.valid), must_exist=True) as reader:
                ran = place.interrupt(launcher)
                statuses.append(ran.status)
                assert ran.status in {0, 75}, ran.err
                assert ran.status == 0 or "no space left" in ran.err
                assert not [name for name in place.names() if name.endswith("unfinished")]
                reader.look()
                filler.unlink()
                place.assert_repaired(launcher)
    assert statuses[0] == 75
    assert statuses[-1] == 0


def test_a_disk_that_has_no_more_files_at_any_of_them(launcher: Launcher, tmp_path: Path) -> None:
    before = prepared(launcher, tmp_path, FIRST)
    statuses = []
    for files in range(1, 9):
        with on_small_disk(before, f"files-{files}", f"size=256k,nr_inodes={files}") as place:
            ran = place.interrupt(launcher)
            statuses.append(ran.status)
            assert ran.status in {0, 75}, ran.err
            assert ran.status == 0 or "no space left" in ran.err
            assert not [name for name in place.names() if name.endswith("unfinished")]
            remount(place.public, "size=256k,nr_inodes=100")
            place.assert_repaired(launcher)
    assert statuses[0] == 75
    assert statuses[-1] == 0


def test_a_full_disk_of_the_state_file_stops_no_rotation(launcher: Launcher, tmp_path: Path) -> None:
    before = prepared(launcher, tmp_path, ROTATION)
    with on_small_disk(before, "state-full", "size=64k", part="state") as place:
        filler = fill(place.state.parent, leaving=0)
        with Reader(place.fetch, tokens(*ROTATION.valid), must_exist=True):
            ran = place.interrupt(launcher)
            assert (ran.status, ran.codes) == (75, ["MEM001"])
            assert ran.publication["written"] == ["keys"]
            filler.unlink()
            place.assert_repaired(launcher)


@pytest.mark.parametrize("scenario", [FIRST, ROTATION], ids=lambda scenario: scenario.name)
def test_a_disk_that_becomes_read_only_at_any_step(
    scenario: Scenario, launcher: Launcher, tmp_path: Path
) -> None:
    before = prepared(launcher, tmp_path, scenario)
    steps = before.copied("counted").interrupt(launcher).steps
    statuses = set()
    with on_small_disk(before, "read-only", "size=256k") as place:
        remount(place.public, "ro")
        ran = place.run(launcher)
        assert ran.status == 78
        assert "read-only" in ran.err
    for step in steps:
        if "/public" not in step.places[0]:
            continue
        with on_small_disk(before, f"{step.number}", "size=256k") as place:
            # Refused, and so without effect, while a file is open for writing.
            command = f"mount -o remount,ro {place.public}"
            with Reader(place.fetch, tokens(*scenario.valid), must_exist=scenario is ROTATION) as reader:
                ran = place.interrupt(launcher, Point(number=step.number, where=BEFORE), command=command)
                statuses.add(ran.status)
                assert ran.status in {0, 75, 78}, ran.err
                assert ran.status == 0 or "read-only" in ran.err
                reader.look()
                remount(place.public, "rw")
                place.assert_repaired(launcher)
    assert 78 in statuses
