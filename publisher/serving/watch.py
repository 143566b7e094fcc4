"""The watch over one publication: what is served, what was noticed, when to look again. A pure machine."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from types import MappingProxyType

from publisher.errors import BundleError, PublisherError, RefusedError
from publisher.findings import Finding, Severity
from publisher.publication.found import Found
from publisher.publication.freshness import Freshness
from publisher.publication.lead_rules import judge_keys
from publisher.publication.lead_time import lead_times
from publisher.publication.snapshot import Snapshot
from publisher.publication.validation import Judgement, Terms, validate
from publisher.serving.policy import ServePolicy, Verdict, judge_age
from publisher.serving.status import Counters, KeyStatus, Serving, State, Status

CODES: Mapping[str, str] = MappingProxyType(
    {
        "SRV001": "The publication could not be read",
        "SRV002": "The source offers nothing that may be served",
        "SRV003": "The publication is too old to be served",
        "SRV004": "The publisher's clock is ahead",
    }
)
"""Every code of serving with its title; `docs/findings.md` explains each."""

FIRST_PAUSE = timedelta(seconds=1)
"""The floor between two reads of a store that failed; doubled from try to try, up to the interval."""

SLEPT = "nobody asked for so long that rotations may have been missed"
"""Why the rules of succession do not count for who slept."""

_TOO_OLD = "what was held before is too old to be served"
_REFUSALS = (BundleError, RefusedError)
_STATES = {Freshness.FRESH: State.FRESH, Freshness.DUE: State.DUE, Freshness.STALE: State.STALE}


@dataclass(frozen=True, slots=True, kw_only=True)
class Duty:
    """Say what is watched: never changes while a process lives.

    `place` names, printably, where documents come from; `interval` is the time between two reads.
    """

    terms: Terms
    policy: ServePolicy
    interval: timedelta
    place: str
    version: str
    started_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """Hold all that was seen. Each event gives a new watch; equal events, equal watch.

    `snapshot` is the last good one and `seen_at` when its manifest was read first; `findings` are those of
    the last read that came through, `problem` of the last one that did not. `looked_at` is the last try,
    but stays where it was after a sleep until a read is good.
    """

    duty: Duty
    snapshot: Snapshot | None = None
    seen_at: datetime | None = None
    findings: tuple[Finding, ...] = ()
    problem: tuple[Finding, ...] = ()
    is_refused: bool = False
    mixed_since: datetime | None = None
    bad_reads: int = 0
    looked_at: datetime | None = None
    last_good_read_at: datetime | None = None
    last_try_at: datetime | None = None
    counters: Counters = field(default_factory=Counters)

    def judge(self, found: Found, now: datetime) -> Judgement:
        """Judge what was found, beside what is served.

        Where nothing is served yet, a publication that has been unfinished for an interval is accepted, and
        then again as long as its documents stay the same.
        """
        unfinished = self.mixed_since is not None and now - self.mixed_since >= self.duty.interval
        if self.snapshot is not None:
            unfinished = self.snapshot.is_unfinished and _has_documents(found, self.snapshot)
        return validate(
            found,
            self.duty.terms,
            serving=self.snapshot,
            now=now,
            accept_unfinished=unfinished,
            waived=self._waiver(now),
        )

    def took(self, judgement: Judgement, now: datetime) -> "Watch":
        """Go on after a read: with its snapshot, or with the last good one if it was refused."""
        counters = replace(
            self.counters,
            reads=self.counters.reads + 1,
            mixed=self.counters.mixed + judgement.is_mixed,
        )
        if judgement.snapshot is None:
            mixed_since = (self.mixed_since or now) if judgement.is_mixed else None
            return replace(
                self,
                findings=judgement.findings,
                problem=(),
                # A mix is a publisher between two writes, until it has lasted.
                is_refused=mixed_since is None or now - mixed_since >= self.duty.interval,
                mixed_since=mixed_since,
                bad_reads=self.bad_reads + 1,
                looked_at=self._looked_at(now),
                last_try_at=now,
                counters=replace(counters, refused=counters.refused + 1),
            )
        before = self.snapshot
        same_manifest = before is not None and before.manifest == judgement.snapshot.manifest
        changed = before is not None and not judgement.snapshot.has_documents_of(before)
        return replace(
            self,
            snapshot=judgement.snapshot,
            seen_at=self.seen_at if same_manifest else now,
            findings=judgement.findings,
            problem=(),
            is_refused=False,
            mixed_since=None,
            bad_reads=0,
            looked_at=now,
            last_good_read_at=now,
            last_try_at=now,
            counters=replace(counters, accepted=counters.accepted + 1, changed=counters.changed + changed),
        )

    def failed(self, error: PublisherError, now: datetime) -> "Watch":
        """Go on after a read that gave no publication; a bundle that is refused counts as refused."""
        refused = isinstance(error, _REFUSALS)
        return replace(
            self,
            problem=error.findings
            if isinstance(error, RefusedError)
            else (failure(error, is_cold=self.snapshot is None),),
            is_refused=refused or self.is_refused,
            bad_reads=self.bad_reads + 1,
            looked_at=self._looked_at(now),
            last_try_at=now,
            counters=replace(
                self.counters,
                reads=self.counters.reads + 1,
                failed=self.counters.failed + (not refused),
                refused=self.counters.refused + refused,
            ),
        )

    @property
    def pause(self) -> timedelta:
        """Give how long to wait before the next read: the interval, less after a read that was no good."""
        if not self.bad_reads:
            return self.duty.interval
        if self.snapshot is None and self.mixed_since is not None:
            return FIRST_PAUSE
        doublings = min(self.bad_reads - 1, 16)
        return min(timedelta(seconds=FIRST_PAUSE.total_seconds() * (1 << doublings)), self.duty.interval)

    def verdict(self, now: datetime) -> Verdict | None:
        """Judge the age of the snapshot; None: there is none."""
        if self.snapshot is None or self.seen_at is None:
            return None
        return judge_age(self.snapshot.manifest, self.duty.policy, seen_at=self.seen_at, now=now)

    def status(self, now: datetime) -> Status:
        """Show all of it at one moment."""
        verdict = self.verdict(now)
        aged = verdict.findings if verdict is not None else ()
        hurried = self._hurried(now)
        findings = sorted(
            (*self.problem, *self.findings, *aged, *hurried), key=lambda one: -one.severity.rank
        )
        return Status(
            at=now,
            started_at=self.duty.started_at,
            issuer=self.duty.terms.issuer.url,
            place=self.duty.place,
            version=self.duty.version,
            state=self._state(verdict),
            is_served=verdict is not None and verdict.may_be_served,
            serving=_shown(self.snapshot, verdict, self.duty.interval) if self.snapshot and verdict else None,
            findings=tuple(findings),
            last_good_read_at=self.last_good_read_at,
            last_try_at=self.last_try_at,
            next_try_at=self.last_try_at and self.last_try_at + self.pause,
            counters=self.counters,
        )

    def _hurried(self, now: datetime) -> Iterator[Finding]:
        """Find keys that sign too soon for who reads them here."""
        if self.snapshot is not None:
            manifest = self.snapshot.manifest
            yield from judge_keys(
                manifest, lead_times(manifest, function_refresh=self.duty.interval), now=now
            )

    def _state(self, verdict: Verdict | None) -> State:
        if verdict is None:
            return State.EMPTY
        if self.is_refused:
            return State.INVALID
        return _STATES[verdict.freshness] if verdict.may_be_served else State.STALE

    def _has_slept(self, now: datetime) -> bool:
        return self.snapshot is not None and has_slept(
            self.snapshot, self.looked_at, now, 2 * self.duty.interval
        )

    def _looked_at(self, now: datetime) -> datetime | None:
        return self.looked_at if self._has_slept(now) else now

    def _waiver(self, now: datetime) -> str | None:
        """Tell why the snapshot is no measure for the next one; None: it is."""
        if self._has_slept(now):
            return SLEPT
        verdict = self.verdict(now)
        return None if verdict is None or verdict.may_be_served else _TOO_OLD


def has_slept(
    snapshot: Snapshot, looked_at: datetime | None, now: datetime, at_least: timedelta = timedelta(0)
) -> bool:
    """Tell whether nobody even tried to look for a whole stale period of the snapshot (`at_least` for long).

    An instance without requests has no CPU: it may have missed rotations, and knows no more than a new one.
    """
    period = max(snapshot.manifest.stale_at - snapshot.manifest.confirmed_at, at_least)
    return looked_at is not None and now - looked_at >= period


def failure(error: PublisherError, *, is_cold: bool = False) -> Finding:
    """Tell as a finding why nothing was read: out of reach, or nothing that may be served.

    `is_cold`: nothing was ever read, so nothing is served.
    """
    where, what, remedy = error.where, error.what, error.remedy
    if isinstance(error, _REFUSALS):
        return Finding(code="SRV002", severity=Severity.ERROR, where=where, what=what, remedy=remedy)
    if is_cold:
        return Finding(code="SRV001", severity=Severity.ERROR, where=where, what=what, remedy=remedy)
    return Finding(code="SRV001", severity=Severity.WARNING, where=where, what=what, remedy=remedy)


def _has_documents(found: Found, snapshot: Snapshot) -> bool:
    bodies = [None if one is None else one.body for one in (found.jwks, found.configuration)]
    return bodies == [snapshot.jwks, snapshot.configuration]


def _shown(snapshot: Snapshot, verdict: Verdict, interval: timedelta) -> Serving:
    manifest = snapshot.manifest
    leads = {one.thumbprint: one for one in lead_times(manifest, function_refresh=interval)}
    return Serving(
        trust_domain=manifest.trust_domain,
        sequence_number=manifest.sequence_number,
        source=manifest.source,
        modified_at=manifest.modified_at,
        confirmed_at=manifest.confirmed_at,
        due_at=verdict.due_at,
        stale_at=verdict.stale_at,
        refused_at=verdict.refused_at,
        publisher_version=manifest.publisher_version,
        keys=tuple(
            KeyStatus(
                kid=key.kid,
                alg=key.alg,
                thumbprint=key.thumbprint,
                first_published_at=key.first_published_at,
                expires_at=key.expires_at,
                lead_time=leads.get(key.thumbprint),
            )
            for key in snapshot.keys
        ),
    )
