"""Make the applications of an environment: the only module here that knows concrete classes."""

import logging
import sys
from collections.abc import Mapping
from typing import assert_never

from publisher import __version__, logs
from publisher.errors import SettingsError
from publisher.ports import Clock, Source
from publisher.publication.snapshot import Snapshot
from publisher.quoting import quote
from publisher.serving import responses
from publisher.serving.responses import MaxAges, Resources
from publisher.serving.status import to_json
from publisher.serving.watch import Duty
from publisher.settings.addresses import BucketAddress, DirectoryAddress, SinkAddress, SourceAddress
from spire_oidc_function.application import Application, AsgiResponse, BrokenApplication, View, Views
from spire_oidc_function.clock import SystemClock
from spire_oidc_function.events import Judge
from spire_oidc_function.keeper import Keeper, Serve
from spire_oidc_function.reporting import LOGGER
from spire_oidc_function.settings import Settings
from spire_oidc_function.stores import EndpointStore, ReadableSink, SinkStore, Store


def read_settings(environment: Mapping[str, str]) -> Settings | None:
    """Read the settings and begin to log; None: they are wrong, and one line has said so."""
    logs.configure(sys.stderr, verbose=False, quiet=False, colour=False)
    try:
        settings = Settings.read(environment)
        refuse_reserved(responses.paths(settings.documents.issuer, settings.documents.jwks_path))
    except SettingsError as error:
        LOGGER.log(logging.CRITICAL, "nothing can be served: %s", error)
        return None
    return settings


RESERVED = frozenset({"/robots.txt", "/favicon.ico", "/healthz", "/eventlog"})
"""Paths at the root that the functions framework (the first two) or Cloud Run answers in our place."""


def refuse_reserved(locations: tuple[str, str, str]) -> None:
    """Refuse documents at paths that no request of a relying party reaches us by.

    Raises:
        SettingsError: one of them is `RESERVED`, or below `/_ah/`, which is Cloud Run's too.

    """
    for path in locations:
        if path in RESERVED or path.startswith("/_ah/"):
            what = f"leads to {quote(path)}, which the platform answers in this function's place"
            remedy = "choose another JWKS path, or an issuer with another path"
            raise SettingsError("SPIRE_OIDC_PUBLISHER_JWKS_PATH", what, remedy)


def make_application(
    settings: Settings | None, clock: Clock | None = None
) -> Application | BrokenApplication:
    """Make the HTTP application. Nothing is read before the first request, or the server's lifespan."""
    if settings is None:
        return BrokenApplication()
    clock = clock or SystemClock()
    duty = Duty(
        terms=settings.terms,
        policy=settings.policy,
        interval=settings.refresh_interval,
        place=str(settings.place),
        version=__version__,
        started_at=clock.now(),
    )
    keeper = Keeper(make_store(settings), duty, clock, make_serve(settings, clock))
    return Application(keeper, clock, VIEWS, settings.status_token)


def make_serve(settings: Settings, clock: Clock) -> Serve[AsgiResponse]:
    """Make what prepares the answers of a snapshot, or of none."""
    documents = settings.documents
    locations = responses.paths(documents.issuer, documents.jwks_path)
    ages = MaxAges(jwks=documents.jwks_max_age, configuration=documents.configuration_max_age)

    def serve(snapshot: Snapshot | None, retry_after: int) -> Resources[AsgiResponse]:
        if snapshot is None:
            return responses.unavailable(locations, AsgiResponse, retry_after=retry_after)
        # A bundle endpoint tells no dates: each instance would date the same bytes by its own first look.
        now = None if isinstance(settings.place, SourceAddress) else clock.now()
        return responses.prepare(snapshot, locations, ages, AsgiResponse, now=now)

    return serve


def make_store(settings: Settings) -> Store:
    """Make the reader of the publication. Libraries are loaded at its first read."""
    place = settings.place
    match place:
        case SourceAddress():
            return EndpointStore(
                lambda: _source(settings, place), settings.documents, settings.policy.refuse_after
            )
        case BucketAddress() | DirectoryAddress():
            return SinkStore(lambda: _sink(place, settings.documents.issuer.url), settings.documents.paths)
        case _:
            assert_never(place)


def _source(settings: Settings, address: SourceAddress) -> Source:
    from publisher.https import Https  # noqa: PLC0415 (lazy: a bucket's reader has no use for it)
    from publisher.sources.bundle_endpoint import BundleEndpointSource  # noqa: PLC0415

    return BundleEndpointSource(address.place, settings.trust_domain, Https(settings.ca_file))


def _sink(address: SinkAddress, issuer: str) -> ReadableSink:
    match address:
        case DirectoryAddress(path=path):
            from pathlib import Path  # noqa: PLC0415 (lazy: see above)

            from publisher.sinks.directory import DirectorySink  # noqa: PLC0415

            return DirectorySink(Path(path))
        case BucketAddress(bucket=bucket, prefix=prefix):
            from publisher.sinks.gcs import GcsSink, open_client  # noqa: PLC0415 (a quarter of a second)

            return GcsSink(client=open_client(), bucket=bucket, prefix=prefix, issuer=issuer)
        case _:
            assert_never(address)


def make_judge(settings: Settings, clock: Clock | None = None) -> Judge:
    """Make what judges events of a bucket.

    Raises:
        SettingsError: the settings name no bucket, and nothing else sends events.

    """
    if not isinstance(settings.place, BucketAddress):
        raise SettingsError(str(settings.place), "sends no events", "set the sink to gs://bucket")
    return Judge(
        store=make_store(settings),
        terms=settings.terms,
        place=settings.place,
        paths=settings.documents.paths,
        clock=clock or SystemClock(),
        settle=settings.settle_time.total_seconds(),
    )


def _json() -> View:
    return View(content_type=b"application/json", render=to_json)


def _page() -> View:
    from publisher.serving import status_page  # noqa: PLC0415 (lazy: few requests want it)

    policy = status_page.CONTENT_SECURITY_POLICY.encode()
    return View(
        content_type=status_page.CONTENT_TYPE.encode(),
        render=status_page.render_page,
        headers=((b"content-security-policy", policy), (b"referrer-policy", b"no-referrer")),
    )


def _metrics() -> View:
    from publisher.serving import metrics  # noqa: PLC0415 (lazy: see above)

    return View(content_type=metrics.CONTENT_TYPE.encode(), render=metrics.render_metrics)


VIEWS = Views(json=_json, page=_page, metrics=_metrics)
"""How the status is shown."""
