"""Whether a publication is fresh, due or stale: a green timer that publishes nothing must show."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from publisher.publication.manifest import Manifest

LONGEST_PROMISE = timedelta(days=7)
"""A manifest that stays fresh for longer than this without confirmation watches nothing."""

TOLERATED_SKEW = timedelta(minutes=5)
"""How far ahead of the reader's clock a confirmation may lie."""


class Freshness(StrEnum):
    """Say what to do: nothing at `fresh`, look at `due`, alarm at `stale`."""

    FRESH = "fresh"
    DUE = "due"
    STALE = "stale"


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Hold the reader's own periods, counted from the last confirmation. None leaves it to the manifest."""

    due_after: timedelta | None = None
    stale_after: timedelta | None = None


def assess(manifest: Manifest, *, now: datetime, policy: Policy | None = None) -> Freshness:
    """Judge by the earlier of the manifest's times and the policy's.

    A confirmation that lies further ahead of `now` than `TOLERATED_SKEW` proves nothing: stale.
    """
    policy = policy or Policy()
    if manifest.confirmed_at > now + TOLERATED_SKEW:
        return Freshness.STALE
    if now >= _earlier(manifest.stale_at, manifest.confirmed_at, policy.stale_after):
        return Freshness.STALE
    if now >= _earlier(manifest.due_at, manifest.confirmed_at, policy.due_after):
        return Freshness.DUE
    return Freshness.FRESH


def _earlier(promised: datetime, confirmed_at: datetime, period: timedelta | None) -> datetime:
    return promised if period is None else min(promised, confirmed_at + period)
