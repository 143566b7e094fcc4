"""How long a new key travels from SPIRE to its readers, and how long SPIRE waits before it signs."""

from dataclasses import dataclass
from datetime import timedelta

_ZERO = timedelta(0)

DEFAULT_LIFE = timedelta(hours=24)
"""SPIRE's own default of `ca_ttl`: how long a JWT authority lives where nobody says otherwise."""

ROTATOR_TICK = timedelta(seconds=10)
"""How often SPIRE looks whether a step is due: each of them comes up to so much late."""

PREPARED_CAP, ACTIVATED_CAP = timedelta(days=30), timedelta(days=7)
"""The longest before the expiry of the current authority that SPIRE prepares, and activates, the next one."""

LONGEST_LEAD = PREPARED_CAP - ACTIVATED_CAP
"""The longest that a key is in the bundle before it signs, whatever `ca_ttl` is."""

_PREPARED, _ACTIVATED, _LEAD = 2, 6, 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """Hold the delays between SPIRE's server and a relying party, each at its worst; none is negative.

    `source_delay`: server to source; `interval`: between two looks at the source; `run_time`: of one run;
    `function_refresh`: of a function in front of the sink; `relying_party_cache`: how long relying parties
    keep keys, whatever max-age says. `ca_ttl` is SPIRE's, None: unknown.
    """

    source_delay: timedelta = timedelta(seconds=10)
    interval: timedelta = timedelta(seconds=60)
    run_time: timedelta = timedelta(seconds=30)
    function_refresh: timedelta = _ZERO
    relying_party_cache: timedelta = timedelta(minutes=10)
    ca_ttl: timedelta | None = None

    @property
    def unseen(self) -> timedelta:
        """Give how long a key may be in SPIRE's bundle before a run that is due meets it."""
        return self.source_delay + self.interval

    def needed(self, max_age: timedelta) -> timedelta:
        """Give the worst time from a change in SPIRE to all relying parties, the JWKS kept for `max_age`.

        So long a new key needs before it signs, and so long a revoked one may still be accepted.
        """
        return self.unseen + self.run_time + max_age + self.function_refresh + self.relying_party_cache


def prepared_before(life: timedelta) -> timedelta:
    """Give how long before an authority of that life expires SPIRE prepares the next one."""
    return min(life / _PREPARED, PREPARED_CAP)


def activated_before(life: timedelta) -> timedelta:
    """Give how long before an authority of that life expires SPIRE activates the next one."""
    return min(life / _ACTIVATED, ACTIVATED_CAP)


def lead_of(life: timedelta) -> timedelta:
    """Give SPIRE's lead time: how long, by its rule, a key is in the bundle before it signs."""
    return prepared_before(life) - activated_before(life)


def regular(life: timedelta, unseen: timedelta) -> timedelta:
    """Give the least time from first publication to activation, where SPIRE keeps to its rule."""
    return lead_of(life) - unseen - ROTATOR_TICK


def life_for(lead: timedelta) -> timedelta | None:
    """Give the shortest `ca_ttl` of that lead time; None: `LONGEST_LEAD` is less."""
    if lead > LONGEST_LEAD:
        return None
    if lead <= ACTIVATED_CAP * (_ACTIVATED / _LEAD):
        return lead * _LEAD
    return (lead + ACTIVATED_CAP) * _PREPARED
