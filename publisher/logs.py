"""Logs on standard error: plain lines for a person, JSON lines for a machine."""

import json
import logging
from collections.abc import Mapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, TextIO

from publisher.findings import Finding, Severity

publication_name: ContextVar[str | None] = ContextVar("publication_name", default=None)
"""The publication that the current thread works on; it goes into every record."""

LONGEST = 1600
"""The most characters of one line for a person: with its place and remedy less than a screen."""

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


def log_finding(logger: logging.Logger, finding: Finding) -> None:
    """Log one finding at its severity, its parts as members of their own."""
    parts = {"code": finding.code, "where": finding.where, "what": finding.what, "remedy": finding.remedy}
    message = f"{finding.code} {finding.where}: {finding.what}; {finding.remedy}"
    logger.log(_LEVELS[finding.severity], "%s", message, extra={"members": parts})


def is_configured() -> bool:
    """Tell whether `configure` was called."""
    return any(
        isinstance(handler.formatter, PlainFormatter | JsonFormatter)
        for handler in logging.getLogger().handlers
    )


def printable(text: str) -> str:
    """Escape what could move a cursor or forge a line; libraries hand over texts from outside."""
    return "".join(
        character if " " <= character <= "~" else ascii(character)[1:-1] for character in text[:LONGEST]
    ) + ("..." if len(text) > LONGEST else "")


class PlainFormatter(logging.Formatter):
    """Write `severity: publication: message`; the traceback below it, if there is one."""

    def __init__(self, *, colour: bool) -> None:
        super().__init__()
        self._colour = colour

    def format(self, record: logging.LogRecord) -> str:
        """Format one record as one line, tracebacks aside."""
        severity = record.levelname.lower()
        if self._colour and record.levelno in _COLOURS:
            severity = f"\x1b[{_COLOURS[record.levelno]}m{severity}\x1b[0m"
        name = publication_name.get() or _members(record).get("publication")
        message = printable(record.getMessage())
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
