"""When `watch` begins its next round: at news at once, else by the clock; after failures ever later."""

import random
from dataclasses import dataclass

from publisher.errors import ExitStatus

FIRST_PAUSE, LONGEST_PAUSE = 1.0, 60.0
"""Seconds between failed rounds; doubled every time, and shortened by up to half at random."""

LEAST_GAP = 1.0
"""Seconds from the end of a round to the next one: Cloud Storage takes one write a second of each object, and
a burst of updates needs one round, not one for each."""

_DOUBLINGS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """Hold how often a publication is worked on. `confirm_every` is in seconds, from 1."""

    confirm_every: float = 300.0

    def after(self, status: ExitStatus, failures: int) -> float:
        """Give the seconds from a round that ended so to the next one, should no news come before.

        `failures` counts the rounds in a row, this one included, that ended otherwise than with 0. What is
        refused is tried again as seldom as the longest pause allows: only a person or a new bundle changes
        that, and the error is logged every time, so that it is not overheard.
        """
        if status is ExitStatus.DONE:
            return self.confirm_every
        doubled = FIRST_PAUSE * 2.0 ** min(failures - 1, _DOUBLINGS)
        longest = min(LONGEST_PAUSE, self.confirm_every)
        if status is ExitStatus.UNSAFE:
            return longest
        return min(doubled, longest) * random.uniform(0.5, 1)  # noqa: S311 (spreads publishers)
