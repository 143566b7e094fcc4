"""Say the same thing seldom."""

from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

EVERY: Final = 60.0
"""Seconds after which the same sentence may be said again."""

MOST: Final = 20
"""The most different sentences of one kind within that time; what is beyond them is not said."""


@dataclass(slots=True)
class Seldom:
    """Remember what was said lately, kind by kind: much of one leaves room for the others. For one thread."""

    monotonic: Callable[[], float]
    _said: OrderedDict[tuple[int, str], float] = field(default_factory=OrderedDict)
    _count: Counter[int] = field(default_factory=Counter)

    def may(self, kind: int, sentence: str) -> bool:
        """Tell whether it may be said now, and count it as said."""
        now = self.monotonic()
        while self._said and now - next(iter(self._said.values())) >= EVERY:
            (old, _), _ = self._said.popitem(last=False)
            self._count[old] -= 1
        if (kind, sentence) in self._said or self._count[kind] >= MOST:
            return False
        self._said[kind, sentence] = now
        self._count[kind] += 1
        return True
