import http.client
import socket
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from publisher.errors import SettingsError
from publisher.metrics_output.listener import LARGEST_REQUEST, MetricsListener
from publisher.serving.exposition import PROMETHEUS

TEXT = b"# TYPE a gauge\na 1\n"
Make = Callable[..., MetricsListener]


@pytest.fixture
def started() -> Iterator[Make]:
    listeners = []

    def make(host: str = "127.0.0.1", *, healthy: bool = True, text: bytes = TEXT) -> MetricsListener:
        listener = MetricsListener(host, 0, text=lambda: text, healthy=lambda: healthy)
        listeners.append(listener)
        listener.start()
        return listener

    yield make
    for listener in listeners:
        listener.close()


def get(listener: MetricsListener, path: str = "/metrics", method: str = "GET") -> tuple[int, bytes]:
    connection = http.client.HTTPConnection(*listener.address, timeout=10)
    try:
        connection.request(method, path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def raw(listener: MetricsListener, request: bytes) -> bytes:
    """Send bytes as they are, and read to the end."""
    with socket.create_connection(listener.address, timeout=10) as client:
        client.sendall(request)
        with client.makefile("rb") as answer:
            return answer.read()


@pytest.mark.parametrize("host", ["127.0.0.1", "::1"])
def test_metrics_are_served_in_prometheus_format(started: Make, host: str) -> None:
    listener = started(host)
    connection = http.client.HTTPConnection(*listener.address, timeout=10)
    connection.request("GET", "/metrics")
    answer = connection.getresponse()
    assert (answer.status, answer.read()) == (200, TEXT)
    assert answer.getheader("Content-Type") == PROMETHEUS
    assert answer.getheader("Connection") == "close"
    assert answer.getheader("Server") is None
    connection.close()


@pytest.mark.parametrize(
    ("healthy", "expected"), [(True, (200, b"OK\n")), (False, (503, b"Service Unavailable\n"))]
)
def test_health_is_whether_the_loop_turns(started: Make, healthy: bool, expected: tuple[int, bytes]) -> None:
    assert get(started(healthy=healthy), "/-/healthy") == expected


@pytest.mark.parametrize(
    "path", ["/", "/metrics/", "/metrics?x=1", "/../metrics", "http://127.0.0.1/metrics", "*"]
)
def test_there_is_nothing_else(started: Make, path: str) -> None:
    assert get(started(), path)[0] == 404


@pytest.mark.parametrize("method", ["POST", "HEAD", "PUT", "TRACE"])
def test_nothing_but_get(started: Make, method: str) -> None:
    assert get(started(), method=method)[0] == 405


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.9.9.9", "[::1]:9464", "[::1]"])
def test_a_host_of_this_machine_is_answered(started: Make, host: str) -> None:
    assert raw(started(), f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()).endswith(TEXT)


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:9464", "localhost.evil.example", "10.0.0.1", "", "127.0.0.1:x", "[::1"],
)
def test_a_name_that_a_stranger_made_point_here_is_not(started: Make, host: str) -> None:
    answer = raw(started(), f"GET /metrics HTTP/1.1\r\nHost: {host}\r\n\r\n".encode("latin-1"))
    assert answer.startswith(b"HTTP/1.1 421 ")
    assert TEXT not in answer


@pytest.mark.parametrize(
    "request_",
    [
        b"GET /metrics HTTP/1.1\r\n\r\n",
        b"GET /metrics HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n\r\n",
        b"GET /metrics HTTP/2\r\nHost: localhost\r\n\r\n",
        b"GET  /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"\x16\x03\x01\x02\x00\r\n\r\n",
    ],
)
def test_what_is_no_request_is_refused(started: Make, request_: bytes) -> None:
    assert raw(started(), request_).startswith(b"HTTP/1.1 400 ")


def test_a_request_has_a_bound(started: Make) -> None:
    listener = started()
    answer = b""
    with socket.create_connection(listener.address, timeout=10) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\nX: " + b"x" * (LARGEST_REQUEST + 1))
        answer = client.recv(100)
    assert answer.startswith(b"HTTP/1.1 431 ")
    assert get(listener) == (200, TEXT)


def test_who_says_nothing_is_dropped_and_others_are_answered(started: Make) -> None:
    listener = started()
    with (
        socket.create_connection(listener.address, timeout=10) as one,
        socket.create_connection(listener.address, timeout=10) as other,
    ):
        one.sendall(b"GET /met")
        assert get(listener) == (200, TEXT)  # both threads were held, each for two seconds at most
        assert one.recv(100) == b""
        assert other.recv(100) == b""


def test_a_large_answer_to_one_who_does_not_read_is_given_up(started: Make) -> None:
    listener = started(text=b"x" * 20_000_000)
    with socket.create_connection(listener.address, timeout=10) as lazy:
        lazy.sendall(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n")
        status, body = get(listener)
        assert (status, len(body)) == (200, 20_000_000)


def test_closing_ends_the_threads_and_frees_the_port(started: Make) -> None:
    listener = started()
    host, port = listener.address
    assert get(listener)[0] == 200
    listener.close()
    until = time.monotonic() + 10
    while any(thread.name.startswith("metrics ") for thread in threading.enumerate()):
        assert time.monotonic() < until
        time.sleep(0.01)
    with pytest.raises(OSError, match="refused"):
        socket.create_connection((host, port), timeout=5)
    again = MetricsListener(host, port, text=lambda: b"", healthy=lambda: True)
    again.close()  # never started: nothing to wait for


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.1", "localhost", "", "127.0.0.1 "])
def test_only_loopback_is_listened_at(host: str) -> None:
    with pytest.raises(SettingsError, match="is no loopback address"):
        MetricsListener(host, 0, text=lambda: b"", healthy=lambda: True)


def test_a_port_that_is_taken_or_none_is_named(started: Make) -> None:
    host, port = started().address
    with pytest.raises(SettingsError, match=f"--metrics-listen {host}:{port}: .*in use"):
        MetricsListener(host, port, text=lambda: b"", healthy=lambda: True)
    with pytest.raises(SettingsError, match="no port has that number"):
        MetricsListener(host, 70_000, text=lambda: b"", healthy=lambda: True)
