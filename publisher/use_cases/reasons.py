"""Why a run ended otherwise than it should: refused plans, a state file that cannot be written."""

from publisher.errors import RefusedError, SinkError
from publisher.findings import Finding, Severity
from publisher.publication import rules


def not_remembered(error: SinkError) -> Finding:
    """Make the finding of a state file that could not be written: it must not stop a rotation."""
    return Finding(
        code="MEM001",
        severity=Severity.ERROR,
        where=error.where,
        what=f"what was published could not be remembered: {error.what}",
        remedy=error.remedy,
    )


def refused(where: str, findings: tuple[Finding, ...]) -> RefusedError:
    """Make the error of a refused plan, with every override that it would take."""
    needed = dict.fromkeys(
        f"--{rules.OVERRIDE_OF[finding.code]}" for finding in findings if finding.code in rules.OVERRIDE_OF
    )
    remedy = " and ".join(f"{finding.code}: {finding.remedy}" for finding in findings)
    if len(needed) > 1:
        remedy += f" (an override needs all of {' '.join(needed)})"
    what = "refused, nothing was changed: " + " and ".join(finding.what for finding in findings)
    return RefusedError(where, what, remedy, findings=findings)
