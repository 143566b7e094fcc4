"""SPIRE's agents: they follow their server every 5 s, go on alone when it is dead, and cache JWT-SVIDs."""

import math
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.spire import Authority, Replica, Version

SYNC_EVERY, LONGEST_BACKOFF = 5.0, 240.0
TOKEN_LIFE = 300.0


@dataclass(frozen=True)
class Token:
    """A JWT-SVID as far as it matters here."""

    authority: Authority
    issued_at: float
    expires_at: float


@dataclass(eq=False)
class Agent:
    """One agent of one server. `view` is the bundle that it answers with; None: it never had one.

    `is_cut_off`: its last sync failed, or its server is dead.
    """

    replica: Replica
    random: random.Random
    view: Version | None = None
    is_cut_off: bool = False
    epoch: int = 0
    on_view: list[Callable[[], object]] = field(default_factory=list)
    on_cut: Callable[[], object] = lambda: None
    _phase: float = 0.0
    _failures: int = 0
    _is_due: bool = False
    _tokens: dict[str, Token] = field(default_factory=dict)

    def start(self) -> None:
        self._phase = self.random.uniform(0, SYNC_EVERY)
        self.replica.cluster.on_change.append(self._news)
        self.replica.on_power.append(self._news)
        self._news()

    def attest(self) -> None:
        """Attest anew, as a person has an agent do whose server lost its datastore."""
        self.epoch = self.replica.cluster.epoch

    def mint(self, audience: str) -> Token | None:
        """Give a JWT-SVID: a cached one in the first half of its life, or while the server is dead."""
        now = self.replica.cluster.timeline.now
        cached = self._tokens.get(audience)
        if cached is not None and now < (cached.issued_at + cached.expires_at) / 2:
            return cached
        key = self.replica.current
        if not self._is_served or self.is_cut_off or key is None or key.not_after <= now:
            return cached if cached is not None and now < cached.expires_at else None
        token = Token(key, now, min(now + TOKEN_LIFE, key.not_after))
        if len(self._tokens) > 50:
            self._tokens = {name: one for name, one in self._tokens.items() if one.expires_at > now}
        self._tokens[audience] = token
        return token

    @property
    def _is_served(self) -> bool:
        return self.replica.is_up and self.epoch == self.replica.cluster.epoch

    def _news(self) -> None:
        """Sync at the next of the ticks that come every 5 s: nothing changes at the others."""
        if not self._is_due and not self._failures:
            self._is_due = True
            now = self.replica.cluster.timeline.now
            tick = (math.floor((now - self._phase) / SYNC_EVERY) + 1) * SYNC_EVERY + self._phase
            self.replica.cluster.timeline.at(tick, self._sync)

    def _sync(self) -> None:
        self._is_due = False
        if not self._is_served:
            self._failures += 1
            pause = min(SYNC_EVERY * 2.0 ** min(self._failures, 6), LONGEST_BACKOFF)
            self._is_due = True
            self.replica.cluster.timeline.after(pause * self.random.uniform(0.8, 1), self._sync)
            self._cut(True)
            return
        self._failures = 0
        new = self.replica.cluster.newest
        if new is not self.view:
            self.view = new
            for name, token in list(self._tokens.items()):
                if token.authority.is_tainted or token.authority.is_lost:
                    del self._tokens[name]
            for heard in self.on_view:
                heard()
        self._cut(False)

    def _cut(self, cut: bool) -> None:
        if cut is not self.is_cut_off:
            self.is_cut_off = cut
            self.on_cut()
