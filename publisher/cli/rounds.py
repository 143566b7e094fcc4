"""The rounds of one publication in `watch`: each an ordinary run of `publish`, never two at once."""

import logging
import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from publisher.cli.round_log import RoundLog
from publisher.cli.runs import GRACE_SECONDS, OutOfTimeError, PublicationThread, Work, run_all
from publisher.errors import ExitStatus, PublisherError, SinkConflictError, SinkError
from publisher.last_net import unexpected
from publisher.logs import publication_name
from publisher.ports import Bell, Call, Clock, Deadline, Stop
from publisher.settings.targets import PublishTarget
from publisher.use_cases.look import Sight, look
from publisher.use_cases.pace import Pace
from publisher.use_cases.publish import Outcome, publish
from publisher.use_cases.standing import Standing
from publisher.use_cases.watch import SLICE, watch
from publisher.wiring.watching import WatchWiring

LONGEST_HANG = 300.0
"""Seconds after which a round that hangs in a library ends the service, for whoever restarts it."""

LOOK_SECONDS = 5.0
"""How long the sink may be asked what is published, after a round that failed before anybody here knew."""

LEAST_TURN = 30.0
"""Seconds that a loop may be silent beyond its wait and the time of a round before it counts as stuck."""

_LOG = logging.getLogger(__name__)
_V = TypeVar("_V")


class HangsError(PublisherError):
    """Report a round that cannot begin because the one before it still hangs in a library."""

    exit_status = ExitStatus.TEMPORARY


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """Hold what the loops of a service share.

    `slots` bounds how many rounds are under way; `told` is called after every round, from any thread.
    """

    wiring: WatchWiring
    pace: Pace
    stop: Stop
    slots: threading.Semaphore
    told: Callable[[], None]


