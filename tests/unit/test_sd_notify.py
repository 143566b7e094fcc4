import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from publisher.sd_notify import LONGEST_STATUS, Notifier


@pytest.fixture
def supervisor() -> Iterator[tuple[str, socket.socket]]:
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as folder,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver,
    ):
        path = str(Path(folder) / "notify")
        receiver.bind(path)
        receiver.settimeout(5)
        yield path, receiver


def test_each_message_is_one_datagram(supervisor: tuple[str, socket.socket]) -> None:
    path, receiver = supervisor
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": path})
    notifier.ready("3 publications, all fresh")
    notifier.status("retrying")
    notifier.watchdog()
    notifier.stopping()
    assert [receiver.recv(4096) for _ in range(4)] == [
        b"READY=1\nSTATUS=3 publications, all fresh",
        b"STATUS=retrying",
        b"WATCHDOG=1",
        b"STOPPING=1\nSTATUS=stopping",
    ]


def test_an_abstract_name_is_reached() -> None:
    name = f"spire-oidc-publisher-{uuid4()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as receiver:
        receiver.bind(f"\0{name}")
        receiver.settimeout(5)
        Notifier.from_environment({"NOTIFY_SOCKET": f"@{name}"}).watchdog()
        assert receiver.recv(100) == b"WATCHDOG=1"


@pytest.mark.parametrize("text", ["a\nREADY=1", "\r\nMAINPID=1", "é\x00", "x" * 5000, "\u2028MAINPID=1"])
def test_a_status_is_one_short_line_whatever_it_says(
    supervisor: tuple[str, socket.socket], text: str
) -> None:
    path, receiver = supervisor
    Notifier(address=path).status(text)
    message = receiver.recv(100_000).decode()
    assert message.startswith("STATUS=")
    assert message.isascii()
    assert message.isprintable()
    assert len(message) <= LONGEST_STATUS + 20


@pytest.mark.parametrize("address", ["", "relative", "vsock:2:1234", "tcp://127.0.0.1:1"])
def test_without_a_socket_of_the_two_kinds_nothing_happens(address: str) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": address, "WATCHDOG_USEC": "1000000"})
    assert notifier == Notifier(address=None, watchdog_seconds=None)
    notifier.ready("x")
    notifier.watchdog()


def test_a_supervisor_that_is_gone_or_busy_is_no_reason_to_stop(
    supervisor: tuple[str, socket.socket],
) -> None:
    path, receiver = supervisor
    notifier = Notifier(address=path)
    for _ in range(2000):  # nobody reads: a queue of some hundred datagrams is full soon
        notifier.watchdog()
    receiver.close()
    notifier.watchdog()
    Notifier(address="/nowhere/at/all").stopping()
    Notifier(address="/" + "x" * 500).stopping()
    Notifier(address="/zero\0byte").stopping()


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"WATCHDOG_USEC": "30000000"}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": str(os.getpid())}, 30.0),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "1"}, None),
        ({"WATCHDOG_USEC": "30000000", "WATCHDOG_PID": "x"}, None),
        ({"WATCHDOG_USEC": "0"}, None),
        ({"WATCHDOG_USEC": "-1"}, None),
        ({"WATCHDOG_USEC": "1e9"}, None),
        ({"WATCHDOG_USEC": "²"}, None),
        ({"WATCHDOG_USEC": "9" * 100}, None),
        ({}, None),
    ],
)
def test_the_watchdog_is_for_this_process_only(environment: dict[str, str], expected: float | None) -> None:
    notifier = Notifier.from_environment({"NOTIFY_SOCKET": "@x", **environment})
    assert (notifier.address, notifier.watchdog_seconds) == ("@x", expected)
