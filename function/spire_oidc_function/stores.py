"""Where a publication is read: a sink, or made of a bundle endpoint's answer. Blocking; run in a thread."""

import math
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Protocol, assert_never

from publisher import __version__
from publisher.errors import RefusedError
from publisher.oidc.issuer import MANIFEST_PATH
from publisher.ports import Clock, Deadline, Source
from publisher.publication import document_set, rules
from publisher.publication.document_set import Document, PublicationSettings, StoredObject
from publisher.publication.found import Found
from publisher.publication.rotation import Keep, Publish, Refuse, Wanted, plan
from publisher.publication.rules import Overrides


class Store(Protocol):
    """Give a publication as it is found now."""

    def read(self, deadline: Deadline) -> Found:
        """Read all three objects.

        Raises:
            PublisherError: not readable before the deadline, or nothing that may be served.

        """
        ...


class ReadableSink(Protocol):
    """Be as much of a `ports.Sink` as a reader needs."""

    @property
    def location(self) -> str:
        """Name the place for a person."""
        ...

    def read(self, path: str, deadline: Deadline) -> StoredObject | None:
        """Read one object whole; None: it is not there.

        Raises:
            SinkError: not readable, or larger than a document may be.

        """
        ...


class SinkStore:
    """Read the publication at a sink. The sink is made at the first read: its library is slow to load."""

    def __init__(self, make: Callable[[], ReadableSink], paths: tuple[str, str, str]) -> None:
        self._make = make
        self._paths = paths
        self._sink: ReadableSink | None = None

    def read(self, deadline: Deadline) -> Found:
        """Read JWKS, configuration and manifest, in the order in which they are written.

        Raises:
            SinkError: not readable.
            SettingsError: a manifest of a newer release.

        """
        sink = self._sink = self._sink or self._make()
        objects = [sink.read(path, deadline) for path in self._paths]
        return Found.of(objects, remembered=None, where=sink.location)


class EndpointStore:
    """Publish into memory what a bundle endpoint offers, by the publisher's own plan and guards.

    No override exists here: an instance that starts anew accepts what validates. So does one that did not
    even try to fetch for a whole stale period, because it may have missed rotations, and one whose last
    answer is older than `refuse_after`, because that is served to nobody.
    """

    def __init__(
        self,
        make: Callable[[], Source],
        settings: PublicationSettings,
        refuse_after: timedelta = timedelta(hours=24),
    ) -> None:
        self._make = make
        self._settings = settings
        self._source: Source | None = None
        self._found = _NOTHING
        self._refuse_after = refuse_after
        self._tried_at = -math.inf

    def read(self, deadline: Deadline) -> Found:
        """Fetch, build and plan; give the publication that follows.

        Raises:
            SourceError: no answer that may be used.
            BundleError: an answer whose content is unsafe.
            RefusedError: it may not replace what was fetched before.

        """
        self._forget(deadline.clock)
        source = self._source = self._source or self._make()
        fetched = source.fetch(deadline)
        documents = document_set.build(fetched.bundle, self._settings)
        wanted = Wanted(
            bundle=fetched.bundle,
            source=fetched.source,
            settings=self._settings,
            documents=documents,
            publisher_version=__version__,
        )
        now = deadline.clock.now().replace(microsecond=0)
        decision = plan(self._found, wanted, overrides=Overrides(), now=now)
        match decision:
            case Refuse():
                raise _refused(decision)
            case Publish() | Keep():
                manifest = decision.manifest_write.document
                self._found = Found(
                    jwks=_stored(documents.jwks),
                    configuration=_stored(documents.configuration),
                    manifest_object=_stored(manifest),
                    manifest=decision.manifest,
                    manifest_problem=None,
                    remembered=None,
                )
                return self._found
            case _:
                assert_never(decision)

    def _forget(self, clock: Clock) -> None:
        """Forget what was fetched before where it is no measure any more."""
        before, self._tried_at = self._tried_at, clock.monotonic()
        slept = self._tried_at - before >= self._settings.stale_after.total_seconds()
        manifest = self._found.manifest
        if slept or (manifest is not None and clock.now() - manifest.confirmed_at >= self._refuse_after):
            self._found = _NOTHING


_NOTHING = Found(
    jwks=None,
    configuration=None,
    manifest_object=None,
    manifest=None,
    manifest_problem=None,
    remembered=None,
)


def _refused(decision: Refuse) -> RefusedError:
    remedy = "start new instances if SPIRE was really built anew: a new instance accepts what validates"
    findings = tuple(
        replace(finding, remedy=remedy) if finding.code in rules.OVERRIDE_OF else finding
        for finding in decision.findings
    )
    what = "refused: " + " and ".join(finding.what for finding in findings)
    return RefusedError(MANIFEST_PATH, what, remedy, findings=findings)


def _stored(document: Document) -> StoredObject:
    return StoredObject(
        path=document.path, body=document.body, generation=document.sha256, headers=document.headers
    )
