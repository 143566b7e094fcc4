"""Say in the log what the watch notices: once when it begins, again while it lasts."""

import hashlib
import logging
import re
import threading
from datetime import datetime, timedelta

from publisher.findings import Finding, Severity
from publisher.logs import log_finding
from publisher.serving.status import Serving, Status

LOGGER = logging.getLogger("publisher.function")
"""The function's logger, below the publisher's so that it has its level."""

LEVELS = {
    Severity.INFO: logging.INFO,
    Severity.WARNING: logging.WARNING,
    Severity.ERROR: logging.ERROR,
}
"""The level of the log for each severity."""

AGAIN_AFTER = timedelta(minutes=10)
"""How often a warning or error that lasts is said."""


MOST_SAID = 64
"""The most findings of one status that are logged, the gravest ones."""

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")
_Key = tuple[str, str, bytes]


class Reporter:
    """Log each finding when it comes, every `AGAIN_AFTER` while it lasts, and when all are gone.

    Threads may report at once: no lock is held while a line is written.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._said: dict[_Key, datetime] = {}
        self._modified_at: datetime | None = None

    def report(self, status: Status) -> None:
        """Log what is new in a status."""
        with self._lock:
            due, over, begins = self._new_in(status)
        for finding in due:
            log_finding(LOGGER, finding)
        if over:
            LOGGER.info("all is well again: %s", ", ".join(over))
        if begins is not None:
            LOGGER.info(
                "serving the publication of %s: %d keys, sequence number %s",
                begins.modified_at.isoformat(),
                len(begins.keys),
                begins.sequence_number,
            )

    def _new_in(self, status: Status) -> tuple[list[Finding], list[str], Serving | None]:
        """Give the findings to say, the codes of what is over, and what is served for the first time."""
        findings = {_key(finding): finding for finding in status.findings[:MOST_SAID]}
        due = [finding for key, finding in findings.items() if self._is_due(key, finding, status.at)]
        gone = {code for code, _, _ in self._said.keys() - findings.keys()}
        over = sorted(gone - {finding.code for finding in status.findings})
        if any(finding.severity is not Severity.INFO for finding in status.findings):
            over = []
        said = {key: time for key, time in self._said.items() if key in findings}
        self._said = said | {_key(finding): status.at for finding in due}
        if status.serving is None or status.serving.modified_at == self._modified_at:
            return due, over, None
        self._modified_at = status.serving.modified_at
        return due, over, status.serving

    def _is_due(self, key: _Key, finding: Finding, now: datetime) -> bool:
        before = self._said.get(key)
        return before is None or (finding.severity is not Severity.INFO and now - before >= AGAIN_AFTER)


def _key(finding: Finding) -> _Key:
    """Tell findings apart: the same trouble at another time is no other one."""
    what = _TIME.sub("", finding.what).encode("utf-8", "backslashreplace")
    return finding.code, finding.where, hashlib.sha256(what).digest()
