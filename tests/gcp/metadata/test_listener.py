"""Connections: slow, many, half closed, in a row; and who may listen where."""

import asyncio
import socket
import threading
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field

import pytest

from publisher.errors import SettingsError
from publisher.gcp.metadata_server import answer
from publisher.gcp.metadata_server.answer import Answer
from publisher.gcp.metadata_server.connection import Limits, Peer
from publisher.gcp.metadata_server.listener import Listener, bind
from publisher.gcp.metadata_server.privileges import allow_files
from publisher.gcp.metadata_server.request import Request

PLAIN = b"GET /%s HTTP/1.1\r\nHost: localhost\r\n\r\n"
PATIENCE = 30.0


@dataclass
class Echo:
    """Answer with the path; `/slow` once `go` is set."""

    go: threading.Event = field(default_factory=threading.Event)
    asked: list[str] = field(default_factory=list)

    def respond(self, request: Request, _peer: Peer) -> Answer | Awaitable[Answer]:
        self.asked.append(request.path)
        return self._slow() if request.path == "/slow" else answer.text(request.path)

    async def _slow(self) -> Answer:
        await asyncio.get_running_loop().run_in_executor(None, self.go.wait, PATIENCE)
        return answer.text("/slow")


@contextmanager
def listening(echo: Echo, **limits: float) -> Iterator[Listener]:
    listener = Listener(
        bind("127.0.0.1", 0),
        echo.respond,
        monotonic=time.monotonic,
        limits=Limits(**limits),  # type: ignore[arg-type]
    )
    listener.start()
    try:
        yield listener
    finally:
        listener.close()


@contextmanager
def connected(listener: Listener) -> Iterator[socket.socket]:
    with socket.create_connection(listener.address, timeout=PATIENCE) as connection:
        yield connection


def _is_closed(connection: socket.socket) -> bool:
    connection.settimeout(0.01)
    try:
        return connection.recv(1) == b""
    except TimeoutError:
        return False
    except ConnectionResetError:
        return True


def all_of(connection: socket.socket) -> bytes:
    data = b""
    while part := connection.recv(65536):
        data += part
    return data


def one_of(connection: socket.socket, ending: bytes) -> bytes:
    data = b""
    while not data.endswith(ending):
        part = connection.recv(65536)
        if not part:
            break
        data += part
    return data


def test_every_answer_says_what_google_s_libraries_look_for() -> None:
    with listening(Echo()) as listener, connected(listener) as client:
        client.sendall(PLAIN % b"x")
        data = one_of(client, b"/x")
    head = data.partition(b"\r\n\r\n")[0].split(b"\r\n")
    assert head[0] == b"HTTP/1.1 200 OK"
    assert {b"Metadata-Flavor: Google", b"Server: Metadata Server for VM"} <= set(head)
    assert b"Content-Type: application/text" in head


def test_requests_in_a_row_are_answered_in_order_on_one_connection() -> None:
    echo = Echo()
    with listening(echo) as listener, connected(listener) as client:
        client.sendall(PLAIN % b"slow" + PLAIN % b"b" + PLAIN % b"c")
        time.sleep(0.1)
        assert echo.asked == ["/slow"]
        echo.go.set()
        data = one_of(client, b"/c")
    assert data.index(b"/slow") < data.index(b"/b") < data.index(b"/c")


def test_head_is_answered_without_the_body_that_a_next_answer_would_be_read_as() -> None:
    with listening(Echo()) as listener, connected(listener) as client:
        client.sendall((PLAIN % b"first").replace(b"GET", b"HEAD") + PLAIN % b"b")
        head, _, rest = one_of(client, b"/b").partition(b"\r\n\r\n")
    assert b"Content-Length: 6" in head
    assert rest.startswith(b"HTTP/1.1 200 OK")


def test_a_client_that_ends_its_half_gets_its_answer() -> None:
    echo = Echo()
    with listening(echo) as listener, connected(listener) as client:
        client.sendall(PLAIN % b"slow")
        client.shutdown(socket.SHUT_WR)
        time.sleep(0.1)
        echo.go.set()
        data = all_of(client)
    assert data.endswith(b"/slow")
    assert b"Connection: close" in data


def test_a_bad_request_ends_the_connection_with_its_reason_and_nothing_after_it_is_read() -> None:
    echo = Echo()
    with listening(echo) as listener, connected(listener) as client:
        client.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + PLAIN % b"hidden")
        data = all_of(client)
    assert data.startswith(b"HTTP/1.1 400 ")
    assert data.count(b"HTTP/1.1") == 1
    assert echo.asked == []


