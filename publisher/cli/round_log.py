"""What `watch` logs of one publication's rounds: what is new, what is wrong, and when it is well again."""

import logging
from collections.abc import Iterable
from datetime import datetime

from publisher import logs
from publisher.cli.finding_log import MOST_LOGGED, log_error
from publisher.cli.publishing import report_lines
from publisher.errors import ExitStatus, PublisherError, RefusedError
from publisher.findings import Finding, Severity
from publisher.settings.targets import PublishTarget
from publisher.use_cases.publish import Outcome

_LOG = logging.getLogger(__name__)


class RoundLog:
    """Log the rounds of one publication, in the thread that does them.

    A finding is logged when it appears, and again when it went away and came back; an error, a refusal and a
    finding of severity error at every round: nobody shall overhear those. A change is logged as `publish`
    prints it, an unchanged publication only at the first round and after failures.
    """

    def __init__(self, target: PublishTarget, name: str | None) -> None:
        self._target, self._name = target, name
        self._standing: frozenset[Finding] = frozenset()
        self._noticed: list[Finding] = []
        self._bad_since: datetime | None = None
        self._bad_rounds = 0
        self._was_well = False

    def begin(self) -> None:
        """Begin a round."""
        self._noticed = []

    def notice(self, finding: Finding) -> None:
        """Log a finding in mid-round, before anything is repaired: the process may not live to report it."""
        if finding not in self._noticed:
            self._noticed.append(finding)
            if self._is_news(finding):
                logs.log_finding(_LOG, finding)

    def end(self, result: Outcome | PublisherError, now: datetime) -> None:
        """Log what a round came to."""
        if isinstance(result, PublisherError):
            self._log_error(result)
        else:
            self._log_outcome(result, now)
        if result.exit_status is ExitStatus.DONE:
            self._recover(now)
        else:
            self._bad_rounds += 1
            self._bad_since = self._bad_since or now

    def _log_error(self, error: PublisherError) -> None:
        if not isinstance(error, RefusedError):
            self._log_findings(error.findings)
        # What was standing before may stand still: nobody looked. It is not news at the next round.
        self._standing |= {*self._noticed, *error.findings}
        log_error(error, name=self._name, noticed=self._noticed)
        if isinstance(error, RefusedError):
            _LOG.warning(
                "nothing is published before the bundle changes or a person decides: an override is for one"
                " run of publish, beside this service; the next round finds what it published"
            )

    def _log_outcome(self, outcome: Outcome, now: datetime) -> None:
        self._log_findings(outcome.findings)
        self._standing = frozenset(outcome.findings)
        tells = outcome.exit_status is ExitStatus.DONE and (not self._was_well or self._bad_since is not None)
        lines = [line for _, line in report_lines(outcome, self._target, now=now, dry_run=False)]
        if not outcome.changed:
            lines = lines[-1:]  # the keys are as they were
        level = logging.INFO if outcome.changed or tells else logging.DEBUG
        for line in lines:
            _LOG.log(level, "%s", line)

    def _log_findings(self, findings: Iterable[Finding]) -> None:
        news = sorted(
            (finding for finding in findings if finding not in self._noticed and self._is_news(finding)),
            key=lambda finding: -finding.severity.rank,
        )
        for finding in news[:MOST_LOGGED]:
            logs.log_finding(_LOG, finding)
        if len(news) > MOST_LOGGED:
            _LOG.warning(
                "%d more findings; publish --dry-run --output json has them all", len(news) - MOST_LOGGED
            )

    def _is_news(self, finding: Finding) -> bool:
        return finding.severity is Severity.ERROR or finding not in self._standing

    def _recover(self, now: datetime) -> None:
        if self._bad_since is not None:
            seconds = (now - self._bad_since).total_seconds()
            _LOG.info("well again after %d failed rounds in %.0f s", self._bad_rounds, seconds)
        self._bad_since, self._bad_rounds, self._was_well = None, 0, True
