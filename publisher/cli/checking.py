"""What `check` does with one issuer, and what it says about it."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from publisher.cli.printing import colour
from publisher.cli.session import Command, Ended, Session
from publisher.errors import ExitStatus, PublisherError
from publisher.findings import Finding, Severity
from publisher.logs import printable
from publisher.settings.check_target import CheckTarget
from publisher.settings.layers import Reader
from publisher.settings.options import CHECK
from publisher.settings.run import RunSettings
from publisher.use_cases.check import check

Findings = tuple[Finding, ...]
_MARKS = {Severity.ERROR: "-", Severity.WARNING: "!", Severity.INFO: "="}


class CheckCommand(Command[CheckTarget, Findings]):
    """Check a public URL."""

    name = CHECK
    logs_findings = False  # they are what it prints

    def read(self, reader: Reader) -> CheckTarget:
        """Read the settings of one publication."""
        return CheckTarget.read(reader)

    def work(self, settings: CheckTarget, session: Session) -> Findings:
        """Read the public URL and judge it."""
        return check(
            session.wiring.web(settings.ca_file),
            settings.issuer,
            clock=session.wiring.clock,
            require_manifest=session.run.require_manifest,
            deadline=session.deadline,
        )

    def status(self, result: Findings, run: RunSettings, /) -> ExitStatus:
        """Give 1 from a finding of --fail-on up."""
        failed = any(finding.severity.rank >= run.fail_on.rank for finding in result)
        return ExitStatus.FOUND if failed else ExitStatus.DONE

    def findings(self, result: Findings) -> Findings:
        """Give everything that was found."""
        return result

    def members(self, ended: Ended[CheckTarget, Findings], run: RunSettings, /) -> dict[str, Any]:
        """Give the issuer, and from which severity up the check fails."""
        return {"issuer": ended.settings and ended.settings.issuer.url, "fail_on": run.fail_on.value}

    def text(self, ended: Ended[CheckTarget, Findings], session: Session, /) -> Iterator[str]:
        """Give one line for each finding, the gravest first, then the sum."""
        if isinstance(ended.result, PublisherError) or ended.settings is None:
            return
        named = f"{ended.name}: " if ended.name else ""
        for finding in sorted(ended.result, key=lambda finding: -finding.severity.rank):
            mark = _MARKS[finding.severity]
            yield colour(mark, f"{named}{printable(str(finding))}", coloured=session.coloured) + "\n"
        counts = Counter(finding.severity for finding in ended.result)
        sums = ", ".join(
            f"{counts[severity]} {severity}" for severity in reversed(Severity) if counts[severity]
        )
        yield f"{named}{ended.settings.issuer}: {f'findings: {sums}' if sums else 'nothing to report'}\n"
