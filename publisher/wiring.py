"""Make adapters of settings: the only module that knows concrete classes and the system clock.

Adapters are imported where they are made, so that a run loads the libraries of its own sources and
sinks only.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar, assert_never

from publisher.bundle.fetched import Fetched, SourceKind
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import PublisherError
from publisher.findings import Finding
from publisher.ports import Clock, Deadline, Memory, Sink, Source, Web, WebAnswer
from publisher.publication.document_set import Document, StoredObject
from publisher.settings.addresses import BucketAddress, DirectoryAddress, SourceAddress

if TYPE_CHECKING:
    from publisher.settings.targets import PublishTarget, RenderTarget
    from publisher.use_cases.publish import Adapters

_LOG = logging.getLogger(__name__)
_CLIENT = "client of Cloud Storage"
_T = TypeVar("_T")


class SystemClock:
    """Tell the machine's time."""

    def now(self) -> datetime:
        """Give the time of day in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Give seconds that never go back."""
        return time.monotonic()

    def sleep(self, seconds: float) -> None:
        """Wait for that long."""
        time.sleep(seconds)


class Once(Generic[_T]):
    """Make something once for all threads; who comes while it is made waits, and shares its failure."""

    def __init__(self, make: Callable[[], _T]) -> None:
        self._make = make
        self._lock = threading.Lock()
        self._made: list[_T] = []
        self._error: PublisherError | None = None

    def get(self) -> _T:
        """Give what was made, or raise what its making raised.

        Raises:
            PublisherError: as the maker did.

        """
        with self._lock:
            if self._error is not None:
                raise self._error
            if not self._made:
                try:
                    self._made.append(self._make())
                except PublisherError as error:
                    self._error = error
                    raise
            return self._made[0]

    def forget(self, close: Callable[[_T], object]) -> None:
        """Close what was made, if it was."""
        with self._lock:
            while self._made:
                close(self._made.pop())


class SharedFetches:
    """Fetch one source for several publications: the first fetch of each of them is the same fetch.

    Who fetches again wants a newer answer, so the second fetches are one of their own.
    """

    def __init__(self, make: Callable[[], Source], *, only_once: bool) -> None:
        self._source = Once(make)
        self._only_once = only_once  # standard input is empty after the first time
        self._lock = threading.Lock()
        self._rounds: list[Once[Fetched]] = []

    def fetch(self, number: int, deadline: Deadline) -> Fetched:
        """Give the answer of that round, from 0.

        Raises:
            SourceError: as the source did; every publication of the round gets the same.
            BundleError: likewise.

        """
        number = 0 if self._only_once else number
        with self._lock:
            while len(self._rounds) <= number:
                self._rounds.append(Once(lambda: self._fetch(deadline)))
        return self._rounds[number].get()

    def _fetch(self, deadline: Deadline) -> Fetched:
        fetched = self._source.get().fetch(deadline)
        _LOG.debug(
            "fetched %d JWT authorities of %s, sequence number %s, from %s",
            len(fetched.bundle.jwt_authorities),
            fetched.bundle.trust_domain,
            fetched.bundle.sequence_number,
            fetched.source,
        )
        return fetched


class SharedSource:
    """Be the source of one publication among several that share its fetches."""

    def __init__(self, shared: SharedFetches) -> None:
        self._shared = shared
        self._round = 0

    def fetch(self, deadline: Deadline) -> Fetched:
        """Fetch, or take what another publication of this run has fetched already.

        Raises:
            SourceError: no answer, or none that may be used.
            BundleError: an answer whose content is unsafe to publish.

        """
        number, self._round = self._round, self._round + 1
        return self._shared.fetch(number, deadline)


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


