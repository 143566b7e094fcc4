"""A sink between whose operations others may come."""

from collections.abc import Callable

from publisher.findings import Finding
from publisher.ports import Deadline, Sink
from publisher.publication.document_set import Document, StoredObject


class SteppingSink:
    """Another sink, as one publisher has it. Each operation is whole; before and after it, anything happens.

    `look` is called after every write.
    """

    def __init__(self, sink: Sink, step: Callable[[], None], look: Callable[[], None]) -> None:
        self.writes = 0
        self._sink, self._step, self._look = sink, step, look

    @property
    def location(self) -> str:
        return self._sink.location

    @property
    def public_urls(self) -> tuple[str, ...]:
        return self._sink.public_urls

    def read(self, path: str, deadline: Deadline) -> StoredObject | None:
        self._step()
        there = self._sink.read(path, deadline)
        self._step()
        return there

    def write(self, document: Document, replaces: StoredObject | None, deadline: Deadline) -> StoredObject:
        self._step()
        self.writes += 1
        stored = self._sink.write(document, replaces, deadline)
        self._look()
        self._step()
        return stored

    def rehearse(self, deadline: Deadline) -> None:
        self._sink.rehearse(deadline)

    def findings(self) -> tuple[Finding, ...]:
        return self._sink.findings()
