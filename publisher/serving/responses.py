"""What relying parties are answered: prepared once for a snapshot, looked up for each request.

Framework-free: a server gives `make`, which turns status, headers and body into whatever it sends.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from email.utils import format_datetime
from http import HTTPStatus
from typing import Generic, TypeVar

from publisher import strict_json
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH, Issuer
from publisher.publication.document_set import sha256
from publisher.publication.snapshot import Snapshot

R = TypeVar("R")
Headers = tuple[tuple[bytes, bytes], ...]
Make = Callable[[int, Headers, bytes], R]
"""Make what a server sends of status, headers (names in lower case) and body."""

NO_STORE = (b"cache-control", b"no-store")
ALLOWED = "GET, HEAD"

_JSON = (b"content-type", b"application/json")
_NOSNIFF = (b"x-content-type-options", b"nosniff")
_ANYBODY = (b"access-control-allow-origin", b"*")
"""The documents are public: a page of any origin may verify tokens with them."""

_ENTITY_TAG = re.compile(rb'(W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_CONDITIONS = frozenset({b"if-match", b"if-none-match", b"if-modified-since"})
_LONGEST_CONDITION = 8192


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxAges:
    """Say how long caches may keep each document; the manifest is never kept."""

    jwks: timedelta
    configuration: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource(Generic[R]):
    """Hold every answer of one path, prepared. `etag` None: there is no document, and no condition on it.

    `dated` is the date that an `If-Modified-Since` must repeat; None: no date says which bytes these are.
    """

    get: R
    head: R
    not_modified: R
    failed: R
    etag: bytes | None
    dated: bytes | None


Resources = Mapping[str, Resource[R]]
"""What is served now, by path from the root of the host."""


def paths(issuer: Issuer, jwks_path: str) -> tuple[str, str, str]:
    """Give the paths of JWKS, configuration and manifest from the root of the issuer's host."""
    # An issuer is https://host or https://host/path: the third slash begins the path.
    root = "/" + issuer.document_url("").partition("://")[2].partition("/")[2]
    return (root + jwks_path, root + CONFIGURATION_PATH, root + MANIFEST_PATH)


def prepare(
    snapshot: Snapshot,
    locations: tuple[str, str, str],
    ages: MaxAges,
    make: Make[R],
    *,
    now: datetime | None = None,
) -> Resources[R]:
    """Prepare a snapshot. Strong entity tags (RFC 9110 section 8.8.3) are digests of the bodies.

    `now` None: its manifest was made by this very instance, others have other dates for the same bytes, and
    no answer has a `Last-Modified`. Nor have documents that are not those of the manifest.
    """
    jwks, configuration, manifest = locations
    modified_at, confirmed_at = snapshot.manifest.modified_at, snapshot.manifest.confirmed_at
    whole, dated = (None, None) if now is None else (_Date.of(modified_at, now), _Date.of(confirmed_at, now))
    if not _is_finished(snapshot):
        whole = None
    return {
        jwks: _resource(snapshot.jwks, whole, ages.jwks, make),
        configuration: _resource(snapshot.configuration, whole, ages.configuration, make),
        manifest: _resource(snapshot.manifest_body, dated, None, make),
    }


def unavailable(locations: tuple[str, str, str], make: Make[R], *, retry_after: int) -> Resources[R]:
    """Prepare the answers of paths at which there should be documents, and nothing may be served."""
    refused = problem(HTTPStatus.SERVICE_UNAVAILABLE, make, ((b"retry-after", b"%d" % retry_after),))
    return dict.fromkeys(locations, refused)


def problem(status: HTTPStatus, make: Make[R], headers: Headers = ()) -> Resource[R]:
    """Prepare an error in JSON that says nothing but its status."""
    return uncached(
        status, _JSON[1], strict_json.dumps({"error": status.phrase.lower()}), make, (_ANYBODY, *headers)
    )


