"""A rehearsal writes nothing, and says what a write would as far as that can be told."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.errors import SinkSettingsError
from publisher.oidc.issuer import CONFIGURATION_PATH
from publisher.sinks.directory import DirectorySink
from publisher.sinks.state_file import StateFile
from tests.emulator.clock import soon
from tests.unit.sources.unprivileged import unprivileged

LOCK = ".spire-oidc-publisher.lock"
STATE_LOCK = ".spire-oidc-publisher.state.json.lock"


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder that a user without rights can reach."""
    path = Path(tempfile.mkdtemp(dir="/tmp"))
    path.chmod(0o755)
    yield path
    path.chmod(0o755)
    shutil.rmtree(path)


def rehearsals(folder: Path) -> list[DirectorySink | StateFile]:
    return [DirectorySink(folder), StateFile(folder / "state.json")]


def test_a_state_file_names_itself(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "state.json").location == f"state file '{tmp_path}/state.json'"


def test_nothing_is_written(tmp_path: Path) -> None:
    for adapter in rehearsals(tmp_path):
        adapter.rehearse(soon())
    assert list(tmp_path.iterdir()) == []


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    for name in (LOCK, STATE_LOCK, "state.json"):
        (tmp_path / name).touch()
    (tmp_path / ".well-known").mkdir()
    for adapter in rehearsals(tmp_path):
        adapter.rehearse(soon())
    assert len(list(tmp_path.iterdir())) == 4


def test_a_missing_folder_is_told(tmp_path: Path) -> None:
    for adapter in rehearsals(tmp_path / "missing"):
        with pytest.raises(SinkSettingsError, match="no such file or directory"):
            adapter.rehearse(soon())


def test_a_folder_that_may_not_be_written_is_told(folder: Path) -> None:
    folder.chmod(0o555)
    for adapter in rehearsals(folder):
        with unprivileged(), pytest.raises(SinkSettingsError, match="permission denied") as refusal:
            adapter.rehearse(soon())
        assert str(folder) in refusal.value.where


def test_a_folder_below_that_may_not_be_written_is_told_once_it_was_read(folder: Path) -> None:
    folder.chmod(0o777)
    (folder / ".well-known").mkdir()
    (folder / ".well-known").chmod(0o555)
    sink = DirectorySink(folder)
    with unprivileged():
        sink.read("keys", soon())
        sink.read("not/there/keys", soon())
        sink.rehearse(soon())
        sink.read(CONFIGURATION_PATH, soon())
        with pytest.raises(SinkSettingsError, match=r"well-known.*permission denied"):
            sink.rehearse(soon())


def test_a_lock_that_is_a_link_is_told(tmp_path: Path) -> None:
    for name in (LOCK, STATE_LOCK):
        (tmp_path / name).symlink_to(tmp_path / "target")
    for adapter in rehearsals(tmp_path):
        with pytest.raises(SinkSettingsError, match=r"lock.*link"):
            adapter.rehearse(soon())
    assert not (tmp_path / "target").exists()


def test_a_read_only_disk_is_told(tmp_path: Path) -> None:
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", "size=32k,ro", "tmpfs", str(tmp_path)]
    if mount is None or subprocess.run(command, capture_output=True, check=False, timeout=20).returncode:
        pytest.skip("a small file system cannot be mounted here: needs root")
    try:
        for adapter in rehearsals(tmp_path):
            with pytest.raises(SinkSettingsError, match="read-only"):
                adapter.rehearse(soon())
    finally:
        subprocess.run(["umount", str(tmp_path)], check=True, timeout=20)
    assert os.listdir(tmp_path) == []  # noqa: PTH208 - as short as it gets
