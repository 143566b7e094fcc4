"""`--timeout` is kept, and whoever had no time to answer is not said to be silent."""

import socket
import threading
import time
from collections.abc import Iterator

import pytest

from publisher.errors import SinkSettingsError, SinkUnavailableError
from publisher.gcp.credential_config import Way
from publisher.gcp.doctor.client import NoAnswerError, client
from publisher.gcp.doctor.reading import read_in_time
from publisher.gcp.doctor.target import Target
from publisher.gcp.doctor.walk import World, walk
from publisher.gcp.endpoints import Endpoints
from publisher.gcp.identity_choice import Choice
from publisher.gcp.provider_name import Provider
from publisher.https import Https
from publisher.ports import Deadline
from publisher.wiring.clock import SystemClock


def test_a_reader_that_obeys_no_deadline_is_left_behind() -> None:
    ended = threading.Event()
    try:
        with pytest.raises(SinkUnavailableError, match="gave no answer"):
            read_in_time(lambda: {} if ended.wait(60) else None, Deadline(SystemClock(), 0.2))
    finally:
        ended.set()


def test_an_error_of_the_library_is_told_as_the_credentials() -> None:
    def confused() -> None:
        raise TypeError("string indices must be integers")

    with pytest.raises(SinkSettingsError, match="Application Default Credentials"):
        read_in_time(confused, Deadline(SystemClock(), 30))


def test_no_time_left_is_nobodys_silence() -> None:
    clock = SystemClock()
    world = World(clock=clock, deadline=Deadline(clock, 0.0), web=Https(None), read=None)
    target = Target(
        provider=Provider.parse("projects/1/locations/global/workloadIdentityPools/pool/providers/spire"),
        way=Way.EXECUTABLE,
        service_account=None,
        issuer=None,
        audience="mine",
        choice=Choice(),
        workload_api="unix:///tmp/there-is-no-agent.sock",
        files=None,
        endpoints=Endpoints(),
        call=None,
        read_provider=False,
        ca_file=None,
        timeout=1.0,
    )
    (stage,) = walk(target, world)
    assert stage.seen.finding is not None
    assert (stage.name, stage.seen.finding.code, stage.seen.passing) == ("agent", "GCP025", True)
    assert "the time of --timeout was used up" in stage.seen.said


@pytest.fixture
def dripping() -> Iterator[str]:
    """Have a server that sends its headers byte by byte, for ever."""
    ended = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.recv(4096)
            try:
                connection.sendall(b"HTTP/1.1 200 OK\r\nX: ")
                while not ended.wait(0.05):
                    connection.sendall(b"x")
            except OSError:
                return

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        ended.set()
        thread.join(10)


def test_headers_that_drip_meet_the_deadline(dripping: str) -> None:
    started = time.monotonic()
    with client(Deadline(SystemClock(), 0.5)) as ask, pytest.raises(NoAnswerError):
        ask("GET", dripping)
    assert time.monotonic() - started < 20