def test_a_slow_request_is_ended_with_a_word_however_it_drips() -> None:
    with listening(Echo(), head=0.5) as listener, connected(listener) as client:
        end = time.monotonic() + PATIENCE
        client.settimeout(0.05)
        data = b""
        while not data and time.monotonic() < end:
            client.sendall(b"G" if not data else b"")
            try:
                data = client.recv(65536)
            except TimeoutError:
                continue
        assert data.startswith(b"HTTP/1.1 408 ")


def test_an_idle_connection_is_closed() -> None:
    with listening(Echo(), idle=0.2) as listener, connected(listener) as client:
        client.sendall(PLAIN % b"x")
        assert one_of(client, b"/x")
        assert client.recv(1) == b""


def test_a_client_that_takes_nothing_is_hung_up_on_and_fills_no_memory() -> None:
    echo = Echo()
    with listening(echo, taking=1.0) as listener, connected(listener) as client:
        client.settimeout(PATIENCE)
        with pytest.raises(OSError):  # noqa: PT011 (reset, or a broken pipe)
            client.sendall((PLAIN % (b"y" * 8000)) * 10_000)
    # Neither were 80 MB read nor were as many answered: some fit into the kernel's buffers.
    assert len(echo.asked) < 5_000


def test_a_client_that_takes_its_answers_late_gets_all_of_them() -> None:
    echo = Echo()
    with listening(echo, taking=20.0) as listener, connected(listener) as client:
        sender = threading.Thread(target=client.sendall, args=((PLAIN % (b"y" * 8000)) * 2_000,))
        sender.start()
        time.sleep(0.5)
        data = 0
        while data < 2_000 * 8_000:
            data += len(client.recv(1 << 20))
        sender.join()
        _wait_for(lambda: len(echo.asked) == 2_000)


def test_a_full_house_refuses_in_words_and_recovers() -> None:
    echo = Echo()
    with listening(echo, connections=20) as listener, ExitStack() as open_ones:
        for _ in range(20):
            client = open_ones.enter_context(connected(listener))
            client.sendall(PLAIN % b"slow")
        _wait_for(lambda: len(echo.asked) == 20)
        with connected(listener) as one_more:
            one_more.sendall(PLAIN % b"x")
            refused = all_of(one_more)
        assert refused.startswith(b"HTTP/1.1 503 ")
        assert b"Retry-After" in refused
        echo.go.set()
        open_ones.close()
        _wait_for(lambda: _is_answered(listener))


def test_a_thousand_connections_at_once_and_the_longest_idle_makes_room() -> None:
    allow_files()
    echo = Echo()
    with listening(echo) as listener, ExitStack() as open_ones:
        clients = [open_ones.enter_context(connected(listener)) for _ in range(1000)]
        for client in clients:
            client.sendall(PLAIN % b"x")
        for client in clients:
            assert one_of(client, b"/x")
        with connected(listener) as one_more:
            one_more.sendall(PLAIN % b"more")
            assert one_of(one_more, b"/more").endswith(b"/more")
        assert clients[0].recv(1) == b""
        clients[-1].sendall(PLAIN % b"again")
        assert one_of(clients[-1], b"/again").endswith(b"/again")


def test_a_thousand_clients_that_never_finish_their_request_make_room_in_time() -> None:
    allow_files()
    with listening(Echo(), head=1.0) as listener, ExitStack() as open_ones:
        for _ in range(1000):
            open_ones.enter_context(connected(listener)).sendall(b"GET / HTTP/1.1\r\nHost: ")
        _wait_for(lambda: _is_answered(listener))


def test_clients_that_never_finish_their_request_keep_nobody_out_meanwhile() -> None:
    """Not only once their time is over: one user could renew them for ever."""
    with listening(Echo(), connections=20, head=PATIENCE) as listener, ExitStack() as open_ones:
        slow = [open_ones.enter_context(connected(listener)) for _ in range(20)]
        for client in slow:
            client.sendall(b"GET / HTTP/1.1\r\nHost: ")
        assert _is_answered(listener)
        assert sum(map(_is_closed, slow)) >= 1


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.0.2.1", "169.254.169.253", "localhost"])
def test_nobody_else_s_address_is_listened_at(host: str) -> None:
    with pytest.raises(SettingsError, match="other machines"):
        bind(host, 0)


def test_an_address_that_cannot_be_had_is_told() -> None:
    with bind("127.0.0.1", 0) as taken, pytest.raises(SettingsError, match="address already in use"):
        bind("127.0.0.1", taken.getsockname()[1])


def _is_answered(listener: Listener) -> bool:
    with connected(listener) as client:
        try:
            client.sendall(PLAIN % b"x")
            return one_of(client, b"/x").startswith(b"HTTP/1.1 200 ")
        except OSError:
            return False


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.05)
