"""What every sink promises, asked of each of them: a directory, and a bucket at the emulator over TLS."""

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from publisher import strict_json
from publisher.errors import SinkConflictError, SinkError, SinkSettingsError, SinkUnavailableError
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH
from publisher.ports import Deadline, Sink
from publisher.publication.document_set import Document, Headers
from publisher.sinks.directory import DirectorySink
from publisher.sinks.gcs import GcsSink, open_client
from tests.emulator.clock import RealClock, soon
from tests.emulator.server import Emulator

if TYPE_CHECKING:
    from publisher.publication.document_set import StoredObject

ISSUER = "https://issuer.example"
PATHS = ("keys", "openid/v1/jwks", CONFIGURATION_PATH, MANIFEST_PATH)

Opener = Callable[[], Sink]


def document(path: str = "keys", body: bytes = b'{"keys":[]}', seconds: int = 60) -> Document:
    return Document.of(path, body, max_age=timedelta(seconds=seconds))


@contextmanager
def opened_bucket(emulator: Emulator, bucket: str, prefix: str) -> Iterator[Opener]:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in emulator.environment.items():
            environment.setenv(name, value)
        client = open_client()
        yield lambda: GcsSink(client=client, bucket=bucket, prefix=prefix, issuer=ISSUER)
        client.close()


@pytest.fixture(params=["directory", "bucket", "bucket with prefix"])
def open_sink(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Opener]:
    """Opens the same place again and again, as several publishers do."""
    if request.param == "directory":
        yield lambda: DirectorySink(tmp_path)
        return
    prefix = "" if request.param == "bucket" else "some/prefix"
    emulator, bucket = request.getfixturevalue("emulator"), request.getfixturevalue("bucket")
    with opened_bucket(emulator, bucket, prefix) as opener:
        yield opener


@pytest.fixture
def sink(open_sink: Opener) -> Sink:
    return open_sink()


@pytest.mark.parametrize("path", PATHS)
def test_what_is_absent_reads_as_none(sink: Sink, path: str) -> None:
    assert sink.read(path, soon()) is None


@pytest.mark.parametrize("path", PATHS)
def test_what_is_created_is_read_back(sink: Sink, path: str) -> None:
    wanted = document(path)
    written = sink.write(wanted, None, soon())
    found = sink.read(path, soon())
    assert found == written
    assert found is not None
    assert (found.path, found.body) == (path, wanted.body)
    assert found.is_like(wanted)
    assert found.generation


def test_an_object_of_the_known_generation_is_replaced(sink: Sink) -> None:
    first = sink.write(document(), None, soon())
    second = sink.write(document(body=b'{"keys":[1]}'), first, soon())
    assert second.generation != first.generation
    assert sink.read("keys", soon()) == second


def test_what_was_read_may_be_replaced(sink: Sink, open_sink: Opener) -> None:
    open_sink().write(document(), None, soon())
    found = sink.read("keys", soon())
    sink.write(document(body=b"{}"), found, soon())
    assert body_of(sink, "keys") == b"{}"


def test_an_equal_document_may_be_written_again(sink: Sink) -> None:
    first = sink.write(document(), None, soon())
    again = sink.write(document(), first, soon())
    assert sink.read("keys", soon()) == again


def test_an_object_that_changed_is_not_replaced(sink: Sink, open_sink: Opener) -> None:
    first = sink.write(document(), None, soon())
    open_sink().write(document(body=b"theirs"), first, soon())
    with pytest.raises(SinkConflictError) as refusal:
        sink.write(document(body=b"ours"), first, soon())
    assert sink.location in str(refusal.value)
    assert body_of(sink, "keys") == b"theirs"


def test_an_object_that_appeared_is_not_replaced(sink: Sink, open_sink: Opener) -> None:
    assert sink.read("keys", soon()) is None
    open_sink().write(document(body=b"theirs"), None, soon())
    with pytest.raises(SinkConflictError):
        sink.write(document(body=b"ours"), None, soon())
    assert body_of(sink, "keys") == b"theirs"


