"""`watch` over a file and a directory: rounds, signals, what it says to the log and to systemd."""

import shutil
import signal
import socket
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import ISSUER, LIMIT, Place, clean, execute
from tests.watching import WatchProcess, supervisor, wait_until


def watching(place: Place, *options: str, **environment: str) -> WatchProcess:
    return WatchProcess(
        *place.options, "--poll-every", "1", "--confirm-every", "5", *options, environment=environment
    )


def test_news_are_published_and_told_in_the_log_alone(place: Place) -> None:
    with watching(place) as watch:
        watch.wait_for("published keys, .well-known/openid-configuration")
        assert place.kids == ["one", "two"]
        place.has("two", "three")
        watch.wait_for("- one ES256")
        watch.wait_for("INFO published keys:")
        assert place.kids == ["three", "two"]
        status, took = watch.stop()
        assert watch.count("INFO + three ES256") == 1
        assert watch.count("stopped by SIGTERM") == 1
        assert watch.out == b""
    assert status == 0
    assert took < 5


def test_what_stays_is_confirmed_in_silence(place: Place) -> None:
    manifest = place.sink / ".well-known" / "spire-oidc-publication.json"
    with watching(place) as watch:
        watch.wait_for("published keys")
        first = manifest.read_bytes()
        wait_until(lambda: manifest.read_bytes() != first)
        lines = len(watch.log)
        second = manifest.read_bytes()
        wait_until(lambda: manifest.read_bytes() != second)
        assert len(watch.log) == lines, watch.said


def test_interrupted_by_hand_and_told_to_reload(place: Place) -> None:
    with watching(place) as watch:
        watch.wait_for("published keys")
        watch.send(signal.SIGHUP)
        watch.wait_for("SIGHUP: settings are read at the start only")
        assert watch.stop(signal.SIGINT)[0] == 0
        assert watch.count("stopped by SIGINT") == 1


def test_a_refusal_is_loud_until_a_person_decides(place: Place) -> None:
    with watching(place, "--metrics-file", str(place.folder / "m.prom")) as watch:
        watch.wait_for("published keys")
        place.has("nine")
        watch.wait_for("--accept-disjoint-keys", times=2)
        watch.wait_for("an override is for one run of publish", times=2)
        assert place.kids == ["one", "two"]
        assert execute("publish", *place.options).status == 65
        assert execute("publish", *place.options, "--accept-disjoint-keys").status == 0
        watch.wait_for("well again after")
        assert place.kids == ["nine"]
        assert watch.stop()[0] == 0


def test_a_sink_that_goes_and_comes_back(place: Place) -> None:
    with watching(place) as watch:
        watch.wait_for("published keys")
        away = place.folder / "away"
        place.sink.rename(away)
        watch.wait_for("ERROR", times=2)
        away.rename(place.sink)
        watch.wait_for("well again after")
        watch.wait_for("INFO nothing to do, confirmed")


def test_a_process_that_was_stopped_goes_on(place: Place) -> None:
    with supervisor() as systemd:
        told = systemd.environment(watchdog_seconds=3)
        with watching(place, "--timeout", "1", **told) as watch:
            watch.wait_for("published keys")
            watch.send(signal.SIGSTOP)
            time.sleep(1)
            place.has("two", "three")
            time.sleep(6)
            watch.send(signal.SIGCONT)
            watch.wait_for("+ three ES256")
            words = len(systemd.words)
            wait_until(lambda: "WATCHDOG=1" in systemd.words[words:])
            assert watch.stop()[0] == 0


def test_systemd_hears_that_the_loop_turns_whether_or_not_publishing_succeeds(place: Place) -> None:
    with supervisor() as systemd:
        with watching(place, **systemd.environment(watchdog_seconds=3)) as watch:
            wait_until(lambda: "READY=1" in systemd.words)
            wait_until(lambda: "published: 2 keys" in systemd.status)
            place.bundle.write_bytes(b"nonsense")
            wait_until(lambda: "refused for" in systemd.status)
            words = len(systemd.words)
            wait_until(lambda: systemd.words[words:].count("WATCHDOG=1") >= 3)
            assert watch.process.poll() is None
            assert watch.stop()[0] == 0
        assert "STOPPING=1" in systemd.words


def test_metrics_at_both_places(place: Place) -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    file = place.folder / "watch.prom"
    options = ("--metrics-file", str(file), "--metrics-listen", f"127.0.0.1:{port}")
    with watching(place, *options) as watch:
        watch.wait_for("published keys")

        def read(path: str) -> bytes:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=LIMIT) as answer:
                body: bytes = answer.read()
                return body

        wait_until(lambda: ISSUER.encode() in read("/metrics") and file.read_bytes() == read("/metrics"))
        assert read("/-/healthy")
        assert watch.stop()[0] == 0


@pytest.fixture
def silent_socket() -> Iterator[socket.socket]:
    """Have a socket that takes connections and says nothing."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        listening.listen()
        listening.settimeout(LIMIT)
        yield listening
    shutil.rmtree(folder)


def test_a_stop_in_the_middle_of_a_round_does_not_wait_for_it(
    place: Place, silent_socket: socket.socket
) -> None:
    source = ("--source", f"workload-api:unix://{silent_socket.getsockname()}")
    sink = ("--sink", str(place.sink), "--issuer", ISSUER)
    with WatchProcess(*source, *sink, "--timeout", "100", environment=clean({})) as watch:
        connections = [silent_socket.accept()[0] for _ in range(2)]  # the listener's and the round's
        watch.wait_for("watching: 1 publications")
        status, took = watch.stop()
        for connection in connections:
            connection.close()
        assert status == 143
        assert took < 5.5
        assert "in the middle of a round" in watch.said
    assert place.written == []
