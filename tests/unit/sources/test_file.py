import io
import os
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher import strict_json
from publisher.bundle.fetched import SourceKind
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import (
    BundleError,
    ExitStatus,
    PublisherError,
    SourceSettingsError,
    SourceUnavailableError,
)
from publisher.ports import Deadline
from publisher.sources.file import FileSource
from publisher.wiring import SystemClock
from tests import keys
from tests.unit.sources.unprivileged import unprivileged

EXAMPLE = TrustDomain(name="example.org")


def deadline(seconds: float = 20) -> Deadline:
    return Deadline(SystemClock(), seconds)


def written(tmp_path: Path, data: bytes) -> str:
    path = tmp_path / "bundle.json"
    path.write_bytes(data)
    return str(path)


def test_a_spiffe_bundle(tmp_path: Path) -> None:
    path = written(
        tmp_path, keys.spiffe_bundle("a", keys.x509_jwk(), spiffe_sequence=7, spiffe_refresh_hint=60)
    )
    fetched = FileSource(path, EXAMPLE).fetch(deadline())
    assert fetched.source is SourceKind.FILE
    assert fetched.bundle == keys.bundle("a", sequence_number=7, refresh_hint=60)
    assert (fetched.findings, fetched.witness) == ((), None)


def test_a_key_of_unknown_use_is_reported(tmp_path: Path) -> None:
    path = written(tmp_path, keys.spiffe_bundle("a", keys.jwk("b", use="other")))
    fetched = FileSource(path, EXAMPLE).fetch(deadline())
    assert fetched.bundle == keys.bundle("a")
    assert [finding.code for finding in fetched.findings] == ["BUN001"]


def test_a_jwks_and_the_output_of_the_agent(tmp_path: Path) -> None:
    path = written(tmp_path, keys.jwks("a", "b"))
    assert FileSource(path, EXAMPLE).fetch(deadline()).bundle == keys.bundle("a", "b")
    path = written(tmp_path, keys.agent_output({"example.org": keys.jwks("c")}))
    assert FileSource(path, None).fetch(deadline()).bundle == keys.bundle("c")


def test_a_file_of_exactly_the_limit_is_read(tmp_path: Path) -> None:
    path = written(tmp_path, keys.jwks("a").ljust(strict_json.LARGEST))
    assert FileSource(path, EXAMPLE).fetch(deadline()).bundle == keys.bundle("a")


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "not JSON"),
        (b"\xff", "not UTF-8"),
        (b'{"keys":[', "not JSON"),
        (b'{"keys":[],"keys":[]}', "twice"),
        (b'{"keys":[]}', "no JWT authorities"),
        (b" " * (strict_json.LARGEST + 1), "more than the limit"),
    ],
)
def test_bad_content_is_unsafe(tmp_path: Path, data: bytes, what: str) -> None:
    with pytest.raises(BundleError, match=what) as caught:
        FileSource(written(tmp_path, data), EXAMPLE).fetch(deadline())
    assert caught.value.exit_status is ExitStatus.UNSAFE


def refused(path: str) -> PublisherError:
    with pytest.raises(SourceSettingsError) as caught:
        FileSource(path, EXAMPLE).fetch(deadline())
    assert caught.value.exit_status is ExitStatus.SETTINGS
    assert caught.value.remedy
    return caught.value


def test_what_is_no_file_is_a_setting_to_correct(tmp_path: Path) -> None:
    fifo, loop, file = tmp_path / "fifo", tmp_path / "loop", tmp_path / "file"
    os.mkfifo(fifo)
    loop.symlink_to(loop)
    file.write_bytes(b"")
    assert refused(str(tmp_path / "missing")).what == "is not there"
    assert refused(str(file / "below")).what == "is not there"
    assert refused(str(tmp_path)).what == "is a directory"
    assert refused(str(fifo)).what == "is no regular file"
    assert refused("/dev/zero").what == "is no regular file"
    assert "is not a file" in refused(str(loop)).what
    assert "is not a file" in refused("a" * 300).what
    assert refused("a\0b").what == "is not a path"
    assert str(refused("\x1b[2J")).isprintable()


def test_a_forbidden_file_is_a_setting_to_correct(tmp_path: Path) -> None:
    path = tmp_path / "secret"
    path.touch(mode=0)
    with unprivileged() as uid:
        assert f"uid {uid} may not read it" in refused(str(path)).what


def test_a_file_that_fails_to_be_read_may_be_read_later() -> None:
    # This process's memory is a regular file to Linux, and its first page cannot be read.
    with pytest.raises(SourceUnavailableError, match="file '/proc/self/mem': cannot be read"):
        FileSource("/proc/self/mem", EXAMPLE).fetch(deadline())


@pytest.fixture
def pipe(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """Replace standard input by a pipe and give its writing end."""
    reader, writer = os.pipe()
    with os.fdopen(reader, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield writer


def test_standard_input_is_read_to_its_end(pipe: int) -> None:
    data = keys.jwks(*(f"key-{number}" for number in range(700)))  # more than a pipe holds

    def write() -> None:
        with os.fdopen(pipe, "wb") as file:
            file.write(data)

    writer = threading.Thread(target=write)
    writer.start()
    fetched = FileSource("-", EXAMPLE).fetch(deadline())
    writer.join(10)
    assert len(fetched.bundle.jwt_authorities) == 700


def test_standard_input_that_does_not_end_is_given_up(pipe: int) -> None:
    os.write(pipe, b'{"keys"')
    with pytest.raises(SourceUnavailableError, match="standard input: did not end in time"):
        FileSource("-", EXAMPLE).fetch(deadline(0.3))
    os.close(pipe)


def test_endless_standard_input_is_cut(pipe: int) -> None:
    def write() -> None:
        try:
            while True:
                os.write(pipe, b" " * 65536)
        except BrokenPipeError:
            os.close(pipe)

    writer = threading.Thread(target=write, daemon=True)
    writer.start()
    with pytest.raises(BundleError, match=r"standard input: .* more than the limit"):
        FileSource("-", EXAMPLE).fetch(deadline())
    sys.stdin.close()
    writer.join(10)
    assert not writer.is_alive()


def test_standard_input_without_descriptor(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(keys.jwks("a"))))
    assert FileSource("-", EXAMPLE).fetch(deadline()).bundle == keys.bundle("a")


def test_standard_input_that_cannot_be_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def refused_input(stdin: object, what: str) -> None:
        monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SourceSettingsError, match=f"^standard input: {what}"):
            FileSource("-", EXAMPLE).fetch(deadline())

    refused_input(None, "is closed")
    with (tmp_path / "writable").open("w") as writable:
        refused_input(writable, "cannot be read")
    refused_input(writable, "is closed")
