"""Say the same thing seldom."""

from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

EVERY: Final = 60.0
"""Seconds after which the same sentence may be said again."""

MOST: Final = 20
"""The most different sentences within that time; what is beyond them is not said."""


@dataclass(slots=True)
class Seldom:
    """Remember what was said lately. For one thread."""

    monotonic: Callable[[], float]
    _said: OrderedDict[str, float] = field(default_factory=OrderedDict)

    def may(self, sentence: str) -> bool:
        """Tell whether it may be said now, and count it as said."""
        now = self.monotonic()
        while self._said and now - next(iter(self._said.values())) >= EVERY:
            self._said.popitem(last=False)
        if sentence in self._said or len(self._said) >= MOST:
            return False
        self._said[sentence] = now
        return True
