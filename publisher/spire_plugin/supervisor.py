"""What SPIRE's server starts: it keeps the handshake and the settings, and a worker alive behind them.

SPIRE does not restart a plugin that ends, but goes on dialing its socket. So this process, which is too
small to fail, makes the socket's folder and stays; whenever the worker ends, another one listens at the same
path.
"""

import contextlib
import os
import select
import signal
import sys
import time
from collections.abc import Mapping

import publisher
from publisher.spire_plugin.lifeline import PARENT_ENDED, Line, tell_when_parent_ends
from publisher.spire_plugin.socket_folder import make_folder, remove_folder

TYPE_CHECKING = False  # typing costs a quarter of a megabyte
if TYPE_CHECKING:
    from typing import NoReturn

COOKIE = "BundlePublisher"
"""The environment variable, and its value, by which SPIRE says who it is (go-plugin's magic cookie)."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 30.0
"""Seconds before a worker is started again; doubled each time, and shortened by up to half at random."""

STEADY = 60.0
"""Seconds that a worker must have listened for the pauses to begin anew."""

START_PATIENCE = 45.0
"""Seconds until the first worker must listen: the host waits a minute for the handshake."""

_POLL = 5.0  # seconds between two looks at the parent: the kernel's signal comes first where there is one
_GRACE = 3.0  # seconds between a signal to end and the end, in which the server may say Shutdown
_WORKER_GRACE = 1.2  # the host waits 2 s after Shutdown before it kills
_LOOK = 0.02

_BEGIN = """\
import sys
sys.path.append(sys.argv[1])
from publisher.spire_plugin.supervisor import main
main()
"""


def may_run() -> bool:
    """Tell whether SPIRE started this process; if not, tell whoever did what to do."""
    if os.environ.get(COOKIE) == COOKIE:
        return True
    print(  # noqa: T201 (no log: a person started this by hand)
        "spire-plugin is started by spire-server, not by hand. `spire-oidc-publisher spire-plugin-config`"
        " prints what belongs into server.conf.",
        file=sys.stderr,
    )
    return False


def become() -> "NoReturn":
    """Be the plugin in this very process, without the command line's libraries, which it needs no more.

    Without `site` either, whose start-up files of other packages are a tenth of such a process.
    """
    sys.stdout.flush()
    root = os.path.dirname(os.path.dirname(os.path.abspath(publisher.__file__)))  # noqa: PTH100, PTH120 (light)
    os.execv(sys.executable, [sys.executable, "-P", "-S", "-c", _BEGIN, root])  # noqa: S606 (ourselves)


def say(level: str, message: str, **members: object) -> None:
    """Log one line as hclog does."""
    import json  # noqa: PLC0415 (a supervisor that has nothing to say needs none of it)

    now = time.time()
    stamp = f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(now))}.{int(now % 1 * 1e6):06d}Z"
    entry = {"@level": level, "@message": message, "@module": __name__, "@timestamp": stamp, **members}
    try:
        os.write(2, json.dumps(entry).encode() + b"\n")
    except OSError:
        return  # a server that closed our stderr ends the log, nothing else


class Supervisor:
    """Hold the one socket path, the settings that were accepted last, and the worker of the moment."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._parent = os.getppid()
        self._environment = environment
        self._configured = b""  # as the worker wrote it; empty: not yet
        self._worker: int | None = None  # its process id, until it was waited for
        self._line: Line | None = None
        self._failures = 0
        self._listening_since: float | None = None
        self._next_start = 0.0
        self._end_at = float("inf")
        self._shaken_hands = False

    def run(self) -> int:
        """Run to the end; give the exit status."""
        # The host's end of stdout is for the handshake alone, whatever a library may print.
        self._stdout = os.dup(1)
        os.dup2(2, 1)
        self._wake = self._listen_to_signals()
        tell_when_parent_ends()
        try:
            self._folder, self._lock = make_folder(self._environment)
        except OSError as error:
            say("error", f"no folder for the socket can be made ({error.strerror}): set TMPDIR")
            return 78
        try:
            return self._loop()
        finally:
            self._stop_worker()
            remove_folder(self._folder)

    @property
    def path(self) -> str:
        """Give the path of the socket."""
        return os.path.join(self._folder, "plugin.sock")  # noqa: PTH118 (pathlib would cost memory)

    def _listen_to_signals(self) -> int:
        ours, theirs = os.pipe()
        for end in (ours, theirs):
            os.set_blocking(end, False)
        signal.set_wakeup_fd(theirs, warn_on_full_buffer=False)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)  # a terminal that has gone says nothing about the server
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGCHLD, PARENT_ENDED):
            signal.signal(number, lambda *_: None)
        return ours

    def _loop(self) -> int:
        started = time.monotonic()
        while True:
            now = time.monotonic()
            if os.getppid() != self._parent or now >= self._end_at:
                return 0
            if not self._shaken_hands and now > started + START_PATIENCE:
                say("error", f"no worker came up within {START_PATIENCE:g} s; see the lines above")
                return 75
            self._look_after_worker(now)
            ends: list[int | Line] = [self._wake, *([self._line] if self._line else [])]
            unsent = [self._line.outgoing] if self._line and self._line.unsent else []
            readable, writable, _ = select.select(ends, unsent, [], self._patience(now))
            if self._line and writable:
                self._line.flush()
            if self._wake in readable:
                self._take_signals()
            if self._line in readable and not self._take_messages():
                return 0

    def _patience(self, now: float) -> float:
        until = [now + _POLL, self._end_at]
        if self._worker is None:
            until.append(self._next_start)
        return max(min(until) - now, 0.0)

    def _take_signals(self) -> None:
        for number in os.read(self._wake, 4096):
            if number in (signal.SIGTERM, signal.SIGINT):
                # They come to the whole group, the server too, which then says Shutdown and would
                # report an error if nobody were there to hear it. A second one is meant for us.
                again = self._end_at != float("inf")
                self._end_at = 0.0 if again else time.monotonic() + _GRACE

    def _look_after_worker(self, now: float) -> None:
        if self._worker is not None and (status := self._status()) is not None:
            self._take_last_messages()
            self._close_line()
            steady = self._listening_since is not None and now - self._listening_since >= STEADY
            self._failures = 1 if steady else self._failures + 1
            self._listening_since = None
            pause = min(FIRST_PAUSE * 2.0 ** min(self._failures - 1, 16), LONGEST_PAUSE)
            pause *= 0.5 + os.urandom(1)[0] / 512  # not all servers of a cluster at once
            self._next_start = now + pause
            say("warn", f"the worker ended ({_ended(status)}); another one starts in {pause:.1f} s")
        if self._worker is None and now >= self._next_start:
            self._start_worker()

    def _start_worker(self) -> None:
        # Somebody's broom may have taken it, and SPIRE dials no other path.
        with contextlib.suppress(OSError):
            os.mkdir(self._folder, 0o700)  # noqa: PTH102 (pathlib would cost memory)
        (their_in, our_out), (our_in, their_out) = os.pipe(), os.pipe()
        command = [
            *(sys.executable, "-P", "-m", "publisher.spire_plugin.worker"),
            *(str(their_in), str(their_out), self.path),
        ]
        os.set_inheritable(their_in, True)
        os.set_inheritable(their_out, True)
        os.set_blocking(our_out, False)  # a worker that was stopped reads nothing, and must not stop us
        line = Line(our_in, our_out)
        try:
            # Its stdout is stderr: see `run`.
            self._worker = os.posix_spawn(
                sys.executable,
                command,
                {"MALLOC_ARENA_MAX": "1", **self._environment},  # a dozen threads, one of which is busy
                file_actions=[(os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0)],
            )
        except OSError as error:
            self._failures += 1
            self._next_start = time.monotonic() + LONGEST_PAUSE
            say("error", f"the worker cannot be started: {error.strerror}")
            line.close()
            return
        finally:
            os.close(their_in)
            os.close(their_out)
        self._line = line
        self._line.send("configure", self._configured)

    def _status(self) -> int | None:
        """Wait for the worker without waiting: give its exit status, negative for a signal; None: it runs."""
        assert self._worker is not None
        ended, status = os.waitpid(self._worker, os.WNOHANG)
        if not ended:
            return None
        self._worker = None
        return os.waitstatus_to_exitcode(status)

    def _take_messages(self) -> bool:
        """Take what the worker says; False: the server said Shutdown."""
        assert self._line is not None
        messages = self._line.receive()
        if messages is None:
            self._close_line()  # it ends, or has ended: SIGCHLD says so
            return True
        for word, rest in messages:
            if word == "shutdown":
                return False
            if word == "configured":
                self._configured = rest
            if word == "listening":
                self._listening_since = time.monotonic()
                self._shake_hands()
        return True

    def _take_last_messages(self) -> None:
        """Take what a dead worker said: settings that SPIRE believes accepted must not die with it."""
        while self._line is not None and select.select([self._line], [], [], 0)[0]:
            if not self._take_messages():
                self._end_at = 0.0

    def _shake_hands(self) -> None:
        if not self._shaken_hands:
            os.write(self._stdout, f"1|1|unix|{self.path}|grpc\n".encode())
            self._shaken_hands = True

    def _close_line(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _stop_worker(self) -> None:
        self._close_line()  # by which the worker ends
        patience = time.monotonic() + _WORKER_GRACE
        while self._worker is not None and self._status() is None:
            if time.monotonic() > patience:
                os.kill(self._worker, signal.SIGKILL)
            time.sleep(_LOOK)


def _ended(status: int) -> str:
    if status >= 0:
        return f"exit status {status}"
    try:
        return signal.Signals(-status).name
    except ValueError:
        return f"signal {-status}"


def main() -> "NoReturn":
    """Be the supervisor, and end."""
    sys.exit(Supervisor(os.environ).run())
