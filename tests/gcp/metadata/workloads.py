"""Processes of several users, and what they do with a connection, told line by line on their stdin."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

PROGRAM = r"""
import array, http.client, json, os, socket, sys, time
held = None
def connect(port):
    global held
    held = socket.create_connection(("127.0.0.1", port), timeout=60)
    return held.getsockname()[1]
def ask(path):
    held.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\nMetadata-Flavor: Google\r\n\r\n".encode())
    answer = http.client.HTTPResponse(held)
    answer.begin()
    return answer.status, answer.read().decode()
def once(port, path):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    connection.request("GET", path, headers={"Metadata-Flavor": "Google"})
    answer = connection.getresponse()
    found = answer.status, answer.read().decode()
    connection.close()
    return found
def hammer(port, path, seconds):
    found, end = [], time.monotonic() + seconds
    while time.monotonic() < end:
        found.append(once(port, path))
    return found
def fork():
    pid = os.fork()
    if not pid:
        time.sleep(3600)
        os._exit(0)
    return pid
def fork_as(uid):
    pid = os.fork()
    if not pid:
        os.setresuid(uid, uid, uid)
        time.sleep(3600)
        os._exit(0)
    return pid
def become(uid):
    os.setresuid(uid, uid, uid)
def half_become(uid):
    os.setresuid(-1, uid, -1)
def send_to(name):
    peer = socket.socket(socket.AF_UNIX)
    peer.connect("\0" + name)
    peer.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [held.fileno()]))])
    peer.close()
waiting = None
def wait_at(name):
    global waiting
    waiting = socket.socket(socket.AF_UNIX)
    waiting.bind("\0" + name)
    waiting.listen()
def receive():
    global held
    peer, _ = waiting.accept()
    _, rights, _, _ = peer.recvmsg(1, socket.CMSG_SPACE(4))
    held = socket.socket(fileno=array.array("i", rights[0][2])[0])
    held.settimeout(60)
def close():
    held.close()
def kill(pid):
    os.kill(pid, 9)
    os.waitpid(pid, 0)
def run(path):
    os.set_inheritable(held.fileno(), True)
    os.execv(path, [path, "3600"])
for line in sys.stdin:
    name, arguments = json.loads(line)
    print(json.dumps(globals()[name](*arguments)), flush=True)
"""

NEEDS_ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="processes of other users can only be made by root")


class Workload:
    """Tell one process what to do."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, what: str, *arguments: Any) -> None:
        """Tell it, and do not wait for it."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps([what, arguments]) + "\n")
        self._process.stdin.flush()

    def answer(self) -> Any:
        assert self._process.stdout
        return json.loads(self._process.stdout.readline())

    def do(self, what: str, *arguments: Any) -> Any:
        self.tell(what, *arguments)
        return self.answer()


@contextmanager
def workload(uid: int | None = None, *prefix: str) -> Iterator[Workload]:
    """Start a process of that user (None: ours); it and its children are killed at the end."""
    words = list(prefix)
    if uid is not None:
        setpriv = shutil.which("setpriv")
        if setpriv is None:
            pytest.skip("no setpriv on the PATH: processes of other users cannot be started")
        words += [setpriv, f"--reuid={uid}", f"--regid={uid}", "--clear-groups"]
    # The machine's own Python: another user may not be able to read this project's.
    python = shutil.which("python3", path="/usr/bin:/usr/local/bin:/bin") or sys.executable
    process = subprocess.Popen(
        [*words, python, "-c", PROGRAM],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
        cwd="/",
    )
    try:
        yield Workload(process)
    finally:
        _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    for stream in (process.stdin, process.stdout):
        if stream:
            with suppress(BrokenPipeError):
                stream.close()
