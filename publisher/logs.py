"""Logs on standard error: plain lines for a person, JSON lines for a machine."""

import json
import logging
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from publisher.findings import Finding, Severity

publication_name: ContextVar[str | None] = ContextVar("publication_name", default=None)
"""The publication that the current thread works on; it goes into every record."""

LONGEST = 1600
"""The most characters of one line for a person: with its place and remedy less than a screen."""

DRY_RUN = "dry run, nothing was changed; the run would say: "
"""What the findings of a dry run begin with."""

_LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.ERROR: logging.ERROR,
}
_COLOURS = {logging.WARNING: "33", logging.ERROR: "31", logging.CRITICAL: "31"}


def configure(stream: TextIO | None, *, verbose: bool, quiet: bool, colour: bool) -> None:
    """Send what this program logs to `stream`; libraries only from WARNING up, even when verbose.

    A library's debug log holds headers, and headers hold tokens. JSON lines unless the stream is a
    terminal; `colour` counts on a terminal only. None is a standard error that was closed from the start.
    """
    terminal = stream is not None and stream.isatty()
    handler = logging.NullHandler() if stream is None else logging.StreamHandler(stream)
    handler.setFormatter(PlainFormatter(colour=colour) if terminal else JsonFormatter())
    root = logging.getLogger()
    for old in root.handlers[:]:
        if isinstance(old.formatter, PlainFormatter | JsonFormatter):
            root.removeHandler(old)
    root.addHandler(handler)
    root.setLevel(logging.ERROR if quiet and not verbose else logging.WARNING)
    level = logging.DEBUG if verbose else logging.ERROR if quiet else logging.INFO
    logging.getLogger("publisher").setLevel(level)
    logging.captureWarnings(capture=True)
    # A reader that closed our standard error ends the log, not the publication.
    logging.raiseExceptions = False


def log_finding(logger: logging.Logger, finding: Finding, *, dry_run: bool = False) -> None:
    """Log one finding at its severity, its parts as members of their own.

    Findings are in the words of a run ("it is removed"): those of a dry run must not be taken for one.
    """
    parts = {"code": finding.code, "where": finding.where, "what": finding.what, "remedy": finding.remedy}
    members = {**parts, "dry_run": True} if dry_run else parts
    message = f"{DRY_RUN if dry_run else ''}{finding_line(finding)}"
    logger.log(_LEVELS[finding.severity], "%s", message, extra={"members": members})


def finding_line(finding: Finding) -> str:
    """Say one finding in one line, its severity left to the log."""
    return f"{finding.code} {finding.where}: {finding.what}; {finding.remedy}"


def is_configured() -> bool:
    """Tell whether `configure` was called."""
    return any(
        isinstance(handler.formatter, PlainFormatter | JsonFormatter)
        for handler in logging.getLogger().handlers
    )


def printable(text: str, longest: int = LONGEST) -> str:
    """Escape what could move a cursor or forge a line; libraries hand over texts from outside."""
    return "".join(
        character if " " <= character <= "~" else ascii(character)[1:-1] for character in text[:longest]
    ) + ("..." if len(text) > longest else "")


class PlainFormatter(logging.Formatter):
    """Write `severity: publication: message`; the traceback below it, if there is one.

    A record with `lines` has them in place of its message, the later ones indented.
    """

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Format one record as one line, tracebacks and a record's own lines aside."""
        severity = record.levelname.lower()
        if self._colour and record.levelno in _COLOURS:
            severity = f"\x1b[{_COLOURS[record.levelno]}m{severity}\x1b[0m"
        name = publication_name.get() or _members(record).get("publication")
        lines: Sequence[str] = getattr(record, "lines", None) or [record.getMessage()]
        message = "\n  ".join(printable(line, LONGEST // len(lines)) for line in lines)
        line = f"{severity}: {name}: {message}" if name else f"{severity}: {message}"
        if record.exc_info:
            lines = self.formatException(record.exc_info).splitlines()
            line = "\n".join([line, *map(printable, lines)])
        return line


class JsonFormatter(logging.Formatter):
    """Write one JSON object a line: `time`, `severity`, `message`, then what else is known."""

    def format(self, record: logging.LogRecord) -> str:
        """Format one record as one line of ASCII."""
        entry: dict[str, Any] = {
            "time": datetime.fromtimestamp(record.created, UTC)
            .isoformat(timespec="milliseconds")
            .replace("+00:00", "Z"),
            "severity": record.levelname,
            "message": printable(record.getMessage()),
            "logger": record.name,
        }
        name = publication_name.get()
        if name:
            entry["publication"] = name
        entry.update(_members(record))
        if record.exc_info:
            entry["traceback"] = self.formatException(record.exc_info)
        return json.dumps(entry)


def _members(record: logging.LogRecord) -> Mapping[str, Any]:
    members: Mapping[str, Any] = getattr(record, "members", {})
    return members
