"""Whether keys are published long enough before they sign: needed, available, and the margin between."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum

from publisher.publication.manifest import KeyLead, LeadTimeRecord, Manifest, PublishedKey
from publisher.publication.spans import span
from publisher.publication.timing import DEFAULT_LIFE, Timing, regular

_ZERO, _SECOND = timedelta(0), timedelta(seconds=1)


class Verdict(StrEnum):
    """Say how a margin stands to what is needed: at least half of it, less, or negative."""

    SAFE = "safe"
    THIN = "thin"
    NEVER = "never"

    @classmethod
    def of(cls, margin: timedelta, needed: timedelta) -> "Verdict":
        """Judge a margin."""
        if margin < _ZERO:
            return cls.NEVER
        return cls.THIN if margin < needed / 2 else cls.SAFE


class Origin(StrEnum):
    """Say where a `ca_ttl` is known from."""

    SETTING = "setting"
    BUNDLE = "bundle"
    ASSUMED = "assumed"


_SAID = {
    Origin.SETTING: "as set by --ca-ttl",
    Origin.BUNDLE: "told from the keys' expiry",
    Origin.ASSUMED: "assumed, set --ca-ttl",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Life:
    """Hold how long JWT authorities live, and where that is known from."""

    ca_ttl: timedelta
    origin: Origin

    def __str__(self) -> str:
        return f"ca_ttl {span(self.ca_ttl)} ({_SAID[self.origin]})"


class Evidence(StrEnum):
    """Say what the available time rests on: a token that was seen too soon, or SPIRE's rule alone."""

    SEEN = "seen"
    RULE = "rule"


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLeadTime:
    """State the lead time of one key.

    `needed` is from SPIRE's server to all relying parties at the worst; `available` from first publication
    to activation at the least, negative if it signed before; None: unknown, and then `evidence` is None.
    `in_use`: seen to sign just now; `in_haste`: by a token that was issued before the key had what it needs.
    """

    kid: str
    thumbprint: str
    needed: timedelta
    available: timedelta | None
    evidence: Evidence | None = None
    in_use: bool = False
    in_haste: bool = False

    @property
    def margin(self) -> timedelta | None:
        """Give what is left of the available time; None: unknown."""
        return None if self.available is None else self.available - self.needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Hold one look at the keys: when, and what was known of them before.

    `is_first`: nothing was published before, so keys may be in use already; `missed_since`: when a publisher
    last looked before, if that is longer ago than publishers promise to stay away; `readable_until`: when
    the last older JWKS document leaves the caches; `used`: the `kid` that a JWT-SVID of the publisher's own
    was signed with, `used_at`: when that was issued, None: now.
    """

    now: datetime
    is_first: bool = False
    missed_since: datetime | None = None
    readable_until: datetime | None = None
    used: str | None = None
    used_at: datetime | None = None


def life_of(keys: Iterable[PublishedKey], timing: Timing) -> Life:
    """Tell how long authorities live: as set, else from expiries, else SPIRE's default.

    A key that was watched arriving was prepared between `unseen` before its first publication and that very
    moment, so its own expiry tells its life: replicas that prepare theirs in between do not matter. The
    newest such key counts, for `ca_ttl` may have changed. Without one: some authority lives at least for
    what was left of it when it was published, and, as its successor is prepared at half of its life, at most
    for twice that; the default counts within these bounds.
    """
    if timing.ca_ttl is not None:
        return Life(ca_ttl=timing.ca_ttl, origin=Origin.SETTING)
    known = [
        (key.first_published_at, key.expires_at - key.first_published_at, key.lead)
        for key in keys
        if key.first_published_at is not None
        and key.expires_at is not None
        and key.expires_at > key.first_published_at
    ]
    watched = [(first, left + lead.unseen) for first, left, lead in known if lead and lead.unseen is not None]
    if watched:
        return Life(ca_ttl=max(watched)[1], origin=Origin.BUNDLE)
    least = max((left for _, left, _ in known), default=DEFAULT_LIFE)
    bounded = min(max(DEFAULT_LIFE, least), 2 * least)
    return Life(ca_ttl=bounded, origin=Origin.ASSUMED if bounded == DEFAULT_LIFE else Origin.BUNDLE)


def judge(
    keys: Iterable[PublishedKey],
    before: Iterable[PublishedKey],
    timing: Timing,
    *,
    max_age: timedelta,
    look: Look,
) -> tuple[tuple[PublishedKey, ...], LeadTimeRecord]:
    """Record with each key what is known of its lead time. `before` are the keys of the last manifest.

    What was seen when a key was first published stays with it, and so does that it was seen to sign too
    soon; the rest follows the settings of today. A key that was published by an older release, or by the
    very first publication, has no available time: nobody knows whether it was in use before.
    """
    listed, known = tuple(keys), {key.thumbprint: key.lead for key in before}
    arrived = _arrived(timing, max_age, look)
    seen = tuple(replace(key, lead=known.get(key.thumbprint, arrived)) for key in listed)
    life = life_of(seen, timing)
    needed = timing.needed(max_age)
    judged = tuple(_judged(key, timing, life, needed, look) for key in seen)
    told = None if life.origin is Origin.ASSUMED else life.ca_ttl
    return judged, LeadTimeRecord(needed=needed - timing.function_refresh, ca_ttl=told)


def lead_times(
    manifest: Manifest,
    *,
    function_refresh: timedelta,
    used: str | None = None,
    used_at: datetime | None = None,
) -> tuple[KeyLeadTime, ...]:
    """Give the lead time of each key of a manifest, in its order; none where it is of an older release.

    `used` is the `kid` that was seen to sign just now, `used_at` when it did.
    """
    if manifest.lead_time is None:
        return ()
    needed = manifest.lead_time.needed + function_refresh
    return tuple(_lead_time(key, needed, used == key.kid, used_at) for key in manifest.keys)


def _lead_time(key: PublishedKey, needed: timedelta, in_use: bool, used_at: datetime | None) -> KeyLeadTime:
    lead, first = key.lead or KeyLead(unseen=None), key.first_published_at
    needed += lead.late
    since = None if used_at is None or first is None else used_at - first
    evidence = Evidence.RULE if lead.used_after is None else Evidence.SEEN
    return KeyLeadTime(
        kid=key.kid,
        thumbprint=key.thumbprint,
        needed=needed,
        available=lead.available,
        evidence=None if lead.available is None else evidence,
        in_use=in_use,
        in_haste=in_use and since is not None and since < needed,
    )


def _arrived(timing: Timing, max_age: timedelta, look: Look) -> KeyLead:
    """Say of a key that is published now how late it may be, and how long older documents last."""
    unseen = None
    if not look.is_first:
        away = look.now - look.missed_since if look.missed_since is not None else _ZERO
        unseen = max(timing.unseen, timing.source_delay + away)
    late = _ZERO
    if look.readable_until is not None:
        late = max(look.readable_until - look.now - max_age, _ZERO)
    return KeyLead(unseen=unseen, late=late)


def _judged(key: PublishedKey, timing: Timing, life: Life, needed: timedelta, look: Look) -> PublishedKey:
    lead, first = key.lead, key.first_published_at
    if lead is None or lead.unseen is None or first is None:
        return key
    used_after = lead.used_after
    # By the token's own `iat`: an agent keeps a token for minutes, and what it shows late counts in full.
    since = ((look.used_at or look.now) - min(first, look.now)) // _SECOND * _SECOND
    if key.kid == look.used and since < needed + lead.late:
        used_after = since if used_after is None else min(used_after, since)
    available = _by_rule(key, first, lead.unseen, timing, life)
    if used_after is not None:
        available = min(available, used_after)
    return replace(key, lead=replace(lead, used_after=used_after, available=available))


def _by_rule(key: PublishedKey, first: datetime, unseen: timedelta, timing: Timing, life: Life) -> timedelta:
    """Give the least time from first publication to activation by SPIRE's rule, in whole seconds."""
    ca_ttl, delay = life.ca_ttl, unseen
    if key.expires_at is not None and key.expires_at > first:
        if timing.ca_ttl is None:
            ca_ttl = key.expires_at - first + unseen
        else:
            prepared_at = key.expires_at - ca_ttl
            delay = min(max(first - prepared_at, _ZERO), unseen)
    return regular(ca_ttl, delay) // _SECOND * _SECOND