@dataclass(frozen=True, slots=True)
class Wiring:
    """Make the adapters of one run; what is equal in several publications is made and used once.

    `notice` is told every finding about a sink before anything is repaired, in the publication's thread.
    """

    clock: Clock = field(default_factory=SystemClock)
    notice: Callable[[Finding], None] = lambda _finding: None
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _made: dict[Hashable, Any] = field(default_factory=dict)

    def adapters(self, target: "PublishTarget") -> "Adapters":
        """Make what one publication is done with.

        Raises:
            SinkError: no credentials, or a place that can be no sink.
            SettingsError: a CA file that cannot be read.

        """
        from publisher.use_cases.publish import Adapters  # noqa: PLC0415 (lazy: see above)

        return Adapters(
            source=self.source(target),
            sink=LoggedSink(self._sink(target)),
            memory=_memory(target.state_file),
            web=self.web(target.ca_file) if target.verify_url else None,
            clock=self.clock,
            notice=self.notice,
        )

    def source(self, target: "PublishTarget | RenderTarget") -> Source:
        """Make the source of one publication; equal ones are fetched once."""
        address, trust_domain, ca_file = target.source, target.trust_domain, target.ca_file
        if address.kind is not SourceKind.BUNDLE_ENDPOINT:
            ca_file = None  # no other source looks at it: the fetches are equal whatever it is
        shared: SharedFetches = self._shared(
            ("source", str(address), trust_domain, ca_file),
            lambda: SharedFetches(
                lambda: self._new_source(address, trust_domain, ca_file),
                only_once=address.is_standard_input,
            ),
        )
        return SharedSource(shared)

    def web(self, ca_file: Path | None) -> Web:
        """Make the reader of public URLs.

        Raises:
            SettingsError: a CA file that cannot be read.

        """
        from publisher.https import Https  # noqa: PLC0415 (lazy: see above)

        made: Once[Web] = self._shared(("web", ca_file), lambda: Once(lambda: Https(ca_file)))
        return LoggedWeb(made.get())

    def close(self) -> None:
        """Give back what the adapters of this run hold open; none of them may be at work."""
        client: Once[Any] | None = self._made.get(_CLIENT)
        if client is not None:
            client.forget(lambda made: made.close())

    def _shared(self, key: Hashable, make: Callable[[], _T]) -> _T:
        with self._lock:
            if key not in self._made:
                self._made[key] = make()
            made: _T = self._made[key]
            return made

    def _new_source(
        self, address: SourceAddress, trust_domain: TrustDomain | None, ca_file: Path | None
    ) -> Source:
        match address.kind:
            case SourceKind.FILE:
                from publisher.sources.file import FileSource  # noqa: PLC0415 (lazy: see above)

                return FileSource(address.place, trust_domain)
            case SourceKind.BUNDLE_ENDPOINT:
                from publisher.sources.bundle_endpoint import BundleEndpointSource  # noqa: PLC0415

                assert trust_domain is not None  # the settings require it for this kind
                return BundleEndpointSource(address.place, trust_domain, self.web(ca_file))
            case SourceKind.WORKLOAD_API:
                from publisher.sources.workload_api import WorkloadApiSource  # noqa: PLC0415

                return WorkloadApiSource(address.place, trust_domain)
            case SourceKind.SERVER_API:
                from publisher.sources.server_api import ServerApiSource  # noqa: PLC0415

                return ServerApiSource(address.place, trust_domain)
            case _:
                assert_never(address.kind)

    def _sink(self, target: "PublishTarget") -> Sink:
        match target.sink:
            case DirectoryAddress(path=path):
                from publisher.sinks.directory import DirectorySink  # noqa: PLC0415 (lazy: see above)

                return DirectorySink(Path(path))
            case BucketAddress(bucket=bucket, prefix=prefix):
                from publisher.sinks.gcs import GcsSink, open_client  # noqa: PLC0415 (lazy: see above)

                client: Once[Any] = self._shared(_CLIENT, lambda: Once(open_client))
                return GcsSink(
                    client=client.get(),
                    bucket=bucket,
                    prefix=prefix,
                    issuer=target.documents.issuer.url,
                )
            case _:
                assert_never(target.sink)


def _memory(state_file: Path | None) -> Memory | None:
    if state_file is None:
        return None
    from publisher.sinks.state_file import StateFile  # noqa: PLC0415 (lazy: see above)

    return StateFile(state_file)
