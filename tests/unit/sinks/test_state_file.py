"""The state file: absent, replaced whole, never through a link, never by two at once."""

import fcntl
import os
import stat
import threading
from pathlib import Path

import pytest

from publisher import strict_json
from publisher.errors import ExitStatus, SettingsError, SinkSettingsError, SinkUnavailableError
from publisher.sinks.state_file import StateFile


def test_nothing_is_remembered_at_first(tmp_path: Path) -> None:
    assert StateFile(tmp_path / "state.json").recall() is None


def test_the_last_manifest_is_remembered(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "state.json")
    state.remember(b"first, and longer")
    state.remember(b"second")
    assert StateFile(tmp_path / "state.json").recall() == b"second"
    assert stat.S_IMODE((tmp_path / "state.json").stat().st_mode) == 0o644


def test_a_relative_path_is_one_of_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    StateFile(Path("state.json")).remember(b"manifest")
    assert (tmp_path / "state.json").read_bytes() == b"manifest"


def test_the_folder_must_exist(tmp_path: Path) -> None:
    state = StateFile(tmp_path / "missing" / "state.json")
    with pytest.raises(SettingsError, match=r"folder of the state file.*no such file") as refusal:
        state.recall()
    assert refusal.value.exit_status is ExitStatus.SETTINGS
    with pytest.raises(SinkSettingsError, match=r"folder of the state file.*no such file"):
        state.remember(b"manifest")


def test_the_folder_may_lie_behind_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    StateFile(tmp_path / "link" / "state.json").remember(b"manifest")
    assert (tmp_path / "real" / "state.json").read_bytes() == b"manifest"


def test_the_file_may_be_no_link(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "state.json").symlink_to("target")
    state = StateFile(tmp_path / "state.json")
    with pytest.raises(SettingsError, match="link"):
        state.recall()
    with pytest.raises(SinkSettingsError, match="link"):
        state.remember(b"manifest")
    assert (tmp_path / "target").read_bytes() == b"precious"
    assert (tmp_path / "state.json").is_symlink()


def test_a_folder_in_its_place_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").mkdir()
    with pytest.raises(SettingsError, match="no regular file"):
        StateFile(tmp_path / "state.json").recall()


def test_a_file_that_is_too_large_is_refused(tmp_path: Path) -> None:
    (tmp_path / "state.json").write_bytes(b"7" * (strict_json.LARGEST + 1))
    with pytest.raises(SettingsError, match=str(strict_json.LARGEST)):
        StateFile(tmp_path / "state.json").recall()


def test_two_at_once_leave_one_whole_manifest(tmp_path: Path) -> None:
    manifests = [bytes([number]) * 50_000 for number in range(8)]
    writers = [
        threading.Thread(target=StateFile(tmp_path / "state.json").remember, args=(manifest,))
        for manifest in manifests
    ]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=20)
    assert StateFile(tmp_path / "state.json").recall() in manifests
    assert sorted(entry.name for entry in tmp_path.iterdir()) == [
        ".spire-oidc-publisher.state.json.lock",
        "state.json",
    ]


def test_a_lock_that_stays_taken_is_not_waited_for_long(tmp_path: Path) -> None:
    lock = os.open(tmp_path / ".spire-oidc-publisher.state.json.lock", os.O_RDWR | os.O_CREAT)
    fcntl.flock(lock, fcntl.LOCK_EX)
    try:
        with pytest.raises(SinkUnavailableError, match="another publisher held it"):
            StateFile(tmp_path / "state.json").remember(b"manifest")
        # Another state file of the folder is another publication's.
        StateFile(tmp_path / "other.json").remember(b"manifest")
    finally:
        os.close(lock)
    assert StateFile(tmp_path / "state.json").recall() is None
