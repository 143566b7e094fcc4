"""The directory sink: modes, links, locks, crashes, and disks that refuse."""

import errno
import fcntl
import os
import resource
import shutil
import stat
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.errors import SinkConflictError, SinkError, SinkSettingsError, SinkUnavailableError
from publisher.oidc.issuer import CONFIGURATION_PATH
from publisher.ports import Deadline
from publisher.publication.document_set import Document
from publisher.sinks import files
from publisher.sinks.directory import DirectorySink
from tests.emulator.clock import RealClock, soon

NOBODY = 65534
LOCK = ".spire-oidc-publisher.lock"


def document(path: str = "keys", body: bytes = b"{}") -> Document:
    return Document.of(path, body, max_age=timedelta(seconds=60))


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def names(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir())


@contextmanager
def umask(bits: int) -> Iterator[None]:
    before = os.umask(bits)
    try:
        yield
    finally:
        os.umask(before)


@pytest.fixture
def sink(tmp_path: Path) -> DirectorySink:
    return DirectorySink(tmp_path)


@pytest.fixture
def open_to_all() -> Iterator[Path]:
    """A folder that a user without rights can reach, which pytest's own folders are not."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    folder.chmod(0o755)
    yield folder
    shutil.rmtree(folder)


@contextmanager
def without_rights() -> Iterator[None]:
    """Root may write anywhere: be somebody else meanwhile."""
    user = os.geteuid()
    if user == 0:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(user)


def test_the_place_is_named_by_its_path_and_has_no_url(sink: DirectorySink, tmp_path: Path) -> None:
    assert sink.location == str(tmp_path)
    assert sink.public_urls == ()


@pytest.mark.parametrize("bits", [0o000, 0o077, 0o777])
def test_modes_do_not_depend_on_the_umask(sink: DirectorySink, tmp_path: Path, bits: int) -> None:
    with umask(bits):
        sink.write(document("openid/v1/jwks"), None, soon())
        sink.write(document(CONFIGURATION_PATH), None, soon())
    for folder in ("openid", "openid/v1", ".well-known"):
        assert mode(tmp_path / folder) == 0o755
    for file in ("openid/v1/jwks", CONFIGURATION_PATH):
        assert mode(tmp_path / file) == 0o644
    # Nobody else may hold it, or publishing could be kept from happening.
    assert mode(tmp_path / LOCK) == 0o600


def test_a_folder_that_exists_keeps_its_mode(sink: DirectorySink, tmp_path: Path) -> None:
    (tmp_path / ".well-known").mkdir()
    (tmp_path / ".well-known").chmod(0o2775)
    sink.write(document(CONFIGURATION_PATH), None, soon())
    assert mode(tmp_path / ".well-known") == 0o2775


def test_nothing_unfinished_is_left(sink: DirectorySink, tmp_path: Path) -> None:
    sink.write(document(), None, soon())
    assert names(tmp_path) == [LOCK, "keys"]


def test_what_a_killed_run_left_is_written_over(sink: DirectorySink, tmp_path: Path) -> None:
    (tmp_path / ".spire-oidc-publisher.keys.unfinished").write_bytes(b"half of a docu")
    sink.write(document(), None, soon())
    assert (tmp_path / "keys").read_bytes() == b"{}"
    assert names(tmp_path) == [LOCK, "keys"]


def test_the_directory_is_never_made(tmp_path: Path) -> None:
    sink = DirectorySink(tmp_path / "missing")
    with pytest.raises(SinkSettingsError, match=r"missing.*no such file or directory"):
        sink.read("keys", soon())
    with pytest.raises(SinkSettingsError, match=r"missing.*no such file or directory"):
        sink.write(document(), None, soon())
    assert names(tmp_path) == []


def test_a_file_is_no_directory(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SinkSettingsError, match="not a directory"):
        DirectorySink(tmp_path / "file").read("keys", soon())


def test_the_directory_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    DirectorySink(tmp_path / "link").write(document(), None, soon())
    assert (tmp_path / "real" / "keys").read_bytes() == b"{}"


def test_no_link_below_it_is_followed(sink: DirectorySink, tmp_path: Path) -> None:
    elsewhere = tmp_path.parent / f"{tmp_path.name}-elsewhere"
    elsewhere.mkdir()
    (elsewhere / "keys").write_bytes(b"precious")
    (tmp_path / ".well-known").symlink_to(elsewhere)
    (tmp_path / "keys").symlink_to(elsewhere / "keys")
    for path in ("keys", CONFIGURATION_PATH):
        with pytest.raises(SinkSettingsError, match="link"):
            sink.read(path, soon())
        with pytest.raises(SinkSettingsError, match="link"):
            sink.write(document(path), None, soon())
    assert names(elsewhere) == ["keys"]
    assert (elsewhere / "keys").read_bytes() == b"precious"


def test_a_dangling_link_is_not_written_through(sink: DirectorySink, tmp_path: Path) -> None:
    (tmp_path / "keys").symlink_to(tmp_path / "target")
    with pytest.raises(SinkSettingsError):
        sink.write(document(), None, soon())
    assert not (tmp_path / "target").exists()


def test_the_lock_may_be_no_link(sink: DirectorySink, tmp_path: Path) -> None:
    (tmp_path / LOCK).symlink_to(tmp_path / "target")
    with pytest.raises(SinkSettingsError, match="lock"):
        sink.write(document(), None, soon())
    assert not (tmp_path / "target").exists()


def test_a_folder_or_pipe_in_place_of_a_document_is_refused(sink: DirectorySink, tmp_path: Path) -> None:
    (tmp_path / "keys").mkdir()
    os.mkfifo(tmp_path / "pipe")
    for path in ("keys", "pipe"):
        with pytest.raises(SinkSettingsError, match="no regular file"):
            sink.read(path, soon())
        with pytest.raises(SinkSettingsError, match="no regular file"):
            sink.write(document(path), None, soon())


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../keys", "a/../../keys", "a//keys", "./keys", LOCK])
def test_a_path_stays_below_the_directory(sink: DirectorySink, path: str) -> None:
    with pytest.raises(SinkSettingsError, match="no path of a document"):
        sink.read(path, soon())
    with pytest.raises(SinkSettingsError, match="no path of a document"):
        sink.write(document(path), None, soon())


def test_a_name_too_long_for_the_disk_is_refused(sink: DirectorySink) -> None:
    with pytest.raises(SinkSettingsError, match="name too long"):
        sink.read("k" * 300, soon())


@contextmanager
def held(path: Path) -> Iterator[int]:
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def test_a_lock_that_stays_taken_ends_the_write(sink: DirectorySink, tmp_path: Path) -> None:
    with held(tmp_path / LOCK), pytest.raises(SinkUnavailableError, match="held it until the time was up"):
        sink.write(document(), None, Deadline(RealClock(), 0.1))
    assert sink.read("keys", soon()) is None


def test_reading_needs_no_lock(sink: DirectorySink, tmp_path: Path) -> None:
    written = sink.write(document(), None, soon())
    with held(tmp_path / LOCK):
        assert sink.read("keys", Deadline(RealClock(), 0.1)) == written


def test_a_lock_that_is_given_back_is_waited_for(sink: DirectorySink, tmp_path: Path) -> None:
    with held(tmp_path / LOCK) as descriptor:
        release = threading.Timer(0.2, fcntl.flock, (descriptor, fcntl.LOCK_UN))
        release.start()
        sink.write(document(), None, soon())
        release.join()
    assert (tmp_path / "keys").read_bytes() == b"{}"


def test_a_directory_without_permission_is_a_matter_of_settings(open_to_all: Path) -> None:
    sink = DirectorySink(open_to_all)
    written = sink.write(document(), None, soon())
    (open_to_all / LOCK).unlink()
    open_to_all.chmod(0o555)
    with without_rights():
        assert sink.read("keys", soon()) == written
        with pytest.raises(SinkSettingsError, match="permission denied"):
            sink.write(document(body=b"new"), written, soon())
    (open_to_all / "keys").chmod(0o000)
    with without_rights(), pytest.raises(SinkSettingsError, match="permission denied"):
        sink.read("keys", soon())
    (open_to_all / "keys").chmod(0o644)
    open_to_all.chmod(0o755)
    assert sink.read("keys", soon()) == written


def test_a_write_that_fails_halfway_leaves_what_is_there(sink: DirectorySink, tmp_path: Path) -> None:
    written = sink.write(document(), None, soon())
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (5000, before[1]))
    try:
        with pytest.raises(SinkSettingsError, match="file too large"):
            sink.write(document(body=b"7" * 9000), written, soon())
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert sink.read("keys", soon()) == written
    assert names(tmp_path) == [LOCK, "keys"]


def test_a_run_that_is_killed_at_any_moment_leaves_a_whole_document(tmp_path: Path) -> None:
    program = "import sys, pathlib, tests.unit.sinks.endless as e; e.write(pathlib.Path(sys.argv[1]))"
    command = [sys.executable, "-c", program, str(tmp_path)]
    for _ in range(5):
        with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[3]) as run:
            assert run.stdout is not None
            assert run.stdout.read(1)  # it has begun
            time.sleep(0.02)
            run.kill()
        body = (tmp_path / "keys").read_bytes()
        assert len(body) == 200_000
        assert len(set(body)) == 1
    found = DirectorySink(tmp_path).read("keys", soon())
    DirectorySink(tmp_path).write(document(), found, soon())
    assert names(tmp_path) == [LOCK, "keys"]


@contextmanager
def mounted(folder: Path, options: str) -> Iterator[None]:
    """A file system in memory; a machine that may not mount one skips the test and says so."""
    mount = shutil.which("mount")
    command = [str(mount), "-t", "tmpfs", "-o", options, "tmpfs", str(folder)]
    if mount is None or subprocess.run(command, capture_output=True, check=False, timeout=20).returncode:
        pytest.skip("a small file system cannot be mounted here: needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True, timeout=20)


def test_a_full_disk_may_have_room_later_and_keeps_what_is_there(sink: DirectorySink, tmp_path: Path) -> None:
    with mounted(tmp_path, "size=32k"):
        written = sink.write(document(), None, soon())
        with pytest.raises(SinkUnavailableError, match="no space left"):
            sink.write(document(body=b"7" * 100_000), written, soon())
        assert sink.read("keys", soon()) == written
        assert names(tmp_path) == [LOCK, "keys"]


def test_a_read_only_disk_is_a_matter_of_settings(sink: DirectorySink, tmp_path: Path) -> None:
    with mounted(tmp_path, "size=32k,ro"):
        assert sink.read("keys", soon()) is None
        with pytest.raises(SinkSettingsError, match="read-only"):
            sink.write(document(), None, soon())


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        (errno.ENOSPC, SinkUnavailableError),
        (errno.EDQUOT, SinkUnavailableError),
        (errno.EIO, SinkUnavailableError),
        (errno.ENOLCK, SinkUnavailableError),
        (errno.EROFS, SinkSettingsError),
        (errno.EACCES, SinkSettingsError),
        (errno.EPERM, SinkSettingsError),
        (errno.ELOOP, SinkSettingsError),
        (errno.ENOTDIR, SinkSettingsError),
        (errno.ENOENT, SinkSettingsError),
        (errno.ENAMETOOLONG, SinkSettingsError),
    ],
)
def test_what_the_system_says_is_translated(number: int, expected: type[SinkError]) -> None:
    with pytest.raises(SinkError) as refusal, files.translated("there"):
        raise OSError(number, os.strerror(number))
    assert type(refusal.value) is expected
    assert refusal.value.where == "there"
    assert refusal.value.what
    assert refusal.value.remedy


def test_an_error_without_words_is_shown_too() -> None:
    with pytest.raises(SinkUnavailableError, match="odd"), files.translated("there"):
        raise OSError("odd\n")


def test_a_removed_document_is_a_conflict(sink: DirectorySink, tmp_path: Path) -> None:
    written = sink.write(document(), None, soon())
    (tmp_path / "keys").unlink()
    with pytest.raises(SinkConflictError):
        sink.write(document(body=b"new"), written, soon())
