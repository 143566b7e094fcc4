"""Logs as SPIRE's server takes them from a plugin's stderr: JSON lines of hclog."""

import json
import logging
import sys
from datetime import UTC, datetime
from typing import Any

from publisher.logs import printable, publication_name

_LEVELS = {
    logging.DEBUG: "debug",
    logging.INFO: "info",
    logging.WARNING: "warn",
    logging.ERROR: "error",
    logging.CRITICAL: "error",
}
_LONGEST_MEMBER = 2000
_LONGEST_MESSAGE = 4000
"""The most characters of a message; the host reads lines of up to 64 KiB."""


def configure(*, verbose: bool) -> None:
    """Send what this program logs to stderr; libraries from WARNING up only: their logs may hold tokens."""
    root = logging.getLogger()
    for handler in root.handlers[:]:
        root.removeHandler(handler)
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(HclogFormatter())
    root.addHandler(handler)
    root.setLevel(logging.WARNING)
    logging.getLogger("publisher").setLevel(logging.DEBUG if verbose else logging.INFO)
    logging.captureWarnings(capture=True)
    # A server that closed our stderr ends the log, not the publication.
    logging.raiseExceptions = False


class HclogFormatter(logging.Formatter):
    """Write `@level`, `@message`, `@module`, `@timestamp`, then a record's own members as strings.

    The host parses the time by one layout, of exactly six digits, and shows a line that it cannot parse as
    it is, without level.
    """

    def format(self, record: logging.LogRecord) -> str:
        """Format one record as one line of ASCII."""
        entry: dict[str, Any] = {
            "@level": _LEVELS.get(record.levelno, "info"),
            "@message": printable(record.getMessage(), _LONGEST_MESSAGE),
            "@module": record.name,
            "@timestamp": datetime.fromtimestamp(record.created, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        }
        name = publication_name.get()
        if name:
            entry["publication"] = name
        members: dict[str, Any] = getattr(record, "members", {})
        entry.update((key, printable(str(value), _LONGEST_MEMBER)) for key, value in members.items())
        if record.exc_info:
            entry["traceback"] = printable(self.formatException(record.exc_info), _LONGEST_MESSAGE)
        return json.dumps(entry)
