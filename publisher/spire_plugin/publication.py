"""One publication of the plugin: what a push makes due, doing it, and what is remembered of it."""

import logging
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from enum import Enum, auto

from publisher import logs
from publisher.bundle.fetched import Fetched
from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import BundleError, ExitStatus, PublisherError, RefusedError
from publisher.findings import Finding, Severity
from publisher.ports import Clock, Deadline
from publisher.publication import document_set, rules, uploaded
from publisher.publication.manifest import Manifest, ManifestError
from publisher.publication.rules import Overrides
from publisher.quoting import quote
from publisher.settings.targets import PublishTarget
from publisher.sources.pushed import PushedSource
from publisher.use_cases.publish import Adapters, Outcome, publish

SLACK = 10.0
"""Seconds by which something may be done before it is due: the next tick would be 30 s later."""

TOLERATED = 50.0
"""Seconds for which a lower sequence number is no error: a server of a cluster may be two ticks behind."""

_LOG = logging.getLogger(__name__)


OpenAdapters = Callable[
    [PublishTarget, Deadline, Callable[[Finding], None]], AbstractContextManager[Adapters]
]
"""Make what one round works with; the function is told every finding about the sink before it is repaired."""


class Due(Enum):
    """Say what a push makes necessary."""

    NOTHING = auto()
    LOOK = auto()
    PUBLISH = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Intervals:
    """Hold how often things are done while nothing changes, in seconds, and how long they may take."""

    confirm_every: float = 300.0
    drift_every: float = 60.0
    timeout: float = 20.0


@dataclass(slots=True, kw_only=True)
class PushedPublication:
    """Publish what SPIRE pushed. One thread at a time works on it.

    `open_adapters` makes what one round works with, its source set aside; `ended` is told every result.
    """

    target: PublishTarget
    intervals: Intervals
    clock: Clock
    open_adapters: OpenAdapters
    ended: Callable[[Outcome | PublisherError, float], None] = lambda _result, _seconds: None
    source: PushedSource = field(default_factory=PushedSource)
    _last: Outcome | None = None
    _confirmed: float = 0.0
    _looked: float = 0.0
    _lower_since: float | None = None
    _told: frozenset[Finding] = frozenset()

    def work(self, pushed: Fetched) -> PublisherError | None:
        """Do what this push makes necessary; None: it is published and read back, or was before.

        Returns an error for SPIRE's log otherwise; the next push, of an equal bundle too, tries again.
        """
        started = self.clock.monotonic()
        due = self._due(pushed)
        if due is Due.NOTHING:
            return None
        deadline = Deadline(self.clock, self.intervals.timeout)
        try:
            with self.open_adapters(self.target, deadline, self._notice) as adapters:
                if due is Due.LOOK and not self._has_drifted(adapters, deadline):
                    self._looked = self.clock.monotonic()
                    return None
                outcome = self._publish(replace(adapters, source=self.source), deadline)
        except PublisherError as error:
            self._last = None
            failed = self._failed(error)
            if failed is not None:  # what is forgiven is no failure, to metrics either
                self.ended(failed, self.clock.monotonic() - started)
            return failed
        self.ended(outcome, self.clock.monotonic() - started)
        return self._done(outcome)

    def _due(self, pushed: Fetched) -> Due:
        if self._last is None or self._offered(pushed) != self._last.bundle:
            return Due.PUBLISH
        now = self.clock.monotonic() + SLACK
        if now - self._confirmed >= self.intervals.confirm_every:
            return Due.PUBLISH
        return Due.LOOK if now - self._looked >= self.intervals.drift_every else Due.NOTHING

    def _offered(self, pushed: Fetched) -> TrustBundle | None:
        """Give what a round makes of this push; None: it will say why it cannot."""
        if not self.target.documents.uploaded:
            return pushed.bundle
        try:
            return uploaded.fit(pushed, now=self.clock.now()).bundle
        except BundleError:
            return None

    def _has_drifted(self, adapters: Adapters, deadline: Deadline) -> bool:
        """Tell whether the sink holds something else than what was left there. What to do is the plan's."""
        assert self._last is not None
        wanted = document_set.build(self._last.bundle, self.target.documents)
        for document in wanted.written:
            there = adapters.sink.read(document.path, deadline)
            if there is None or not there.is_like(document):
                return True
        there = adapters.sink.read(self.target.documents.paths[2], deadline)
        if there is None:
            return True
        try:
            manifest = Manifest.parse(there.body, where=adapters.sink.location)
        except ManifestError:
            return True
        return not manifest.says_the_same(self._last.manifest)

    def _publish(self, adapters: Adapters, deadline: Deadline) -> Outcome:
        return publish(
            adapters,
            self.target.documents,
            overrides=Overrides(),
            bucket_url=self.target.bucket_url,
            dry_run=False,
            deadline=deadline,
        )

    def _done(self, outcome: Outcome) -> PublisherError | None:
        now = self.clock.monotonic()
        self._confirmed = self._looked = now
        self._lower_since = None
        self._tell(outcome.findings)
        if outcome.changed:
            changes = outcome.changes
            _LOG.info(
                "published %s of sequence number %s at %s: %d keys added, %d removed, %d kept",
                ", ".join(outcome.written) or "the manifest",
                outcome.manifest.sequence_number,
                self.target.sink,
                len(changes.added),
                len(changes.removed),
                len(changes.kept),
            )
        if outcome.exit_status is ExitStatus.DONE:
            self._last = outcome
            return None
        self._last = None  # the next push tries again
        return _UnfinishedError.of(outcome, str(self.target.documents.issuer))

    def _failed(self, error: PublisherError) -> PublisherError | None:
        refused = isinstance(error, RefusedError)
        if not refused or {finding.code for finding in error.findings if _is_error(finding)} != {rules.LOWER}:
            self._lower_since = None
            self._tell(() if refused else error.findings)
            return error
        now, first = self.clock.monotonic(), self._lower_since is None
        if self._lower_since is None:
            self._lower_since = now
        if now - self._lower_since >= TOLERATED:
            return error
        _LOG.log(
            logging.INFO if first else logging.WARNING,
            "SPIRE pushed a bundle that is older than the published one: normal for a moment in a cluster,"
            " an error if it lasts: %s",
            error,
        )
        return None

    def _notice(self, finding: Finding) -> None:
        """Log a finding in mid-round, before anything is repaired: the process may not live to report it."""
        if finding not in self._told:
            self._told |= {finding}
            logs.log_finding(_LOG, finding)

    def _tell(self, findings: tuple[Finding, ...]) -> None:
        """Log what was not found the last time: every tick would else say it again."""
        for finding in findings:
            if finding not in self._told:
                logs.log_finding(_LOG, finding)
        self._told = frozenset(findings)


class _UnfinishedError(PublisherError):
    """Report what is published, but not as it should be: unread at the public URL, or not remembered."""

    exit_status = ExitStatus.TEMPORARY

    @classmethod
    def of(cls, outcome: Outcome, issuer: str) -> "_UnfinishedError":
        """Take the errors among the findings for the text."""
        errors = [finding for finding in outcome.findings if _is_error(finding)]
        if not errors:
            return cls(f"issuer {quote(issuer)}", "published, but not verified", "see the log above")
        return cls(
            errors[0].where,
            "published, but " + " and ".join(finding.what for finding in errors),
            errors[0].remedy,
        )


def _is_error(finding: Finding) -> bool:
    return finding.severity is Severity.ERROR
