"""A configuration and a JWKS document that belong together, as wanted and as found at a sink."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Self

from publisher.bundle.trust_bundle import TrustBundle
from publisher.oidc import configuration, jwks
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH, Issuer
from publisher.publication.timing import Timing

CONTENT_TYPE = "application/json"


def sha256(body: bytes) -> str:
    """Give the hex SHA-256 of a body, as the manifest lists it."""
    return hashlib.sha256(body).hexdigest()


@dataclass(frozen=True, slots=True, kw_only=True)
class Headers:
    """Hold what a store serves an object with. None is a header that is absent."""

    content_type: str | None
    cache_control: str | None
    content_encoding: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """Hold one object as it shall be: its path below the issuer, bytes and headers."""

    path: str
    body: bytes
    headers: Headers

    @classmethod
    def of(cls, path: str, body: bytes, *, max_age: timedelta | None) -> Self:
        """Make a JSON document that caches may keep for `max_age` (RFC 9111 section 5.2.2), or not at all."""
        cache_control = "no-store" if max_age is None else f"public, max-age={int(max_age.total_seconds())}"
        return cls(
            path=path, body=body, headers=Headers(content_type=CONTENT_TYPE, cache_control=cache_control)
        )

    @property
    def sha256(self) -> str:
        """Give the hex SHA-256 of the body."""
        return sha256(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """Hold one object as a sink has it.

    `generation` is opaque: it names this very version and is what a write is conditioned on. `headers`
    is None for a sink that keeps none, such as a directory.
    """

    path: str
    body: bytes
    generation: str
    headers: Headers | None

    @property
    def sha256(self) -> str:
        """Give the hex SHA-256 of the body."""
        return sha256(self.body)

    def is_like(self, document: Document) -> bool:
        """Tell whether this is the document, headers included."""
        return self.body == document.body and self.headers in (None, document.headers)


@dataclass(frozen=True, slots=True, kw_only=True)
class DocumentSet:
    """Hold the two documents that relying parties read; `uploaded`: the JWKS alone is written."""

    configuration: Document
    jwks: Document
    uploaded: bool = False

    @property
    def written(self) -> tuple[Document, ...]:
        """Give what a sink keeps of it, in the order of writing.

        JWKS first: a relying party may read between the two writes.
        """
        return (self.jwks,) if self.uploaded else (self.jwks, self.configuration)


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicationSettings:
    """Hold what the documents of one publication are made of besides the bundle.

    Max-ages are whole seconds from 10 s; `due_after` and `stale_after` count from the last confirmation;
    `timing` says how long a new key travels, which no document shows. `uploaded`: the JWKS is given to the
    relying party itself, which reads no configuration document.
    """

    issuer: Issuer
    jwks_path: str = "keys"
    jwks_max_age: timedelta = timedelta(seconds=60)
    configuration_max_age: timedelta = timedelta(seconds=300)
    authorization_endpoint: str | None
    algorithms: Sequence[str] = configuration.ALGORITHMS
    due_after: timedelta = timedelta(minutes=15)
    stale_after: timedelta = timedelta(hours=1)
    timing: Timing = field(default_factory=Timing)
    uploaded: bool = False

    @property
    def paths(self) -> tuple[str, str, str]:
        """Give the paths of JWKS, configuration and manifest: the order in which they are written."""
        return (self.jwks_path, CONFIGURATION_PATH, MANIFEST_PATH)


def build(bundle: TrustBundle, settings: PublicationSettings) -> DocumentSet:
    """Build both documents: equal bundle and settings, equal bytes.

    Raises:
        BundleError: a key that the settings leave out.

    """
    return DocumentSet(
        configuration=Document.of(
            CONFIGURATION_PATH,
            configuration.build(
                issuer=settings.issuer,
                jwks_path=settings.jwks_path,
                authorization_endpoint=settings.authorization_endpoint,
                algorithms=settings.algorithms,
            ),
            max_age=settings.configuration_max_age,
        ),
        jwks=Document.of(
            settings.jwks_path,
            jwks.build(bundle, algorithms=settings.algorithms),
            max_age=settings.jwks_max_age,
        ),
        uploaded=settings.uploaded,
    )
