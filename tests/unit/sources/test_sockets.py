"""What is wrong with a socket is told apart, for both gRPC sources alike."""

import contextlib
import os
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.errors import PublisherError, SourceError, SourceSettingsError, SourceUnavailableError
from publisher.ports import Deadline, Source
from publisher.sources.server_api import ServerApiSource
from publisher.sources.workload_api import WorkloadApiSource
from publisher.wiring import SystemClock
from tests.doubles import StoppedClock
from tests.unit.sources.unprivileged import unprivileged

ROOT = Path(__file__).parents[3]


@pytest.fixture(params=[WorkloadApiSource, ServerApiSource])
def kind(request: pytest.FixtureRequest) -> type[WorkloadApiSource | ServerApiSource]:
    chosen: type[WorkloadApiSource | ServerApiSource] = request.param
    return chosen


@pytest.fixture
def path() -> Iterator[Path]:
    """Give a short path: that of a unix socket has at most 107 bytes."""
    directory = tempfile.mkdtemp(prefix="sockets-", dir="/tmp")
    yield Path(directory) / "api.sock"
    shutil.rmtree(directory)


def program(source: Source) -> str:
    return "spire-agent" if isinstance(source, WorkloadApiSource) else "spire-server"


def refused(source: Source, error: type[SourceError], deadline: Deadline | None = None) -> PublisherError:
    with pytest.raises(error) as caught:
        source.fetch(deadline or Deadline(StoppedClock(), 30))
    assert caught.value.remedy
    return caught.value


def test_a_missing_socket(kind: type[WorkloadApiSource], path: Path) -> None:
    source, clock = kind(f"unix://{path}", None), StoppedClock()
    error = refused(source, SourceUnavailableError, Deadline(clock, 30))
    assert error.what == f"no {program(source)} at this socket: there is no such file"
    assert f"start {program(source)}" in error.remedy
    assert f"'unix://{path}'" in error.where
    assert len(clock.slept) > 5  # it may yet come
    error = refused(kind(f"unix://{path}/below", None), SourceUnavailableError)
    assert "there is no such file" in error.what


def test_what_is_not_a_socket(kind: type[WorkloadApiSource], path: Path) -> None:
    path.touch()
    clock = StoppedClock()
    error = refused(kind(f"unix://{path}", None), SourceSettingsError, Deadline(clock, 30))
    assert error.what == "is not a socket"
    assert clock.slept == []


def test_a_path_that_leads_nowhere(kind: type[WorkloadApiSource], path: Path) -> None:
    path.symlink_to(path)
    error = refused(kind(f"unix://{path}", None), SourceUnavailableError)
    assert "cannot be reached ('Too many levels of symbolic links')" in error.what


def test_a_socket_where_nobody_listens(kind: type[WorkloadApiSource], path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        source = kind(f"unix://{path}", None)
        error = refused(source, SourceUnavailableError)
    assert error.what == f"no {program(source)} at this socket: connections are refused"


def test_a_silent_socket(kind: type[WorkloadApiSource], path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(str(path))
        silent.listen()
        deadline = Deadline(SystemClock(), 2)
        error = refused(kind(f"unix://{path}", None), SourceUnavailableError, deadline)
        assert not deadline.passed
    assert error.what == "is silent: it accepts connections and does not answer"


def test_a_full_socket(kind: type[WorkloadApiSource], path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as full, socket.socket(socket.AF_UNIX) as first:
        full.bind(str(path))
        full.listen(0)
        first.connect(str(path))
        error = refused(kind(f"unix://{path}", None), SourceUnavailableError, Deadline(SystemClock(), 2))
    assert error.what in {
        "does not accept connections",
        "is silent: it accepts connections and does not answer",
    }


def test_a_forbidden_socket(kind: type[WorkloadApiSource], path: Path) -> None:
    path.parent.chmod(0o777)
    with socket.socket(socket.AF_UNIX) as listening, unprivileged() as uid:
        listening.bind(str(path))
        listening.listen()
        path.chmod(0)
        error = refused(kind(f"unix://{path}", None), SourceSettingsError)
    assert error.what == f"the user of uid {uid} may not connect to this socket"


def test_a_socket_of_another_protocol(kind: type[WorkloadApiSource], path: Path) -> None:
    def answer(listening: socket.socket) -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with connection, contextlib.suppress(OSError):
                connection.recv(1000)
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")

    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(path))
        listening.listen()
        thread = threading.Thread(target=answer, args=(listening,), daemon=True)
        thread.start()
        error = refused(kind(f"unix://{path}", None), SourceUnavailableError)
        listening.shutdown(socket.SHUT_RDWR)
        thread.join(10)
    assert "answers UNAVAILABLE" in error.what


def test_a_port_where_nobody_listens() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        source = WorkloadApiSource(f"tcp://127.0.0.1:{unused.getsockname()[1]}", None)
        error = refused(source, SourceUnavailableError)
    assert "connections are refused" in error.what


def test_nothing_is_written_to_stderr(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
        code = (
            "from publisher.errors import SourceError\n"
            "from publisher.ports import Deadline\n"
            "from publisher.sources.workload_api import WorkloadApiSource\n"
            "from publisher.wiring import SystemClock\n"
            "try:\n"
            f"    WorkloadApiSource('unix://{path}', None).fetch(Deadline(SystemClock(), 1))\n"
            "except SourceError as error:\n"
            "    print(error.exit_status)\n"
        )
        # A run under coverage would measure the child too, and that one warns on stderr.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE")}
        done = subprocess.run(
            [sys.executable, "-c", code],
            cwd=ROOT,
            env=environment,
            capture_output=True,
            text=True,
            timeout=60,
            check=True,
        )
    assert (done.stdout, done.stderr) == ("75\n", "")