def uncached(
    status: HTTPStatus, content_type: bytes, body: bytes, make: Make[R], headers: Headers = ()
) -> Resource[R]:
    """Prepare an answer that nobody may keep."""
    fields = (
        (b"content-type", content_type),
        (b"content-length", b"%d" % len(body)),
        NO_STORE,
        _NOSNIFF,
        *headers,
    )
    get, head = make(status, fields, body), make(status, fields, b"")
    return Resource(get=get, head=head, not_modified=get, failed=get, etag=None, dated=None)


def answer(resource: Resource[R], method: str, headers: Iterable[tuple[bytes, bytes]]) -> R | None:
    """Choose among the answers of one path; None: the method is not allowed.

    `headers` have their names in lower case, as ASGI gives them.
    """
    if method == "GET":
        ready = resource.get
    elif method == "HEAD":
        ready = resource.head
    else:
        return None
    if resource.etag is None:
        return ready
    for name, _ in headers:
        if name in _CONDITIONS:
            other = _conditional(resource, headers)
            return ready if other is None else other
    return ready


@dataclass(frozen=True, slots=True)
class _Date:
    """Say when bytes were modified. `is_exact` False: a clock is wrong, and the date is only a bound."""

    text: bytes
    is_exact: bool

    @classmethod
    def of(cls, moment: datetime, now: datetime) -> "_Date":
        """Replace a date from the future by `now`, as RFC 9110 section 8.8.2.1 wants it."""
        text = format_datetime(min(moment, now).replace(microsecond=0), usegmt=True).encode()
        return cls(text, is_exact=moment <= now)


def _is_finished(snapshot: Snapshot) -> bool:
    """Tell whether the manifest, and so its dates, are those of the documents."""
    known = {document.sha256 for document in snapshot.manifest.documents}
    return {sha256(snapshot.jwks), sha256(snapshot.configuration)} <= known


def _resource(body: bytes, date: _Date | None, age: timedelta | None, make: Make[R]) -> Resource[R]:
    etag = b'"%s"' % sha256(body)[:32].encode()
    cache_control = (
        NO_STORE if age is None else (b"cache-control", b"public, max-age=%d" % int(age.total_seconds()))
    )
    dates: Headers = () if date is None else ((b"last-modified", date.text),)
    validators = ((b"etag", etag), *dates, cache_control, _NOSNIFF, _ANYBODY)
    fields = (_JSON, (b"content-length", b"%d" % len(body)), *validators)
    return Resource(
        get=make(HTTPStatus.OK, fields, body),
        head=make(HTTPStatus.OK, fields, b""),
        not_modified=make(HTTPStatus.NOT_MODIFIED, validators, b""),
        # Without a body, so that it answers HEAD as well.
        failed=make(
            HTTPStatus.PRECONDITION_FAILED,
            ((b"content-length", b"0"), NO_STORE, _NOSNIFF, _ANYBODY),
            b"",
        ),
        etag=etag,
        dated=date.text if date is not None and date.is_exact else None,
    )


def _conditional(resource: Resource[R], headers: Iterable[tuple[bytes, bytes]]) -> R | None:
    """Evaluate the conditions in the order of RFC 9110 section 13.2.2; None: they ask for the document."""
    wanted = _listed(headers, b"if-match")
    # Strong comparison (section 13.1.1): a weak tag matches nothing.
    if wanted is not None and wanted != b"*" and (b"", resource.etag) not in _ENTITY_TAG.findall(wanted):
        return resource.failed
    had = _listed(headers, b"if-none-match")
    if had is not None:
        # Weak comparison (section 13.1.2): the opaque parts are equal.
        is_had = had == b"*" or resource.etag in [tag for _, tag in _ENTITY_TAG.findall(had)]
        return resource.not_modified if is_had else None
    # Equal dates, not later ones: who rolls back, or has another clock, publishes other bytes under an
    # earlier date. More than one, or one in another form: the condition is ignored (section 13.1.3).
    dates = [value for name, value in headers if name == b"if-modified-since"]
    return resource.not_modified if dates == [resource.dated] else None


def _listed(headers: Iterable[tuple[bytes, bytes]], wanted: bytes) -> bytes | None:
    values = [value for name, value in headers if name == wanted]
    return b",".join(values)[:_LONGEST_CONDITION].strip() if values else None
