"""What the age of a publication means for serving it: watch, warn, alarm, refuse."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from publisher.findings import Finding, Severity
from publisher.oidc.issuer import MANIFEST_PATH
from publisher.publication import freshness
from publisher.publication.freshness import TOLERATED_SKEW, Freshness
from publisher.publication.manifest import Manifest, format_time

_LOOK = "look at the publisher's timer and log: revoked keys live on, new keys do not arrive"


class StalePolicy(StrEnum):
    """Say what becomes of a stale publication: served and alarmed, or refused with 503."""

    SERVE = "serve"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServePolicy:
    """Hold the reader's own periods, each counted from the last confirmation.

    `due_after` and `stale_after` None leave it to the manifest; beyond `refuse_after` nothing is served,
    whatever `when_stale` says.
    """

    due_after: timedelta | None = None
    stale_after: timedelta | None = None
    when_stale: StalePolicy = StalePolicy.SERVE
    refuse_after: timedelta = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """Say how old a publication is, what follows, and when (in UTC) each next step comes."""

    freshness: Freshness
    may_be_served: bool
    due_at: datetime
    stale_at: datetime
    refused_at: datetime
    findings: tuple[Finding, ...]


def judge_age(manifest: Manifest, policy: ServePolicy, *, seen_at: datetime, now: datetime) -> Verdict:
    """Judge a manifest by the earlier of its own times and the policy's.

    `seen_at` is when this very manifest was read first: one that dates itself into the future is refused
    `refuse_after` from then, else a wrong clock would be served for ever.
    """
    age = freshness.assess(
        manifest,
        now=now,
        policy=freshness.Policy(due_after=policy.due_after, stale_after=policy.stale_after),
    )
    refused_at = min(manifest.confirmed_at, seen_at) + policy.refuse_after
    stale_at = _earlier(manifest.stale_at, manifest.confirmed_at, policy.stale_after)
    due_at = min(_earlier(manifest.due_at, manifest.confirmed_at, policy.due_after), stale_at)
    refused = now >= refused_at or (age is Freshness.STALE and policy.when_stale is StalePolicy.REFUSE)
    findings = [*_skew(manifest, now)]
    if not findings or findings[0].severity is not Severity.ERROR:  # else the clocks are to blame
        confirmed = f"was last confirmed at {format_time(manifest.confirmed_at)}"
        if age is Freshness.STALE:
            findings.append(
                _finding(
                    "FRE002", Severity.ERROR, f"{confirmed} and is stale since {format_time(stale_at)}", _LOOK
                )
            )
        elif age is Freshness.DUE:
            findings.append(
                _finding(
                    "FRE001", Severity.WARNING, f"{confirmed} and is due since {format_time(due_at)}", _LOOK
                )
            )
    if refused:
        why = "beyond the refuse period" if now >= refused_at else "and the stale policy is refuse"
        what = f"was last confirmed at {format_time(manifest.confirmed_at)}, {why}: answered with 503"
        findings.append(
            _finding("SRV003", Severity.ERROR, what, "publish again: relying parties get nothing")
        )
    return Verdict(
        freshness=age,
        may_be_served=not refused,
        due_at=due_at,
        stale_at=stale_at,
        refused_at=min(refused_at, stale_at) if policy.when_stale is StalePolicy.REFUSE else refused_at,
        findings=tuple(findings),
    )


def next_change(manifest: Manifest, verdict: Verdict, now: datetime) -> datetime | None:
    """Give the next moment at which the verdict may change without a read; None: never."""
    times = (verdict.due_at, verdict.stale_at, verdict.refused_at, manifest.confirmed_at - TOLERATED_SKEW)
    return min((time for time in times if time > now), default=None)


def _skew(manifest: Manifest, now: datetime) -> list[Finding]:
    """Report clocks that disagree; within `TOLERATED_SKEW` it is a remark."""
    if manifest.confirmed_at <= now:
        return []
    what = f"was last confirmed at {format_time(manifest.confirmed_at)}, but here it is {format_time(now)}"
    if manifest.confirmed_at > now + TOLERATED_SKEW:
        remedy = "set both clocks; until then staleness cannot be told"
        return [_finding("FRE003", Severity.ERROR, what, remedy)]
    return [
        _finding("SRV004", Severity.INFO, what, "nothing to do while the clocks differ by less than 5 min")
    ]


def _earlier(promised: datetime, confirmed_at: datetime, period: timedelta | None) -> datetime:
    return promised if period is None else min(promised, confirmed_at + period)


def _finding(code: str, severity: Severity, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=severity, where=MANIFEST_PATH, what=what, remedy=remedy)
