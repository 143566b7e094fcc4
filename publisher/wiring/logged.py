"""Adapters around adapters that say each step to the log of `--verbose`."""

import logging

from publisher.findings import Finding
from publisher.ports import Deadline, Sink, Web, WebAnswer
from publisher.publication.document_set import Document, StoredObject

_LOG = logging.getLogger(__name__)


class LoggedSink:
    """Say each step at a sink."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink

    @property
    def location(self) -> str:
        """Name the place."""
        return self._sink.location

    @property
    def public_urls(self) -> tuple[str, ...]:
        """Give its public URLs."""
        return self._sink.public_urls

    def read(self, path: str, deadline: Deadline) -> StoredObject | None:
        """Read one object.

        Raises:
            SinkError: as the sink.

        """
        there = self._sink.read(path, deadline)
        shown = f"{len(there.body)} bytes" if there else "nothing there"
        _LOG.debug("read %s/%s: %s", self.location, path, shown)
        return there

    def write(self, document: Document, replaces: StoredObject | None, deadline: Deadline) -> StoredObject:
        """Write one object.

        Raises:
            SinkError: as the sink.

        """
        stored = self._sink.write(document, replaces, deadline)
        _LOG.debug("wrote %s/%s: %d bytes", self.location, document.path, len(document.body))
        return stored

    def rehearse(self, deadline: Deadline) -> None:
        """Raise what a write would.

        Raises:
            SinkError: as the sink.

        """
        self._sink.rehearse(deadline)

    def findings(self) -> tuple[Finding, ...]:
        """Report what was noticed."""
        return self._sink.findings()


class LoggedWeb:
    """Say each step on the web."""

    def __init__(self, web: Web) -> None:
        self._web = web

    def get(self, url: str, deadline: Deadline) -> WebAnswer:
        """GET once.

        Raises:
            WebError: as the web.

        """
        answer = self._web.get(url, deadline)
        _LOG.debug("GET %s: %d, %d bytes", answer.url, answer.status, len(answer.body))
        return answer
