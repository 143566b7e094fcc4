"""What a run logs of findings and errors: each finding once, when it is noticed."""

import logging
import threading
from collections.abc import Iterable

from publisher import logs
from publisher.cli.json_output import error_members, finding_members
from publisher.errors import PublisherError, RefusedError
from publisher.findings import Finding

MOST_LOGGED = 20
"""The most findings of one publication that are logged; the JSON output has them all."""

_LOG = logging.getLogger(__name__)


class FindingLog:
    """Log the findings of one run, and remember which were logged: `notice` may have been first.

    `dry_run`: findings are in the words of the run ("it is removed"); each line says that nothing was done.
    """

    def __init__(self, *, dry_run: bool) -> None:
        self._dry_run = dry_run
        self._lock = threading.Lock()
        self._noticed: dict[str | None, list[Finding]] = {}

    def notice(self, finding: Finding) -> None:
        """Log a finding of this thread's publication at once: the run may not live to report it."""
        with self._lock:
            noticed = self._noticed.setdefault(logs.publication_name.get(), [])
            if finding in noticed:
                return
            noticed.append(finding)
        logs.log_finding(_LOG, finding, dry_run=self._dry_run)

    def noticed(self, name: str | None) -> tuple[Finding, ...]:
        """Give what was noticed of one publication, in order."""
        with self._lock:
            return tuple(self._noticed.get(name, ()))

    def log(self, name: str | None, findings: Iterable[Finding]) -> None:
        """Log what was not yet, the gravest first."""
        noticed = self.noticed(name)
        left = sorted(
            (finding for finding in findings if finding not in noticed),
            key=lambda finding: -finding.severity.rank,
        )
        token = logs.publication_name.set(name)
        try:
            for finding in left[:MOST_LOGGED]:
                logs.log_finding(_LOG, finding, dry_run=self._dry_run)
            if len(left) > MOST_LOGGED:
                _LOG.warning("%d more findings; --output json has them all", len(left) - MOST_LOGGED)
        finally:
            logs.publication_name.reset(token)

    def log_failure(self, name: str | None, error: PublisherError) -> None:
        """Log why there is no result, after what was found before; a refusal's own reasons are part of it."""
        if not isinstance(error, RefusedError):
            self.log(name, error.findings)
        log_error(error, name=name, noticed=self.noticed(name))


def log_error(error: PublisherError, *, name: str | None = None, noticed: Iterable[Finding] = ()) -> None:
    """Log an error, its parts as members of their own; `noticed` was logged before and is no reason."""
    reasons = [finding for finding in error.findings if finding not in noticed]
    refused = isinstance(error, RefusedError)
    hint = f" (an override counts with --publication {name} only)" if refused and name and reasons else ""
    members = {
        **({"publication": name} if name else {}),
        **error_members(error),
        "findings": finding_members(error.findings[:MOST_LOGGED]),
    }
    extra: dict[str, object] = {"members": members}
    if refused and len(reasons) > 1:
        extra["lines"] = [_first_line(error, reasons) + hint, *map(logs.finding_line, reasons)]
    _LOG.error("%s%s", error, hint, extra=extra)


def _first_line(error: PublisherError, reasons: list[Finding]) -> str:
    from publisher.publication.rules import OVERRIDE_OF  # noqa: PLC0415 (`check` needs nothing of it)

    needed = dict.fromkeys(
        f"--{OVERRIDE_OF[finding.code]}" for finding in reasons if finding.code in OVERRIDE_OF
    )
    overrides = f"; an override needs all of {' '.join(needed)}" if len(needed) > 1 else ""
    return f"{error.where}: refused for {len(reasons)} reasons, nothing was changed{overrides}"
