"""What every listener shares: attempts that a stop cuts short, pauses between them, and what is told."""

import itertools
import logging
import math
import random
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from typing import TypeVar

from publisher import strict_json
from publisher.errors import PublisherError, SourceUnavailableError
from publisher.ports import Call, Stop
from publisher.sources.bell import Bell
from publisher.sources.retry import LaterError

_LOG = logging.getLogger(__name__)
_NO_CHECK: tuple[float, Callable[[], None]] = (86400.0, lambda: None)
_DOUBLINGS = 30

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Pauses:
    """Hold the seconds between failed attempts: `first`, then doubled up to `longest`.

    Each is shortened by up to half at random, yet not below `least`. `most` is the longest pause that a
    source may ask for, and the one where asking again helps nobody.
    """

    first: float = 0.1
    longest: float = 15.0
    most: float = 300.0
    least: float = 0.0

    def after(self, failures: int, error: PublisherError) -> float:
        """Give the pause after that many failures in a row, of which `error` is the last one."""
        pause = min(self.first * 2.0 ** min(failures - 1, _DOUBLINGS), self.longest)
        pause = max(pause * random.uniform(0.5, 1), self.least)  # noqa: S311 (spreads listeners)
        if isinstance(error, LaterError):
            pause = max(pause, min(error.seconds, self.most))
        return pause


def hopeless(error: PublisherError) -> PublisherError:
    """Give an answer that asks for the longest pause, if it is one that only a person can change."""
    if isinstance(error, SourceUnavailableError):
        return error
    return LaterError(error.where, error.what, error.remedy, seconds=math.inf)


class Told:
    """Tell a person once that a source is away, and once that it is back; the rest is for debugging."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: str | None = None

    def away(self, error: PublisherError) -> None:
        """Tell what is waited for, unless that was told already."""
        with self._lock:
            level = logging.INFO if self._waiting is None else logging.DEBUG
            self._waiting = error.where
        _LOG.log(level, "waiting for %s: %s; %s", error.where, error.what, error.remedy)

    def back(self) -> None:
        """Tell that the waiting is over, if there was any."""
        with self._lock:
            where, self._waiting = self._waiting, None
        if where is not None:
            _LOG.info("%s is back", where)


class StoppedError(Exception):
    """Report that the stop came before the end of an attempt."""


class Attempts:
    """Make attempts one after the other, each in a thread that is left behind when the stop comes.

    What may block (a name server, a dead file system, a peer that says nothing) need not know of the stop.
    """

    def __init__(self, stop: Stop) -> None:
        self._bell = Bell(stop)

    def make(
        self,
        attempt: Callable[[], T],
        *checks: tuple[float, Callable[[], None]],
        again: tuple[float, Callable[[], None]] = _NO_CHECK,
    ) -> T:
        """Give what the attempt gives, or raise what it raises; make each check after so many seconds more.

        The check of `again` is made again and again, at the latest after so many seconds each time.

        Raises:
            StoppedError: the attempt was left behind.

        """
        result: Future[T] = Future()

        def run() -> None:
            try:
                result.set_result(attempt())
            except BaseException as error:  # noqa: BLE001 (handed over, not handled)
                result.set_exception(error)
            self._bell.ring()

        threading.Thread(target=run, name="attempt", daemon=True).start()
        pace, look = again
        for seconds, check in itertools.chain(checks, itertools.repeat(_NO_CHECK)):
            left = seconds
            while left > 0:
                if self._ended(min(left, pace)):
                    return result.result()
                left -= pace
                look()
            check()
        raise AssertionError  # pragma: no cover - the checks never end

    def _ended(self, seconds: float) -> bool:
        call = self._bell.wait(seconds)
        if call is Call.STOP:
            raise StoppedError
        return call is Call.NEWS


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Hold what one look at a source saw: `value` is equal where the bundle is, None where there is none.

    The next look is due in `next_in` seconds. `missing` says, for a person, what is not there.
    """

    value: Hashable
    next_in: float
    missing: PublisherError | None = None


def canonical(jwks: bytes) -> tuple[bytes, ...]:
    """Give what is equal for equal JWK Sets, SPIFFE bundles included, in whatever order their keys come.

    SPIRE shuffles them, in the Workload API as at its bundle endpoint. What is no JWK Set stands for itself.
    """
    try:
        document = strict_json.loads(jwks, where="news")
        keys = sorted(strict_json.dumps(key) for key in document.pop("keys"))
    except (PublisherError, AttributeError, KeyError, TypeError):
        return (jwks,)
    return (strict_json.dumps(document), *keys)


def poll(look: Callable[[], Seen], ring: Callable[[], None], stop: Stop, *, pauses: Pauses) -> None:
    """Look again and again until the stop; ring at the first answer, at another value, and at a return.

    `look` raises `PublisherError` where the source gave no answer.
    """
    attempts, told = Attempts(stop), Told()
    last: Hashable = None
    failures = 0
    while True:
        try:
            seen = attempts.make(look)
        except StoppedError:
            return
        except PublisherError as error:
            failures += 1
            told.away(error)
            pause = pauses.after(failures, error)
        else:
            if failures or seen.value != last:
                ring()
            last, failures, pause = seen.value, 0, seen.next_in
            if seen.missing is None:
                told.back()
            else:
                told.away(seen.missing)
        if stop.wait(pause):
            return
