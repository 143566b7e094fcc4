"""Users of one host who ask the metadata server for tokens: a process of each, with one connection."""

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager

from tests.bench.load import Load
from tests.bench.measure import BenchError

# Plain standard library: another user may not be able to read the project's environment. A line on stdin has
# the seconds, a line on stdout the latencies.
_PROGRAM = r"""
import http.client, json, sys, time
port, path = int(sys.argv[1]), sys.argv[2]
connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
def ask():
    connection.request("GET", path, headers={"Metadata-Flavor": "Google"})
    answer = connection.getresponse()
    body = answer.read()
    if answer.status != 200:
        return sys.exit(f"{answer.status}: {body[:300]!r}")
ask()
print(flush=True)
for line in sys.stdin:
    found, end = [], time.monotonic() + float(line)
    while (began := time.monotonic()) < end:
        ask()
        found.append(time.monotonic() - began)
    print(json.dumps(found), flush=True)
"""


class Users:
    """Some processes of different users, each with its first token."""

    def __init__(self, processes: Sequence["subprocess.Popen[str]"]) -> None:
        self._processes = processes
        for process in processes:
            self._line(process)

    def put_load(self, seconds: int) -> Load:
        """Let all of them ask for so many seconds.

        Raises:
            BenchError: an answer was no 200.

        """
        for process in self._processes:
            assert process.stdin
            process.stdin.write(f"{seconds}\n")
            process.stdin.flush()
        found = sorted(taken for process in self._processes for taken in json.loads(self._line(process)))
        count = len(found)
        return Load(requests=count, p50=found[count // 2], p99=found[count * 99 // 100])

    def _line(self, process: "subprocess.Popen[str]") -> str:
        assert process.stdout
        line = process.stdout.readline()
        if not line:
            raise BenchError(f"a client has ended with {process.wait(10)}; see above")
        return line


@contextmanager
def running_users(port: int, path: str, uids: Sequence[int]) -> Iterator[Users]:
    """Start a process of each, until the block ends.

    Raises:
        BenchError: one got no token.

    """
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin") or sys.executable
    with ExitStack() as stack:
        processes = []
        for uid in uids:
            as_user = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
            process = subprocess.Popen(
                [*as_user, python, "-c", _PROGRAM, str(port), path],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                cwd="/",
            )
            stack.callback(_end, process)
            processes.append(process)
        yield Users(processes)


def why_not() -> str:
    """Say why processes of other users cannot be had here; empty: they can."""
    if os.geteuid():
        return "processes of other users can only be made by root"
    return "" if shutil.which("setpriv") else "no setpriv on the PATH"


def _end(process: "subprocess.Popen[str]") -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            stream.close()


def cpu(pid: int) -> float:
    """Give the seconds of CPU that a process has had."""
    # The clock of another process, see clock_getcpuclockid(3): Python has no name for it.
    return time.clock_gettime(~pid << 3 | 2)
