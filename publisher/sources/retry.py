"""Try again what may pass, and stop while there is still time to write what was fetched."""

import logging
import random
from collections.abc import Callable
from typing import TypeVar

from publisher.errors import SourceUnavailableError
from publisher.ports import Deadline

SHARE = 0.75
"""How much of the time that a run has left a source may use; the rest is for the sink."""

FIRST_PAUSE, LONGEST_PAUSE = 0.1, 5.0
"""Seconds between attempts; doubled every time, and shortened by up to half at random."""

_SILENCE = 1.0
"""After how many seconds of waiting a person is told what for."""

_LEAST = 0.1
"""How much of a source's time must be left for another attempt: a shorter one would only time out, and
hide what the one before was told."""

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


class LaterError(SourceUnavailableError):
    """Report a source that asked for a pause of `seconds` before the next attempt."""

    def __init__(self, where: str, what: str, remedy: str, *, seconds: float) -> None:
        super().__init__(where, what, remedy)
        self.seconds = seconds


def retry(attempt: Callable[[Deadline], T], deadline: Deadline) -> T:
    """Give the result of the first attempt that succeeds; an attempt gets the deadline of them all.

    What it waits for is logged once, as soon as waiting lasts about a second.

    Raises:
        SourceUnavailableError: the last attempt's, when no time is left for another one.
        SourceError: whatever else an attempt raises, at once: it would fail again.
        BundleError: likewise.

    """
    window = Deadline(deadline.clock, deadline.remaining() * SHARE)
    pause = FIRST_PAUSE
    told = False
    while True:
        try:
            return attempt(window)
        except SourceUnavailableError as error:
            wait = pause * random.uniform(0.5, 1)  # noqa: S311 (spreads publishers, protects nothing)
            if isinstance(error, LaterError):
                wait = max(wait, error.seconds)
            if window.remaining() - wait < window.seconds * _LEAST:
                raise
            if not told and window.seconds - window.remaining() + wait >= _SILENCE:
                told = True
                left = window.remaining()
                _LOG.info("waiting for %s: %s; for up to %.0f s more", error.where, error.what, left)
        window.clock.sleep(wait)
        pause = min(pause * 2, LONGEST_PAUSE)
