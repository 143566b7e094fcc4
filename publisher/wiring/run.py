"""The adapters of one run, or of one round of `watch`.

Adapters are imported where they are made, so that a run loads the libraries of its own sources and
sinks only.
"""

import os
import threading
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar, assert_never

from publisher.bundle.fetched import SourceKind
from publisher.bundle.trust_domain import TrustDomain
from publisher.findings import Finding
from publisher.ports import Clock, Memory, Sink, Source, Web
from publisher.settings.addresses import BucketAddress, DirectoryAddress, ProviderAddress, SourceAddress
from publisher.wiring.clock import SystemClock
from publisher.wiring.logged import LoggedSink, LoggedWeb
from publisher.wiring.shared import Once, SharedFetches, SharedSource

if TYPE_CHECKING:
    from publisher.settings.targets import PublishTarget, RenderTarget
    from publisher.use_cases.publish import Adapters

_CLIENT = "client of Cloud Storage"
_PROVIDERS = "client of IAM"
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True)
class Wiring:
    """Make the adapters of one run; what is equal in several publications is made and used once.

    `notice` is told every finding about a sink before anything is repaired, in the publication's thread.
    `take_client` gives a client of Cloud Storage that somebody else closes, `take_provider_client` one of
    IAM; None: this run opens its own.
    """

    clock: Clock = field(default_factory=SystemClock)
    notice: Callable[[Finding], None] = lambda _finding: None
    take_client: Callable[[], Any] | None = None
    take_provider_client: Callable[[], Any] | None = None
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
            sink=self.sink(target),
            memory=_memory(target),
            web=self.web(target.ca_file) if target.verify_url else None,
            clock=self.clock,
            notice=self.notice,
        )

    def source(self, target: "PublishTarget | RenderTarget") -> Source:
        """Make the source of one publication; equal ones are fetched once."""
        address, trust_domain, ca_file = key = source_key(target)
        shared: SharedFetches = self._shared(
            ("source", key),
            lambda: SharedFetches(
                lambda: self._new_source(address, trust_domain, ca_file),
                only_once=address.is_standard_input,
            ),
        )
        return SharedSource(shared)

    def sink(self, target: "PublishTarget") -> Sink:
        """Make the sink of one publication.

        Raises:
            SinkError: no credentials, or a place that can be no sink.

        """
        return LoggedSink(self._sink(target))

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
        for name in (_CLIENT, _PROVIDERS):
            client: Once[Any] | None = self._made.get(name)
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
            case SourceKind.SPIRE_PLUGIN:
                from publisher.sources.pushed import PushedSource  # noqa: PLC0415

                return PushedSource()  # an empty one: the plugin has its own put in its place
            case _:
                assert_never(address.kind)

    def _sink(self, target: "PublishTarget") -> Sink:
        match target.sink:
            case DirectoryAddress(path=path):
                from publisher.sinks.directory import DirectorySink  # noqa: PLC0415 (lazy: see above)

                return DirectorySink(Path(path))
            case BucketAddress(bucket=bucket, prefix=prefix):
                from publisher.sinks.gcs import GcsSink  # noqa: PLC0415 (lazy: see above)

                return GcsSink(
                    client=(self.take_client or self._own_client)(),
                    bucket=bucket,
                    prefix=prefix,
                    issuer=target.documents.issuer.url,
                )
            case ProviderAddress(name=name):
                from publisher.sinks.state_file import StateFile  # noqa: PLC0415 (lazy: see above)
                from publisher.sinks.wif_provider import WifProviderSink  # noqa: PLC0415

                assert target.state_file is not None  # the settings require it for this sink
                return WifProviderSink(
                    client=(self.take_provider_client or self._own_provider_client)(),
                    name=name,
                    issuer=target.documents.issuer.url,
                    manifest=StateFile(target.state_file),
                )
            case _:
                assert_never(target.sink)

    def _own_client(self) -> Any:
        from publisher.sinks.gcs import open_client  # noqa: PLC0415 (lazy: see above)

        client: Once[Any] = self._shared(_CLIENT, lambda: Once(open_client))
        return client.get()

    def _own_provider_client(self) -> Any:
        client: Once[Any] = self._shared(_PROVIDERS, lambda: Once(open_provider_client))
        return client.get()


def open_provider_client() -> Any:
    """Open a client of Google's IAM API, where the environment says that it is.

    Raises:
        SettingsError: the environment names no origin.
        SinkError: no credentials.

    """
    from publisher.gcp.endpoints import Endpoints  # noqa: PLC0415 (lazy: most runs need no IAM)
    from publisher.sinks.wif_provider_client import open_provider_client as open_at  # noqa: PLC0415

    return open_at(Endpoints.read(os.environ).iam)


def source_key(
    target: "PublishTarget | RenderTarget",
) -> tuple[SourceAddress, TrustDomain | None, Path | None]:
    """Give what the fetches of two publications are equal by."""
    # No other source looks at the CA file: the fetches are equal whatever it is.
    needs_ca = target.source.kind is SourceKind.BUNDLE_ENDPOINT
    return target.source, target.trust_domain, target.ca_file if needs_ca else None


def _memory(target: "PublishTarget") -> Memory | None:
    path = target.state_file
    if path is None:
        return None
    from publisher.sinks.state_file import StateFile  # noqa: PLC0415 (lazy: see above)

    if target.documents.uploaded:
        # The state file itself is the manifest; what a run sets out to write is remembered beside it.
        from publisher.settings.targets import PLANNED  # noqa: PLC0415 (lazy: see above)

        path = path.with_name(f"{path.name}{PLANNED}")
    return StateFile(path)
