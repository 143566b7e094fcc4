"""Keep one snapshot fresh: one refresh at a time, in a thread, and nobody waits for long."""

import asyncio
import math
import threading
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from typing import Generic, TypeVar

from publisher.errors import PublisherError
from publisher.ports import Clock, Deadline
from publisher.publication.snapshot import Snapshot
from publisher.serving.policy import next_change
from publisher.serving.responses import Resources
from publisher.serving.status import Status
from publisher.serving.watch import Duty, Watch
from spire_oidc_function.reads import LOST, MOST_LOST, READING, Reads
from spire_oidc_function.reporting import Reporter
from spire_oidc_function.stores import Store

R = TypeVar("R")

PATIENCE = 2.0
"""Seconds that requests wait, all together, for one refresh."""

REREADS, BETWEEN_REREADS = 3, 0.25
"""How often, and after how many seconds, a refresh reads again what a publisher may be writing just now."""

SUSPENDED = READING + PATIENCE
"""Seconds after which a failed refresh tells nothing of the store: the machine gave it no time to run."""

BESIDE = 0.75
"""The share of the interval after which a refresh runs beside the requests."""

Serve = Callable[[Snapshot | None, int], Resources[R]]
"""Prepare what is served: of a snapshot, or that nothing is, and after how many seconds to ask again."""


@dataclass(eq=False, slots=True)
class _Flight:
    started: float
    landed: "Future[None]" = field(default_factory=Future)
    is_awaited: bool = False


class Keeper(Generic[R]):
    """Hold what is served now in `resources`.

    From `check_at` on (a moment of the clock's `monotonic`) `look` must be awaited before they are used.
    Threads and event loops may come and go: a refresh belongs to none of them.
    """

    def __init__(
        self, store: Store, duty: Duty, clock: Clock, serve: Serve[R], reads: Reads | None = None
    ) -> None:
        self._store = store
        self._clock = clock
        self._serve = serve
        self._watch = Watch(duty=duty)
        self._interval = duty.interval.total_seconds()
        self._reads = reads or Reads(duty.place)
        self._reporter = Reporter()
        self._lock = threading.Lock()
        self._flight: _Flight | None = None
        self._next_try = -math.inf
        self._calm_until = -math.inf
        self._change_at = math.inf
        self._served: tuple[Snapshot | None, int] = (None, 1)
        self.check_at = -math.inf
        self.resources: Resources[R] = serve(None, 1)

    async def look(self) -> None:
        """Begin a refresh where one is due, and wait for it where the snapshot is older than the interval."""
        counted = self._watch.counters.reads
        flight, patience = self._decide()
        if self._watch.counters.reads != counted:
            self._reporter.report(self.status())
        if flight is not None and patience > 0:
            await asyncio.wait({asyncio.wrap_future(flight.landed)}, timeout=patience)

    def status(self) -> Status:
        """Show the watch as it stands."""
        return self._watch.status(self._clock.now())

    def _decide(self) -> tuple[_Flight | None, float]:
        """Do what is due; give the refresh under way, and how many seconds to wait for it (0: none)."""
        with self._lock:
            now = self._clock.monotonic()
            if now >= self._change_at:
                self._renew(now)
            if self._flight is not None:
                self._give_up_in_time(self._flight, now)
            if self._flight is None and now >= self._next_try:
                self._begin(now)
            self._schedule(now)
            flight = self._flight
            if flight is None or now < self._calm_until:
                return flight, 0.0
            patience = flight.started + PATIENCE - now
            flight.is_awaited = flight.is_awaited or patience > 0
            return flight, patience

    def _give_up_in_time(self, flight: _Flight, now: float) -> None:
        """Give up a refresh that had no time to run, or that does not come back; the lock is held.

        Between requests the machine may stand still: what began beside one request may be hours old at the
        next one, which must not be answered from yesterday for it. So the next refresh begins at once.
        """
        if now < flight.started + PATIENCE:
            return
        forgotten = not flight.is_awaited and now >= self._calm_until and self._reads.hanging < MOST_LOST - 1
        if not forgotten and now < flight.started + LOST:
            return
        self._flight = None
        self._reads.give_up(flight.landed)
        if forgotten:
            self._next_try = now
        else:
            self._go_on(self._watch.failed(self._reads.lost(), self._clock.now()), flight, suspended=True)

    def _begin(self, now: float) -> None:
        self._flight = flight = _Flight(now)
        try:
            self._reads.begin(partial(self._fly, flight), flight.landed)
        except PublisherError as error:
            self._flight = None
            self._go_on(self._watch.failed(error, self._clock.now()), flight)

    def _schedule(self, now: float) -> None:
        if self._flight is None:
            at = self._next_try
        elif now < self._calm_until:
            at = self._calm_until
        elif now < self._flight.started + PATIENCE:
            at = -math.inf
        else:
            at = self._flight.started + LOST
        self.check_at = min(at, self._change_at)

    def _fly(self, flight: _Flight) -> None:
        """Read and judge, in a thread of its own."""
        watch = None
        try:
            watch = self._read()
        finally:
            if watch is None:  # a mistake in this program: its traceback goes to the log, the service goes on
                error = PublisherError(self._watch.duty.place, "a read broke off", "report its traceback")
                watch = self._watch.failed(error, self._clock.now())
            with self._lock:
                is_mine = self._flight is flight  # else it was given up, and another one may be under way
                if is_mine:
                    now = self._clock.monotonic()
                    self._flight = None
                    self._go_on(watch, flight, suspended=now > flight.started + SUSPENDED)
                    self._schedule(now)
            if is_mine:  # without the lock: whoever reads the log may be slow
                self._reporter.report(self.status())

    def _read(self) -> Watch:
        deadline = Deadline(self._clock, READING)
        try:
            judgement = self._watch.judge(self._store.read(deadline), self._clock.now())
            for _ in range(REREADS):
                if not judgement.is_mixed or judgement.snapshot is not None or deadline.passed:
                    break
                self._clock.sleep(BETWEEN_REREADS)
                judgement = self._watch.judge(self._store.read(deadline), self._clock.now())
        except PublisherError as error:
            return self._watch.failed(error, self._clock.now())
        return self._watch.took(judgement, self._clock.now())

    def _go_on(self, watch: Watch, flight: _Flight, *, suspended: bool = False) -> None:
        """Take a new watch over; choose when to read next, and until when nobody waits; the lock is held."""
        self._watch = watch
        now = self._clock.monotonic()
        pause = watch.pause.total_seconds()
        if not watch.bad_reads:
            self._next_try = flight.started + pause * BESIDE
            self._calm_until = flight.started + self._interval
        elif suspended:
            self._next_try = now
            self._calm_until = min(self._calm_until, now)
        else:
            self._next_try = now + pause
            if watch.snapshot is not None:  # a store that is down makes nobody wait at each try
                self._calm_until = self._next_try + self._interval
        self._renew(now)

    def _renew(self, now: float) -> None:
        """Choose what is served from now on, and find out until when that holds; the lock is held."""
        watch, time = self._watch, self._clock.now()
        verdict = watch.verdict(time)
        snapshot = watch.snapshot if verdict is not None and verdict.may_be_served else None
        served = (snapshot, 0 if snapshot is not None else math.ceil(watch.pause.total_seconds()))
        if served[0] is not self._served[0] or served[1] != self._served[1]:
            self._served, self.resources = served, self._serve(*served)
        change = next_change(watch.snapshot.manifest, verdict, time) if watch.snapshot and verdict else None
        self._change_at = math.inf if change is None else now + (change - time).total_seconds()