class Rounds:
    """Work on one publication until the stop. `standing` may be read by any thread at any time.

    No thread can be stopped from outside, so a round that does not end within --timeout is left behind, and
    no other one of this publication begins before it ends: one thread may hang, not one more each minute.
    """

    def __init__(self, name: str | None, target: PublishTarget, bell: Bell, around: Around) -> None:
        self.name, self.target = name, target
        self._bell, self._around = bell, around
        self._clock: Clock = around.wiring.clock
        self._log = RoundLog(target, name)
        self._hangs: tuple[threading.Event, float] | None = None
        self._beaten = self._clock.monotonic()
        self.standing = Standing(
            name=name,
            issuer=target.documents.issuer.url,
            place=target.sink.uri,
            started_at=self._clock.now(),
        )

    def run(self) -> None:
        """Do rounds until told to stop."""
        publication_name.set(self.name)
        watch(
            self._work, bell=_Beating(self._bell, self.beat), clock=self._clock, pace=self._around.pace,
            jumped=self._jumped,
        )  # fmt: skip

    def beat(self) -> None:
        """Say that this loop turns."""
        self._beaten = self._clock.monotonic()

    def trouble(self) -> str | None:
        """Say what is wrong with the loop itself, if it is; that publishing fails is nothing of the sort."""
        now = self._clock.monotonic()
        timeout = self._around.wiring.run.timeout
        if now - self._beaten > SLICE + timeout + GRACE_SECONDS + LEAST_TURN:
            return f"its loop has not turned for {now - self._beaten:.0f} s"
        hangs = self._hangs
        if hangs and not hangs[0].is_set() and now - hangs[1] > LONGEST_HANG:
            return f"a round has been hanging in a library for {now - hangs[1]:.0f} s beyond --timeout"
        return None

    def _work(self) -> ExitStatus:
        self.beat()
        if not self._take_slot():
            return ExitStatus.TEMPORARY  # told to stop: the next wait says so
        begun = self._clock.monotonic()
        self._log.begin()
        result: Outcome | PublisherError
        sight: Sight | PublisherError | None = None
        try:
            result = self._round()
            took, now = self._clock.monotonic() - begun, self._clock.now()
            if isinstance(result, PublisherError):
                sight = self._look()
        except Exception as error:  # noqa: BLE001 (the last net: no thread to be had, and the like)
            result = unexpected(error)
            took, now = self._clock.monotonic() - begun, self._clock.now()
        finally:
            self._around.slots.release()
        self.beat()
        self.standing = self.standing.after(result, at=now, seconds=took)
        if isinstance(sight, Sight):
            self.standing = self.standing.having_seen(sight)
        self._log.end(result, now)
        self._around.told()
        return result.exit_status

    def _take_slot(self) -> bool:
        while not self._around.slots.acquire(timeout=SLICE):
            self.beat()
            if self._around.stop.is_set():
                return False
        return True

    def _round(self) -> Outcome | PublisherError:
        if self._hangs and self._is_hanging():
            return HangsError(
                "the round before this one",
                f"hangs in a library since {self._clock.monotonic() - self._hangs[1]:.0f} s;"
                " none begins before it ends",
                f"wait: after {LONGEST_HANG:g} s the service ends with 75, so that it is restarted",
            )
        return self._within(self._around.wiring.run.timeout, self._publish)

    def _look(self) -> Sight | PublisherError | None:
        """Ask the sink what is published, if nobody here knows: that it gets stale must be told."""
        if self.standing.manifest is not None or self._is_hanging() or self._around.stop.is_set():
            return None
        self.beat()
        return self._within(LOOK_SECONDS, self._see)

    def _is_hanging(self) -> bool:
        return self._hangs is not None and not self._hangs[0].is_set()

    def _within(self, seconds: float, do: Callable[[Deadline], _V]) -> _V | PublisherError:
        """Do something in a thread that is left behind if it does not end in time."""
        deadline = Deadline(self._clock, seconds)
        ended = threading.Event()

        def work() -> _V:
            try:
                return do(deadline)
            finally:
                ended.set()

        (result,) = run_all([Work(name=self.name, do=work)], deadline=deadline)
        self._hangs = None if ended.is_set() else (ended, self._clock.monotonic())
        if isinstance(result, OutOfTimeError):
            self._around.wiring.drop_clients()
        return result

    def _publish(self, deadline: Deadline) -> Outcome:
        with self._around.wiring.round(deadline, self._log.notice) as (wiring, lease):
            try:
                return publish(
                    wiring.adapters(self.target),
                    self.target.documents,
                    overrides=self.target.overrides,
                    bucket_url=self.target.bucket_url,
                    dry_run=False,
                    deadline=deadline,
                )
            except Exception as error:
                if _is_of_the_sink(error):
                    lease.spoil()  # credentials or authorities may have been renewed on the disk
                raise

    def _see(self, deadline: Deadline) -> Sight | None:
        with self._around.wiring.round(deadline, self._log.notice) as (wiring, _lease):
            return look(wiring.sink(self.target), self.target.documents, deadline=deadline)

    def _jumped(self, seconds: float) -> None:
        _LOG.info("the machine slept or its clock was set (%+.0f s): connections are made anew", seconds)
        self._around.wiring.drop_clients()


def start_thread(target: Callable[[], object], name: str) -> threading.Thread:
    """Start a thread that must not hold the process: at the end it is left behind like a round that hangs."""
    thread = PublicationThread(target=target, name=name, daemon=True)
    thread.start()
    return thread


def _is_of_the_sink(error: Exception) -> bool:
    if isinstance(error, SinkConflictError):
        return False
    return isinstance(error, SinkError) or not isinstance(error, PublisherError)


class _Beating:
    """Be a bell whose waits show that the loop turns."""

    def __init__(self, bell: Bell, beat: Callable[[], None]) -> None:
        self._bell, self._beat = bell, beat

    def wait(self, seconds: float) -> Call:
        """Wait as the bell does."""
        self._beat()
        try:
            return self._bell.wait(seconds)
        finally:
            self._beat()
