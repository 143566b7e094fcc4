"""A publisher that ran as root once: the service's user must be able to go on."""

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.errors import SinkSettingsError
from publisher.oidc.issuer import CONFIGURATION_PATH
from publisher.publication.document_set import Document
from publisher.sinks.directory import DirectorySink
from publisher.sinks.state_file import StateFile
from tests.emulator.clock import soon

SERVICE = 65534
LOCK = ".spire-oidc-publisher.lock"
STATE_LOCK = ".spire-oidc-publisher.state.json.lock"

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can act as two users")


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of the service's user, which pytest's own folders would keep out of reach."""
    path = Path(tempfile.mkdtemp(dir="/tmp"))
    os.chown(path, SERVICE, SERVICE)
    yield path
    shutil.rmtree(path)


@contextmanager
def service_user() -> Iterator[None]:
    os.seteuid(SERVICE)
    try:
        yield
    finally:
        os.seteuid(0)


def document(path: str, body: bytes = b"{}") -> Document:
    return Document.of(path, body, max_age=timedelta(seconds=60))


def test_what_root_made_in_a_users_directory_is_that_users_to_change(folder: Path) -> None:
    sink = DirectorySink(folder)
    written = [sink.write(document(path), None, soon()) for path in ("keys", CONFIGURATION_PATH, "a/b/keys")]
    assert (folder / LOCK).stat().st_uid == SERVICE
    with service_user():
        sink.rehearse(soon())
        for stored in written:
            assert sink.read(stored.path, soon()) == stored
            sink.write(document(stored.path, b"new"), stored, soon())


def test_what_root_remembered_is_that_users_to_change(folder: Path) -> None:
    state = StateFile(folder / "state.json")
    state.remember(b"roots")
    assert (folder / STATE_LOCK).stat().st_uid == SERVICE
    with service_user():
        state.rehearse(soon())
        state.remember(b"services")
        assert state.recall() == b"services"


def test_a_lock_that_is_there_is_never_given_away(folder: Path) -> None:
    for name in (LOCK, STATE_LOCK):
        (folder / name).touch(0o600)
    DirectorySink(folder).write(document("keys"), None, soon())
    StateFile(folder / "state.json").remember(b"manifest")
    for name in (LOCK, STATE_LOCK):
        assert (folder / name).stat().st_uid == 0, "it may be a hard link to anything"


def test_a_lock_of_somebody_else_is_told_with_its_owner(folder: Path) -> None:
    for name in (LOCK, STATE_LOCK):
        (folder / name).touch(0o600)
    sink, state = DirectorySink(folder), StateFile(folder / "state.json")
    for refused in (
        lambda: sink.write(document("keys"), None, soon()),
        lambda: sink.rehearse(soon()),
        lambda: state.remember(b"manifest"),
        lambda: state.rehearse(soon()),
    ):
        with service_user(), pytest.raises(SinkSettingsError, match="lock") as refusal:
            refused()
        assert f"belongs to uid 0, and this process is uid {SERVICE}" in refusal.value.what
        assert "remove it while no publisher runs, or chown it" in refusal.value.remedy
    (folder / LOCK).unlink()
    with service_user():
        sink.write(document("keys"), None, soon())


def test_in_roots_own_directory_everything_stays_roots(tmp_path: Path) -> None:
    DirectorySink(tmp_path).write(document(CONFIGURATION_PATH), None, soon())
    for path in (tmp_path / LOCK, tmp_path / ".well-known"):
        assert path.stat().st_uid == 0
