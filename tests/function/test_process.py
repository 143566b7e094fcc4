"""The function as a process: concurrency, rotation underneath, slow and failing stores."""

import hashlib
import json
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from http import HTTPStatus
from pathlib import Path

import pytest

from publisher.sinks.directory import DirectorySink
from publisher.sinks.gcs import GcsSink, open_client
from publisher.wiring import SystemClock
from tests.doubles import ListedSource
from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.faults import ALWAYS, Fault, Kind, answer
from tests.emulator.fixtures import bucket, emulator, fault_proxy
from tests.function.processes import Process, Reply, exchange, running
from tests.worlds import CONFIGURATION, JWKS, MANIFEST, SETTINGS, World, bundle

__all__ = ["bucket", "emulator", "fault_proxy"]

ISSUER = str(SETTINGS.issuer)
REQUESTS, CONNECTIONS, KEYS, AT_LEAST = 10_000, 8, 40, 5.0


def path(name: str) -> str:
    return f"/my-bucket/{name}"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "issuer"
    folder.mkdir()
    return folder


def world_of(folder: Path) -> World:
    return World(sink=DirectorySink(folder), clock=SystemClock())  # type: ignore[arg-type]  # the real ones


def publish(world: World, *kids: str, number: int) -> None:
    world.publish(source=ListedSource(bundle(*kids, sequence_number=number)))


class Rotation:
    """A publisher that rotates as fast as it can, and a vandal who leaves rubbish in between."""

    def __init__(self, folder: Path) -> None:
        self.world = world_of(folder)
        self.folder = folder
        self.numbers: dict[bytes, int] = {}
        self.stopped = threading.Event()
        self.publish(0)

    def publish(self, number: int) -> None:
        # Each shares keys with the next ones: a reader may miss some that come within its interval.
        kids = [f"key-{n:05}" for n in range(number, number + KEYS)]
        publish(self.world, *kids, number=number)
        self.numbers[(self.folder / JWKS).read_bytes()] = number

    def run(self) -> None:
        number = 0
        while not self.stopped.is_set():
            number += 1
            good = (self.folder / JWKS).read_bytes()
            for rubbish in (b'{"keys":[]}', b'{"keys":[', good.replace(b"ES256", b"ES384")):
                (self.folder / JWKS).write_bytes(rubbish)
                time.sleep(0.01)
            (self.folder / JWKS).write_bytes(good)
            self.publish(number)
            self.stopped.wait(0.4)


class Reader:
    """One connection: JWKS and manifest in turn, each document one that was published, never going back."""

    def __init__(self, process: Process, rotation: Rotation) -> None:
        self.process, self.rotation = process, rotation
        self.newest = -1
        self.seen: set[int] = set()

    def run(self, pairs: int) -> None:
        connection = self.process.connect()
        try:
            end = time.monotonic() + AT_LEAST
            while pairs > 0 or time.monotonic() < end:
                pairs -= 1
                keys, manifest = exchange(connection, path(JWKS)), exchange(connection, path(MANIFEST))
                self.judge(keys, manifest)
        finally:
            connection.close()

    def judge(self, keys: Reply, manifest: Reply) -> None:
        assert (keys.status, manifest.status) == (200, 200)
        kids = [key["kid"] for key in keys.json["keys"]]
        number = int(kids[0].removeprefix("key-"))
        assert kids == [f"key-{n:05}" for n in range(number, number + KEYS)]
        assert {key["alg"] for key in keys.json["keys"]} == {"ES256"}
        assert number >= self.newest, "no way back"
        self.newest = number
        self.seen.add(number)
        # A new snapshot may have come between the two requests; an older one may not.
        assert manifest.json["sequence_number"] >= number
        if manifest.json["sequence_number"] == number:
            digest = hashlib.sha256(keys.body).hexdigest()
            assert digest in {document["sha256"] for document in manifest.json["documents"]}


