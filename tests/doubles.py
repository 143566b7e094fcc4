"""Doubles of the ports: small worlds that keep the ports' promises and break where they are told to."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from publisher.bundle.fetched import Fetched, SourceKind, Witness
from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import PublisherError, SinkConflictError, SinkError, WebError
from publisher.findings import Finding
from publisher.ports import Deadline, WebAnswer
from publisher.publication.document_set import Document, Headers, StoredObject

if TYPE_CHECKING:
    from publisher.ports import Clock, Memory, Sink, Source, Web

NOON = datetime(2026, 11, 22, 12, 0, tzinfo=UTC)


@dataclass
class StoppedClock:
    """A clock that moves only when somebody sleeps or a test says so."""

    time: datetime = NOON
    slept: list[float] = field(default_factory=list)
    while_sleeping: Callable[[], None] = lambda: None

    def now(self) -> datetime:
        return self.time

    def monotonic(self) -> float:
        return self.time.timestamp()

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.time += timedelta(seconds=seconds)
        self.while_sleeping()

    def advance(self, **period: float) -> None:
        self.time += timedelta(**period)


class ListedSource:
    """A source that gives what it was told, one after the other; the last for ever."""

    def __init__(
        self,
        *bundles: TrustBundle | PublisherError,
        kind: SourceKind = SourceKind.SERVER_API,
        witness: Witness | None = None,
        findings: Iterable[Finding] = (),
    ) -> None:
        self.bundles = list(bundles)
        self.fetches = 0
        self._kind, self._witness, self._findings = kind, witness, tuple(findings)

    def fetch(self, deadline: Deadline) -> Fetched:
        assert deadline.remaining() > 0
        self.fetches += 1
        given = self.bundles.pop(0) if len(self.bundles) > 1 else self.bundles[0]
        if isinstance(given, PublisherError):
            raise given
        return Fetched(bundle=given, source=self._kind, findings=self._findings, witness=self._witness)


class Crashed(BaseException):
    """The process is killed here; nothing of it runs on."""


class MemorySink:
    """A store with generations and headers, as Cloud Storage keeps them.

    `before_write` and `after_write` are called with the number of the write (from 0) and its path: they
    raise to fail or crash, or write themselves to race.
    """

    def __init__(self, *, public_urls: tuple[str, ...] = (), keeps_headers: bool = True) -> None:
        self.objects: dict[str, StoredObject] = {}
        self.log: list[str] = []
        self.writes = 0
        self.reported: tuple[Finding, ...] = ()
        self.read_only: PublisherError | None = None
        self.is_careless = False  # True: every precondition is ignored
        self.before_write: Callable[[int, str], None] = lambda _number, _path: None
        self.after_write: Callable[[int, str], None] = lambda _number, _path: None
        self.after_read: Callable[[str], None] = lambda _path: None
        self._public_urls, self._keeps_headers = public_urls, keeps_headers
        self._generation = 0

    @property
    def location(self) -> str:
        return "memory:sink"

    @property
    def public_urls(self) -> tuple[str, ...]:
        return self._public_urls

    def put(self, path: str, body: bytes, headers: Headers | None = None) -> StoredObject:
        """Write as a stranger does: no precondition."""
        self._generation += 1
        kept = headers or Headers(content_type="application/json", cache_control="public, max-age=60")
        self.objects[path] = StoredObject(
            path=path,
            body=body,
            generation=str(self._generation),
            headers=kept if self._keeps_headers else None,
        )
        return self.objects[path]

    def read(self, path: str, deadline: Deadline) -> StoredObject | None:
        assert deadline.remaining() > 0
        self.log.append(f"read {path}")
        stored = self.objects.get(path)
        self.after_read(path)
        return stored

    def write(self, document: Document, replaces: StoredObject | None, deadline: Deadline) -> StoredObject:
        assert deadline.remaining() > 0
        number, self.writes = self.writes, self.writes + 1
        self.before_write(number, document.path)
        there = self.objects.get(document.path)
        if self.is_careless:
            replaces = there
        if (there.generation if there else None) != (replaces.generation if replaces else None):
            self.log.append(f"conflict {document.path}")
            raise SinkConflictError(document.path, "is of another generation", "read it again")
        stored = self.put(document.path, document.body, document.headers)
        self.log.append(f"write {document.path}")
        self.after_write(number, document.path)
        return stored

    def rehearse(self, deadline: Deadline) -> None:
        assert deadline.remaining() > 0
        if self.read_only is not None:
            raise self.read_only

    def findings(self) -> tuple[Finding, ...]:
        return self.reported

    @property
    def written(self) -> list[str]:
        return [line.removeprefix("write ") for line in self.log if line.startswith("write ")]


class DictMemory:
    """A state file without a file."""

    def __init__(self, manifest: bytes | None = None) -> None:
        self.manifest = manifest
        self.remembered = 0
        self.full: SinkError | None = None

    @property
    def location(self) -> str:
        return "state file 'memory'"

    def rehearse(self, deadline: Deadline) -> None:
        assert deadline.remaining() > 0
        if self.full is not None:
            raise self.full

    def recall(self) -> bytes | None:
        return self.manifest

    def remember(self, manifest: bytes) -> None:
        if self.full is not None:
            raise self.full
        self.manifest = manifest
        self.remembered += 1


class SinkWeb:
    """The public URL of a sink, behind a cache that may keep what it was told to."""

    def __init__(self, sink: MemorySink, base: str) -> None:
        self._sink, self._base = sink, base
        self.cached: dict[str, bytes] = {}
        self.down: str | None = None
        self.status = 200
        self.content_type = "application/json; charset=utf-8"

    def get(self, url: str, deadline: Deadline) -> WebAnswer:
        assert deadline.remaining() > 0
        if self.down:
            raise WebError(url, self.down, "")
        path = url.removeprefix(f"{self._base}/")
        stored = self._sink.objects.get(path)
        body = self.cached.get(path, stored.body if stored else b"")
        headers = {"content-type": self.content_type}
        return WebAnswer(url=url, status=self.status if stored else 404, headers=headers, body=body)


def codes(findings: Iterable[Finding]) -> list[str]:
    return [finding.code for finding in findings]


def ports_are_kept() -> Iterator[object]:
    """Hold the doubles to the ports: mypy reads this."""
    clock: Clock = StoppedClock()
    source: Source = ListedSource()
    sink: Sink = MemorySink()
    memory: Memory = DictMemory()
    web: Web = SinkWeb(MemorySink(), "")
    yield from (clock, source, sink, memory, web)
