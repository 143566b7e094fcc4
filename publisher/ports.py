"""What the use cases ask of the world: a source, a sink, a memory, the web and a clock."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum, auto
from typing import Protocol

from publisher.bundle.fetched import Fetched
from publisher.findings import Finding
from publisher.publication.document_set import Document, StoredObject


class Clock(Protocol):
    """Tell the time. Only `wiring` has the real one."""

    def now(self) -> datetime:
        """Give the time of day, aware, in UTC."""
        ...

    def monotonic(self) -> float:
        """Give seconds that never go back, from an unspecified start."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait for that long."""
        ...


@dataclass(frozen=True, slots=True)
class Deadline:
    """Hold the end of a run: whatever waits, waits no longer than `remaining()` seconds."""

    clock: Clock
    seconds: float
    _end: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_end", self.clock.monotonic() + self.seconds)

    def remaining(self) -> float:
        """Give the seconds that are left, at least 0.001: most libraries take 0 for no limit at all."""
        return max(self._end - self.clock.monotonic(), 0.001)

    @property
    def passed(self) -> bool:
        """Tell whether nothing may be started any more."""
        return self.clock.monotonic() >= self._end


class Source(Protocol):
    """Give the trust bundle of one trust domain."""

    def fetch(self, deadline: Deadline) -> Fetched:
        """Fetch once, retrying within the deadline what may pass.

        Raises:
            SourceError: no answer, or none that may be used.
            BundleError: an answer whose content is unsafe to publish.

        """
        ...


class Stop(Protocol):
    """Tell whether, and when, the process is asked to end."""

    def is_set(self) -> bool:
        """Tell whether it is time to end."""
        ...

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for that many seconds or for the end, and tell whether it is time to end."""
        ...


class Listener(Protocol):
    """Listen to a source for news of its trust bundle, without telling what they are."""

    def listen(self, ring: Callable[[], None], stop: Stop) -> None:
        """Call `ring` whenever the bundle may have changed, until `stop` is set; raise nothing.

        The first answer rings; equal answers after it do not, in whatever order a source gives its keys. A
        source that is away is asked again with growing, jittered pauses, and its return rings. Returns
        within a second of the stop.
        """
        ...


class Call(Enum):
    """Say what ended a wait."""

    NEWS = auto()
    TIME = auto()
    STOP = auto()


class Bell(Protocol):
    """Wait for news. Rings that come before a wait are kept as one."""

    def wait(self, seconds: float) -> Call:
        """Wait for a ring (and take it down), for the end, or for so many seconds."""
        ...


class Sink(Protocol):
    """Keep three objects below one place, each write conditioned on what it replaces."""

    @property
    def location(self) -> str:
        """Name the place for a person, e.g. `gs://bucket/prefix`."""
        ...

    @property
    def public_urls(self) -> tuple[str, ...]:
        """Give the https URLs at which the place can be read, without final slash; empty: unknown."""
        ...

    def read(self, path: str, deadline: Deadline) -> StoredObject | None:
        """Read one object whole; None: it is not there.

        Raises:
            SinkError: not readable, or larger than a document may be.

        """
        ...

    def write(self, document: Document, replaces: StoredObject | None, deadline: Deadline) -> StoredObject:
        """Write one object if, and only if, what it `replaces` is still there (None: nothing is).

        Returns what is stored now, as the store itself confirmed it: its generation and checksum.

        Raises:
            SinkConflictError: something else is there. The caller reads again and compares: the write of a
                lost reply looks just so.
            SinkError: not written, or not known to be.

        """
        ...

    def rehearse(self, deadline: Deadline) -> None:
        """Raise what a write would, as far as that can be told without writing.

        Raises:
            SinkError: as `write`.

        """
        ...

    def findings(self) -> tuple[Finding, ...]:
        """Report what was noticed about the sink's own settings while it was used."""
        ...


class Memory(Protocol):
    """Remember, beside the publisher, the manifest it wrote last: the state file."""

    @property
    def location(self) -> str:
        """Name the place for a person, e.g. `state file '/var/lib/...'`."""
        ...

    def recall(self) -> bytes | None:
        """Give the manifest that was remembered last; None: nothing yet.

        Raises:
            SettingsError: it is there and cannot be read.

        """
        ...

    def rehearse(self, deadline: Deadline) -> None:
        """Raise what `remember` would, as far as that can be told without writing.

        Raises:
            SinkError: as `remember`.

        """
        ...

    def remember(self, manifest: bytes) -> None:
        """Replace what is remembered, atomically and durably.

        Raises:
            SinkError: it could not be written.

        """
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class WebAnswer:
    """Hold an answer of any status. Header names are lower-case; repeated ones joined by `, `."""

    url: str
    status: int
    headers: dict[str, str]
    body: bytes


class Web(Protocol):
    """Read https URLs as a relying party does."""

    def get(self, url: str, deadline: Deadline) -> WebAnswer:
        """GET once over verified TLS; redirects are not followed, bodies are bounded.

        Raises:
            WebError: no whole answer.

        """
        ...