def test_an_object_that_vanished_is_not_made_again(sink: Sink) -> None:
    gone = replace(sink.write(document("elsewhere"), None, soon()), path="keys")
    with pytest.raises(SinkConflictError):
        sink.write(document(body=b"ours"), gone, soon())
    assert sink.read("keys", soon()) is None


def test_objects_do_not_touch_each_other(sink: Sink) -> None:
    written = [sink.write(document(path, path.encode()), None, soon()) for path in PATHS]
    assert [sink.read(path, soon()) for path in PATHS] == written


def test_a_document_of_the_largest_size_is_kept_whole(sink: Sink) -> None:
    body = b"7" * strict_json.LARGEST
    sink.write(document(body=body), None, soon())
    assert body_of(sink, "keys") == body


def test_a_larger_one_is_not_read(sink: Sink) -> None:
    sink.write(document(body=b"7" * (strict_json.LARGEST + 1)), None, soon())
    with pytest.raises(SinkSettingsError, match=str(strict_json.LARGEST)):
        sink.read("keys", soon())


def test_an_empty_object_is_there(sink: Sink) -> None:
    sink.write(document(body=b""), None, soon())
    assert body_of(sink, "keys") == b""


def test_headers_are_kept_where_there_are_any(sink: Sink) -> None:
    first = sink.write(document(seconds=60), None, soon())
    assert first.headers in (
        None,
        Headers(content_type="application/json", cache_control="public, max-age=60"),
    )
    second = sink.write(document(seconds=30), first, soon())
    assert second.is_like(document(seconds=30))
    assert second.is_like(document(seconds=60)) == (second.headers is None)


def test_of_many_writers_at_once_one_wins(open_sink: Opener) -> None:
    before = open_sink().write(document(), None, soon())
    outcomes: list[StoredObject | SinkError] = []
    barrier = threading.Barrier(6)

    def write(number: int) -> None:
        mine = open_sink()
        barrier.wait(timeout=20)
        try:
            outcomes.append(mine.write(document(body=b"%d" % number), before, soon()))
        except SinkError as error:
            outcomes.append(error)

    writers = [threading.Thread(target=write, args=(number,)) for number in range(barrier.parties)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join(timeout=30)
    won = [outcome for outcome in outcomes if not isinstance(outcome, SinkError)]
    lost = [outcome for outcome in outcomes if isinstance(outcome, SinkConflictError)]
    assert (len(won), len(lost)) == (1, len(writers) - 1)
    assert open_sink().read("keys", soon()) == won[0]


def test_nothing_is_written_when_the_time_is_up(sink: Sink, open_sink: Opener) -> None:
    first = sink.write(document(), None, soon())
    late = Deadline(RealClock(), 0)
    if isinstance(sink, DirectorySink):
        # A disk answers at once: only a taken lock meets the deadline, see the directory's own tests.
        assert sink.read("keys", late) == first
        return
    with pytest.raises(SinkUnavailableError):
        sink.read("keys", late)
    with pytest.raises(SinkUnavailableError):
        sink.write(document(body=b"late"), first, late)
    assert sink.read("keys", soon()) == first


def test_a_place_has_a_name_and_no_findings(sink: Sink) -> None:
    assert sink.location
    assert sink.findings() == ()


def test_a_relying_party_reads_what_was_written(emulator: Emulator, bucket: str) -> None:
    with opened_bucket(emulator, bucket, "") as opener:
        opener().write(document(CONFIGURATION_PATH, b'{"issuer":1}'), None, soon())
    assert emulator.download(bucket, "keys") is None
    read = emulator.download(bucket, CONFIGURATION_PATH)
    assert read is not None
    body, headers = read
    assert body == b'{"issuer":1}'
    assert (headers["Content-Type"], headers["Cache-Control"]) == ("application/json", "public, max-age=60")


def body_of(sink: Sink, path: str) -> bytes | None:
    found = sink.read(path, soon())
    return None if found is None else found.body


def test_a_rehearsal_leaves_everything_as_it_is(sink: Sink) -> None:
    sink.rehearse(soon())
    assert [sink.read(path, soon()) for path in PATHS] == [None] * len(PATHS)
    written = sink.write(document(), None, soon())
    sink.rehearse(soon())
    assert sink.read("keys", soon()) == written