def test_ten_thousand_requests_while_publications_rotate_underneath(root: Path, tmp_path: Path) -> None:
    rotation = Rotation(root)
    settings = {"SINK": str(root), "ISSUER": ISSUER, "REFRESH_INTERVAL": "1s"}
    with running("serve", tmp_path, settings) as process:
        assert process.ask(path(JWKS)).status == 200
        publisher = threading.Thread(target=rotation.run)
        publisher.start()
        readers = [Reader(process, rotation) for _ in range(CONNECTIONS)]
        try:
            with ThreadPoolExecutor(CONNECTIONS) as pool:
                pairs = REQUESTS // CONNECTIONS // 2
                for done in [pool.submit(reader.run, pairs) for reader in readers]:
                    done.result(timeout=180)
        finally:
            rotation.stopped.set()
            publisher.join(20)
        assert not publisher.is_alive()
        assert len(set().union(*(reader.seen for reader in readers))) >= 2, "there was a rotation to see"


def test_what_is_wrong_in_the_settings_is_one_line_and_the_process_stays_up(tmp_path: Path) -> None:
    with running("serve", tmp_path, {"SINK": "/srv", "ISSUER": "http://secret.example"}) as process:
        for _ in range(3):
            reply = process.ask(path(JWKS))
            assert (reply.status, reply.json) == (503, {"error": "service unavailable"})
        (line,) = process.log
        assert line["severity"] == "CRITICAL"
        assert "SPIRE_OIDC_PUBLISHER_ISSUER" in line["message"]


EVENT = {
    "ce-specversion": "1.0",
    "ce-id": "1",
    "ce-source": "//storage.googleapis.com/projects/_/buckets/x",
    "ce-type": "google.cloud.storage.object.v1.finalized",
    "content-type": "application/json",
}


def test_validate_answers_without_a_word_of_what_was_sent(tmp_path: Path) -> None:
    structured = {"content-type": "application/cloudevents+json"}
    cases: list[tuple[dict[str, str], bytes, int]] = [
        ({}, b"tell-nobody", 400),
        (EVENT, b"{tell-nobody", 400),
        (EVENT | {"ce-type": ""}, b"{}", 400),
        (EVENT | {"ce-specversion": "tell-nobody"}, b"{}", 400),
        (structured, b'["tell-nobody"]', 400),
        (structured, b'{"specversion":"1.0","id":{"tell":"nobody"},"source":"s","type":["google"]}', 400),
        (EVENT, b" " * (2 * 1024 * 1024), 413),
        (EVENT, b'{"bucket":"tell-nobody","name":"keys"}', 200),
        (structured, b'{"specversion":"1.0","id":"1","source":"s","type":"tell-nobody"}', 200),
    ]
    # Python 3.13 has another phrase for 413.
    errors = {status: {"error": HTTPStatus(status).phrase.lower()} for status in (400, 413)} | {200: {}}
    with running("validate", tmp_path, {"SINK": "gs://my-bucket", "ISSUER": ISSUER}) as process:
        for headers, body, status in cases:
            reply = process.ask("/", method="POST", headers=headers, body=body)
            assert (reply.status, reply.json) == (status, errors[status])
            assert reply.headers["content-type"] == "application/json"
        assert process.ask("/").status == 405
        assert process.log == []


def test_the_bare_application_is_the_same(root: Path, tmp_path: Path) -> None:
    publish(world_of(root), "a", number=1)
    settings = {"SINK": str(root), "ISSUER": ISSUER}
    replies: dict[str, list[Reply]] = {}
    for target in ("serve", "bare"):
        with running(target, tmp_path, settings) as process:
            replies[target] = [
                process.ask(path(name), method=method)
                for name in (JWKS, CONFIGURATION, MANIFEST, "absent")
                for method in ("GET", "HEAD", "POST")
            ]
    for framework, bare in zip(replies["serve"], replies["bare"], strict=True):
        assert (framework.status, framework.body) == (bare.status, bare.body)
        unlike = {"date", "server"}
        assert {k: v for k, v in framework.headers.items() if k not in unlike} == {
            k: v for k, v in bare.headers.items() if k not in unlike
        }


