"""What only a real process shows: signals, closed streams, libraries that hang."""

import os
import pty
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import ISSUER, LIMIT, ROOT, Place, clean

COMMAND = [sys.executable, "-m", "publisher"]
HANGS = """
import sys, time
from publisher.cli import entry
from publisher.cli.publishing import PublishCommand
from publisher.cli.session import run_command

class Hangs(PublishCommand):
    def work(self, settings, session):
        if session.run.dry_run:
            raise RuntimeError("a token: hunter2")
        while True:
            time.sleep(60)

values = {"issuer": "https://a.example", "sink": "x", "timeout": "1", "output": "json"}
values.update(dict.fromkeys(sys.argv[1:], True))
entry._end(run_command(Hangs(), values))
"""


def heed() -> None:
    """Heed Ctrl-C even if whoever runs the tests, as shells do in the background, ignores it."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def start(*arguments: str, **options: object) -> "subprocess.Popen[bytes]":
    settings: dict[str, object] = {
        "env": clean({}),
        "stdout": subprocess.PIPE,
        "stderr": subprocess.PIPE,
        **options,
    }
    return subprocess.Popen([*COMMAND, *arguments], cwd=ROOT, **settings)  # type: ignore[call-overload,no-any-return]


@pytest.fixture
def silent_socket() -> Iterator[socket.socket]:
    """Have a socket that takes connections and says nothing."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(folder / "s"))
        listening.listen()
        listening.settimeout(LIMIT)
        yield listening
    (folder / "s").unlink()
    folder.rmdir()


@pytest.mark.parametrize(
    ("number", "status", "said"),
    [(signal.SIGTERM, 143, b"stopped by SIGTERM"), (signal.SIGINT, 130, b"interrupted")],
)
def test_signals_end_a_waiting_run_cleanly(
    place: Place, silent_socket: socket.socket, number: signal.Signals, status: int, said: bytes
) -> None:
    source = f"workload-api:unix://{silent_socket.getsockname()}"
    sink = ("--sink", str(place.sink), "--issuer", ISSUER)
    with start("publish", *sink, "--source", source, "--timeout", "100", preexec_fn=heed) as process:
        connection, _ = silent_socket.accept()  # now it waits for an answer
        process.send_signal(number)
        out, err = process.communicate(timeout=LIMIT)
        connection.close()
    assert process.returncode == status
    assert out == b""
    assert said in err
    assert b"Traceback" not in err
    assert place.written == []


def run_hanging(*flags: str) -> "subprocess.CompletedProcess[bytes]":
    command = [sys.executable, "-c", HANGS, *flags]
    return subprocess.run(command, cwd=ROOT, env=clean({}), capture_output=True, timeout=LIMIT, check=False)


def test_a_library_that_hangs_does_not_hold_the_process() -> None:
    begin = time.monotonic()
    done = run_hanging()
    assert done.returncode == 75
    assert time.monotonic() - begin < 30
    assert b"no end within 1 s" in done.stderr
    assert done.stdout.endswith(b"}\n")  # flushed although the process did not end by itself


def test_the_last_net_prints_no_secrets_and_asks_for_a_report() -> None:
    done = run_hanging("dry-run")
    assert done.returncode == 75
    assert b"unexpected builtins.RuntimeError" in done.stderr
    assert b"report" in done.stderr
    assert b"Traceback" not in done.stderr
    assert b"hunter2" not in done.stderr + done.stdout
    assert b"Traceback" in run_hanging("dry-run", "verbose").stderr


def test_a_reader_that_goes_away_is_no_failure(place: Place) -> None:
    place.has(*[f"kid-{number}" for number in range(1500)])  # more than a pipe holds
    with start("render", *place.source, "--issuer", ISSUER) as process:
        assert process.stdout is not None
        process.stdout.close()
        assert process.stderr is not None
        err = process.stderr.read()
        process.wait(LIMIT)
    assert (process.returncode, err) == (0, b"")


UNWRITTEN = {
    "a report": ("--issuer", ISSUER),
    "bad settings": ("--issuer", "http://issuer.example", "--output", "json"),
    "a bad command line": ("--nonsense", "--output", "json"),
}


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full on this machine")
@pytest.mark.parametrize("arguments", UNWRITTEN.values(), ids=UNWRITTEN)
def test_a_full_standard_output_is_said(place: Place, arguments: tuple[str, ...]) -> None:
    with (
        Path("/dev/full").open("wb") as full,
        start("render", *place.source, *arguments, stdout=full) as process,
    ):
        _, err = process.communicate(timeout=LIMIT)
    assert process.returncode == 75
    assert b"standard output: was not written" in err


@pytest.mark.parametrize("closed", [">&-", "2>&-", ">&- 2>&- <&-"])
def test_closed_streams_are_no_failure(place: Place, closed: str) -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", f'exec "$@" {closed}', "sh", *COMMAND, "publish", *place.options],
        cwd=ROOT, env=clean({}), capture_output=True, timeout=LIMIT, check=False,
    )  # fmt: skip
    assert done.returncode == 0
    assert place.kids == ["one", "two"]


def on_a_terminal(arguments: tuple[str, ...], **environment: str) -> str:
    """Run with both streams on a terminal; give all that it showed."""
    ours, theirs = pty.openpty()
    with start(
        *arguments, env=clean({"TERM": "xterm"} | environment), stdout=theirs, stderr=theirs
    ) as process:
        os.close(theirs)
        shown = b""
        try:
            while data := os.read(ours, 65536):
                shown += data
        except OSError:  # Linux says so when the last one hung up
            pass
        process.wait(LIMIT)
    os.close(ours)
    return shown.decode()


def test_a_terminal_gets_plain_lines_in_colour_and_no_json(place: Place) -> None:
    shown = on_a_terminal(("publish", *place.options))
    assert "\x1b[32m+ one ES256\x1b[0m" in shown
    place.has("nine")
    refused = on_a_terminal(("publish", *place.options))
    assert refused.startswith("\x1b[31merror\x1b[0m: ")
    assert "{" not in refused
    assert sum(1 + len(line) // 80 for line in refused.splitlines()) <= 24
    place.has("one", spiffe_sequence=5)
    on_a_terminal(("publish", *place.options))
    place.has("nine", spiffe_sequence=4)
    several = on_a_terminal(("publish", *place.options), NO_COLOR="1").splitlines()
    assert several[0].startswith(f"error: {place.sink}: refused for 2 reasons, nothing was")
    assert several[0].endswith("an override needs all of --accept-disjoint-keys --accept-lower-sequence")
    assert [line[:8] for line in several[1:]] == ["  ROT001", "  ROT002"]
    for variables in ({"NO_COLOR": "1"}, {"TERM": "dumb"}):
        assert on_a_terminal(("publish", *place.options), **variables).startswith("error: ")
    assert "\x1b" not in on_a_terminal(("publish", "--sink", "\x1b[2J", "--issuer", "x"), NO_COLOR="1")
