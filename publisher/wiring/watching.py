"""The adapters of `watch`: what lives as long as the process, and what is new in every round."""

import os
from collections.abc import Callable, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, assert_never

from publisher.bundle.fetched import SourceKind
from publisher.errors import SettingsError, WebUntrustedError
from publisher.findings import Finding
from publisher.ports import Clock, Deadline, Listener, WebAnswer
from publisher.settings.run import RunSettings
from publisher.wiring.clients import ClientKeeper, Lease, spoiled
from publisher.wiring.clock import SystemClock
from publisher.wiring.run import Wiring, open_provider_client, source_key

if TYPE_CHECKING:
    from publisher.settings.targets import PublishTarget

# Before anybody imports gRPC, whose core reads this once: it would write between our lines of JSON.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")


class FreshWeb:
    """Read https URLs with the certificate authorities that the CA file holds at each request.

    A service lives longer than the file's content.
    """

    def __init__(self, ca_file: Path | None) -> None:
        self._ca_file = ca_file

    def get(self, url: str, deadline: Deadline) -> WebAnswer:
        """GET once.

        Raises:
            WebError: no whole answer; or the CA file cannot be read just now.

        """
        from publisher.https import Https  # noqa: PLC0415 (lazy: only bundle endpoints need it)

        try:
            web = Https(self._ca_file)
        except SettingsError as error:
            raise WebUntrustedError(error.where, error.what, error.remedy) from error
        return web.get(url, deadline)


@dataclass(frozen=True, slots=True)
class WatchWiring:
    """Make the adapters of a service; `clients` is what its rounds have in common."""

    run: RunSettings
    clock: Clock
    clients: ClientKeeper
    provider_clients: ClientKeeper = field(init=False)

    def __post_init__(self) -> None:
        keeper = ClientKeeper(self.clock, open_client=open_provider_client, close=_close)
        object.__setattr__(self, "provider_clients", keeper)

    @classmethod
    def of(cls, run: RunSettings) -> "WatchWiring":
        """Make it over the machine's own clock; nothing is opened yet."""
        clock = SystemClock()
        return cls(run, clock, ClientKeeper(clock, open_client=_open_client, close=_close))

    @contextmanager
    def round(self, deadline: Deadline, notice: Callable[[Finding], None]) -> Iterator[tuple[Wiring, Lease]]:
        """Give the wiring of one round of one publication, and its hold on the client of Cloud Storage."""
        with self.clients.lease(deadline) as lease, spoiled(self.provider_clients, deadline) as providers:
            yield (
                Wiring(
                    clock=self.clock,
                    notice=notice,
                    take_client=lease.client,
                    take_provider_client=providers.client,
                ),
                lease,
            )

    def drop_clients(self) -> None:
        """Let later rounds open other clients: these ones' connections may be dead, their credentials old."""
        self.clients.drop()
        self.provider_clients.drop()

    def listener(self, target: "PublishTarget") -> Listener:
        """Make what listens to the source of a publication, and of all that have the same `news_of`.

        Raises:
            SourceError: a source that nobody can listen to.

        """
        place, run = target.source.place, self.run
        match target.source.kind:
            case SourceKind.FILE:
                from publisher.sources.file_news import FileNews  # noqa: PLC0415 (lazy, as all of them)

                return FileNews(place, poll_every=run.poll_every)
            case SourceKind.BUNDLE_ENDPOINT:
                from publisher.sources.bundle_endpoint_news import BundleEndpointNews  # noqa: PLC0415

                assert target.trust_domain is not None  # the settings require it for this kind
                return BundleEndpointNews(
                    place,
                    target.trust_domain,
                    FreshWeb(target.ca_file),
                    self.clock,
                    shortest=run.shortest_refresh,
                    longest=run.longest_refresh,
                )
            case SourceKind.WORKLOAD_API:
                from publisher.sources.workload_api_news import WorkloadApiNews  # noqa: PLC0415

                return WorkloadApiNews(place, target.trust_domain)
            case SourceKind.SERVER_API:
                from publisher.sources.server_api_news import ServerApiNews  # noqa: PLC0415

                return ServerApiNews(place, poll_every=run.poll_every)
            case SourceKind.SPIRE_PLUGIN:
                raise AssertionError(
                    "nobody listens to SPIRE's own calls"
                )  # pragma: no cover - not in settings
            case _:
                assert_never(target.source.kind)


def news_of(target: "PublishTarget") -> Hashable:
    """Give what two publications must have in common to share a listener."""
    return source_key(target)


def _open_client() -> Any:
    from publisher.sinks.gcs import open_client  # noqa: PLC0415 (lazy: a directory needs no Google)

    return open_client()


def _close(client: Any) -> None:
    client.close()