class TestBucket:
    """A bucket that is slow, or down, or answers again."""

    @pytest.fixture
    def settings(
        self, bucket: str, fault_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
    ) -> dict[str, str]:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", fault_proxy.url)
        client = open_client()
        sink = GcsSink(client=client, bucket=bucket, prefix="", issuer=ISSUER)
        world = World(sink=sink, clock=SystemClock())  # type: ignore[arg-type]  # the real ones
        url = "https://storage.googleapis.com/my-bucket"
        world.publish(source=ListedSource(bundle("a", sequence_number=1)), bucket_url=url)
        client.close()
        fault_proxy.forget()
        return {"SINK": f"gs://{bucket}", "ISSUER": ISSUER, "REFRESH_INTERVAL": "1s"}

    def storm(self, process: Process, number: int = 40) -> tuple[set[int], float]:
        begun = time.monotonic()
        with ThreadPoolExecutor(number) as pool:
            statuses = {reply.status for reply in pool.map(lambda _: process.ask(path(JWKS)), range(number))}
        return statuses, time.monotonic() - begun

    def test_a_storm_of_first_requests_is_one_read_of_three_objects(
        self, settings: dict[str, str], fault_proxy: FaultProxy, tmp_path: Path
    ) -> None:
        with running(
            "serve", tmp_path, settings | {"REFRESH_INTERVAL": "30m"}, environment=fault_proxy.environment
        ) as process:
            statuses, _ = self.storm(process)
            # A slow machine may need more than the two seconds that a request waits.
            assert statuses <= {200, 503}
            wait_for(lambda: process.ask(path(JWKS)).status == 200)
            assert len(fault_proxy.requests) == 3

    def test_a_stalling_bucket_delays_nobody_for_long_and_then_serves(
        self, settings: dict[str, str], fault_proxy: FaultProxy, tmp_path: Path
    ) -> None:
        fault_proxy.inject(Fault(kind=Kind.STALL, seconds=5))
        with running("serve", tmp_path, settings, environment=fault_proxy.environment) as process:
            statuses, seconds = self.storm(process)
            assert statuses == {503}
            assert seconds < 20, "two, and what forty connections take on a busy machine"
            wait_for(lambda: process.ask(path(JWKS)).status == 200)

    def test_a_failing_bucket_leaves_the_last_good_set_up_and_is_not_hammered(
        self, settings: dict[str, str], fault_proxy: FaultProxy, tmp_path: Path
    ) -> None:
        with running("serve", tmp_path, settings, environment=fault_proxy.environment) as process:
            wait_for(lambda: process.ask(path(JWKS)).status == 200)
            fault_proxy.forget()
            fault_proxy.inject(answer(500, method="GET", times=ALWAYS))
            end = time.monotonic() + 4
            asked = 0
            while time.monotonic() < end:
                assert process.ask(path(JWKS)).status == 200
                asked += 1
            assert asked > len(fault_proxy.requests)
            assert len(fault_proxy.requests) < 20, "retried with growing pauses, by one refresh at a time"
            fault_proxy.forget()
            wait_for(lambda: process.ask("/status").json["findings"] == [])

    def test_validate_judges_an_event_by_one_line(
        self, settings: dict[str, str], fault_proxy: FaultProxy, tmp_path: Path
    ) -> None:
        name = settings["SINK"].removeprefix("gs://")
        body = json.dumps({"bucket": name, "name": JWKS, "generation": "1"}).encode()
        settings = settings | {"SETTLE_TIME": "0s"}
        with running("validate", tmp_path, settings, environment=fault_proxy.environment) as process:
            assert process.ask("/", method="POST", headers=EVENT, body=body).status == 200
            assert [line["severity"] for line in process.log] == ["INFO"]
            fault_proxy.inject(answer(404, method="GET", times=6))
            assert process.ask("/", method="POST", headers=EVENT, body=body).status == 200
            assert [line["severity"] for line in process.log] == ["INFO", "ERROR"]


def wait_for(true: object, seconds: float = 30) -> None:
    assert callable(true)
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end, "it never came about"
        time.sleep(0.2)
