"""Findings about lead times: keys that sign too soon or almost, and settings that must lead there."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from publisher.findings import Finding, Severity
from publisher.publication.lead_time import KeyLeadTime, Life, Verdict
from publisher.publication.manifest import Manifest, format_time
from publisher.publication.spans import span, typed
from publisher.publication.timing import ROTATOR_TICK, Timing, lead_of, life_for, regular
from publisher.quoting import quote

CODES: Mapping[str, str] = MappingProxyType(
    {
        "LED001": "No key can have its lead time",
        "LED002": "A key signs before every relying party knows it",
        "LED003": "A key has little time to spare before it signs",
    }
)
"""Every code of this module with its title; `docs/findings.md` explains each."""

_SHORTEST = timedelta(seconds=10)
_KNOWN_BY = "nothing to do about this key: every relying party knows it by {}"
_KNOWN_SINCE = "nothing to do about this key: every relying party knows it since {}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    """Say what every rotation has, where SPIRE keeps to its rule, the publisher runs and nobody hurries."""

    needed: timedelta
    available: timedelta
    life: Life

    @classmethod
    def of(cls, timing: Timing, life: Life, *, max_age: timedelta) -> "Outlook":
        """Look ahead with these settings."""
        return cls(needed=timing.needed(max_age), available=regular(life.ca_ttl, timing.unseen), life=life)

    @property
    def margin(self) -> timedelta:
        """Give what is left of the available time."""
        return self.available - self.needed

    @property
    def verdict(self) -> Verdict:
        """Judge the margin."""
        return Verdict.of(self.margin, self.needed)


def cure(outlook: Outlook, timing: Timing, *, max_age: timedelta) -> str:
    """Say what to change, in numbers, so that half of what is needed is left over."""
    wanted = outlook.needed * 3 / 2 + timing.unseen + ROTATOR_TICK
    longer, over = life_for(wanted), wanted - lead_of(outlook.life.ca_ttl)
    advice = [] if longer is None else [f"set ca_ttl in SPIRE's server.conf to {typed(longer)} or more"]
    # What counts as needed counts half again as spare time; the interval is taken from the available, too.
    # The relying party's own cache is nothing that an operator here can shorten.
    for name, period, weight in (
        ("the interval between runs", timing.interval, 2.5),
        ("--jwks-max-age", max_age, 1.5),
        ("the function's refresh interval", timing.function_refresh, 1.5),
    ):
        shorter = period - over / weight
        if shorter >= _SHORTEST:
            advice.append(f"bring {name} from {span(period)} down to {span(shorter)}")
    return ", or ".join(advice) or f"shorten {_parts(timing, max_age)}"


def judge_settings(outlook: Outlook, timing: Timing, *, max_age: timedelta, where: str) -> Iterator[Finding]:
    """Report settings by which no key of a normal rotation can have its lead time."""
    if outlook.verdict is Verdict.NEVER:
        yield Finding(
            code="LED001",
            severity=Severity.WARNING,
            where=where,
            what=f"by {outlook.life} a new key has {span(max(outlook.available, timedelta(0)))} from its "
            f"publication to its first token at the least, and {span(outlook.needed)} may pass until every "
            f"relying party knows it: {_parts(timing, max_age)}",
            remedy=cure(outlook, timing, max_age=max_age),
        )


def judge_keys(
    manifest: Manifest, times: Sequence[KeyLeadTime], *, now: datetime, outlook: Verdict = Verdict.SAFE
) -> Iterator[Finding]:
    """Report keys whose margin is negative or thin, as long as some relying party may lack them.

    A token that was issued too soon is reported even if it is seen so late that nobody lacks the key any
    more: what SPIRE did once it does again.

    `times` are the manifest's, in its order, or none. What the settings make of every key (`outlook`) is not
    said again of each.
    """
    for key, time in zip(manifest.keys, times, strict=False):
        if key.first_published_at is None or time.available is None or time.margin is None:
            continue
        known_by = key.first_published_at + time.needed
        if now >= known_by and not time.in_haste:
            continue
        verdict = Verdict.of(time.margin, time.needed)
        used_after = key.lead.used_after if key.lead else None
        needs = f"and {span(time.needed)} may pass until every relying party knows it"
        where = f"kid {quote(key.kid, 40)}"
        known = (_KNOWN_BY if now < known_by else _KNOWN_SINCE).format(format_time(known_by))
        if verdict is Verdict.NEVER and used_after is not None:
            yield Finding(
                code="LED002",
                severity=Severity.ERROR,
                where=where,
                what=f"signed a token {_since(used_after)} its first publication, {needs}: until then "
                "some may refuse tokens of it",
                remedy=f"{known}. A server that loses its keys at a restart needs a KeyManager that keeps "
                "them; by hand, wait between prepare and activate",
            )
        elif verdict is Verdict.NEVER and outlook is not Verdict.NEVER:
            what = f"may sign {_first_token(time.available)}, {needs}"
            remedy = f"{known}. Find out why it was published late: was the publisher away?"
            yield Finding(code="LED002", severity=Severity.WARNING, where=where, what=what, remedy=remedy)
        elif verdict is Verdict.THIN:
            what = f"may sign {_first_token(time.available)}, {needs}: {span(time.margin)} to spare"
            remedy = (
                f"{known}. Find out why it was published late: was the publisher away?"
                if outlook is Verdict.SAFE
                else "spire-oidc-publisher explain says which settings to change"
            )
            yield Finding(code="LED003", severity=Severity.WARNING, where=where, what=what, remedy=remedy)


def _since(period: timedelta) -> str:
    return f"{span(-period)} before" if period < timedelta(0) else f"{span(period)} after"


def _first_token(available: timedelta) -> str:
    if available < timedelta(0):
        return "since before its first publication"
    return f"{span(available)} after its first publication"


def _parts(timing: Timing, max_age: timedelta) -> str:
    parts = (
        ("source delay", timing.source_delay),
        ("interval", timing.interval),
        ("run", timing.run_time),
        ("max-age", max_age),
        ("function", timing.function_refresh),
        ("relying party's cache", timing.relying_party_cache),
    )
    return ", ".join(f"{name} {span(period)}" for name, period in parts if period)
