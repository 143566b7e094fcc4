"""A measured server: a process and its children on one core, started, watched and ended. Linux only."""

import contextlib
import http.client
import os
import re
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.bench.measure import BenchError

_SECONDS_TO_START = 30.0
_POLL = 0.002
_PRIVATE = re.compile(r"^Private_(?:Clean|Dirty):\s+(\d+) kB", re.MULTILINE)
_SHARED = re.compile(r"^Shared_(?:Clean|Dirty):\s+(\d+) kB", re.MULTILINE)


@dataclass(frozen=True, kw_only=True)
class Start:
    """What a start cost until the first good answer: seconds of CPU of all processes, seconds."""

    cpu: float
    wall: float


@contextmanager
def on_cores(cores: set[int]) -> Iterator[None]:
    """Let this process, and what it starts meanwhile, run on these cores only."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, cores)
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


class ServerProcess:
    """One server, in a session of its own."""

    def __init__(
        self, command: Sequence[str], environment: Mapping[str, str], core: int, log: Path, port: int
    ) -> None:
        self.port = port
        self._log = log
        with log.open("wb") as output, on_cores({core}):
            self._began = time.monotonic()
            self._process = subprocess.Popen(
                command,
                # Not the checkout: Python would import from there what it should take from the staged folder.
                cwd=log.parent,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def wait(self, path: str, is_good: Callable[[bytes], bool]) -> Start:
        """Ask again and again until there is a 200 whose body is good.

        Raises BenchError if the server ends, or after 30 s.
        """
        while time.monotonic() < self._began + _SECONDS_TO_START and self._process.poll() is None:
            status, body = _ask(self.port, path)
            if status == http.HTTPStatus.OK and is_good(body):
                return Start(cpu=self.cpu(), wall=time.monotonic() - self._began)
            time.sleep(_POLL)
        raise BenchError(f"no good answer: {self._log.read_text(errors='replace')[-1500:]}")

    def cpu(self) -> float:
        """Give the seconds of CPU that the processes have used, exited threads included."""
        # The clock of another process, see clock_getcpuclockid(3): Python has no name for it.
        return sum(time.clock_gettime(~process << 3 | 2) for process in self._processes())

    def memory(self) -> int:
        """Give the bytes of memory: what each process has alone, and what the greatest sharer shares.

        So pages that a parent and its child share count once, and those that other servers happen to share
        count in full, as they would in a container of its own.
        """
        texts = [Path(f"/proc/{process}/smaps_rollup").read_text() for process in self._processes()]
        private = sum(int(size) for text in texts for size in _PRIVATE.findall(text))
        shared = max(sum(int(size) for size in _SHARED.findall(text)) for text in texts)
        return (private + shared) * 1024

    def stop(self) -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, number)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(timeout=5)

    def _processes(self) -> list[int]:
        found = [self._process.pid]
        for process in found:  # it grows while it is walked through
            children = Path(f"/proc/{process}/task/{process}/children").read_text()
            found.extend(int(child) for child in children.split())
        return found


def _ask(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=_SECONDS_TO_START)
    try:
        connection.request("GET", path, headers={"Connection": "close"})
        answer = connection.getresponse()
        return answer.status, answer.read()
    except (OSError, http.client.HTTPException):
        return 0, b""
    finally:
        connection.close()
