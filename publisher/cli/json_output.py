"""The JSON output: stable, described by `docs/schema/`."""

import json
from collections.abc import Iterable
from typing import Any

from publisher.cli.printing import put
from publisher.errors import ExitStatus, PublisherError
from publisher.findings import Finding

SCHEMA_VERSION = 1
"""The version of the JSON output; members may be added under it, never changed or removed."""


def put_json(
    command: str | None,
    status: ExitStatus,
    *,
    publications: Iterable[dict[str, Any]] = (),
    error: PublisherError | None = None,
) -> None:
    """Print the one JSON object of a run; `error` is one that ended it before any publication.

    `command` is None where the command line names none of ours.

    Raises:
        OutputError: standard output did not take it.

    """
    document = {
        "schema_version": SCHEMA_VERSION,
        "command": command,
        "exit_status": int(status),
        "error": None if error is None else error_members(error),
        "publications": list(publications),
    }
    put(json.dumps(document, indent=2) + "\n")


def finding_members(findings: Iterable[Finding]) -> list[dict[str, str]]:
    """Give findings as JSON."""
    return [
        {
            "code": finding.code,
            "severity": finding.severity.value,
            "where": finding.where,
            "what": finding.what,
            "remedy": finding.remedy,
        }
        for finding in findings
    ]


def error_members(error: PublisherError, noticed: Iterable[Finding] = ()) -> dict[str, Any]:
    """Give an error as JSON, with the findings that are its reasons, and those noticed before it."""
    return {
        "where": error.where,
        "what": error.what,
        "remedy": error.remedy,
        "exit_status": int(error.exit_status),
        "findings": finding_members(dict.fromkeys((*error.findings, *noticed))),
    }
