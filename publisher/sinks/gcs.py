"""Publish into a bucket of Google Cloud Storage."""

import base64
import re

import google_crc32c

from publisher.errors import SettingsError, SinkConflictError, SinkError, SinkSettingsError
from publisher.findings import Finding
from publisher.ports import Deadline
from publisher.publication.document_set import Document, Headers, StoredObject
from publisher.quoting import quote
from publisher.sinks.gcs_client import FailedError, attempt, open_client
from publisher.sinks.gcs_errors import Failure, Verdict
from publisher.sinks.gcs_federation import locked_out
from publisher.sinks.gcs_library import Client

__all__ = ["GcsSink", "open_client"]

_HOST = "storage.googleapis.com"
_BUCKET = re.compile(r"[a-z0-9][a-z0-9_-]{0,61}[a-z0-9]")
_DOTTED_BUCKET = re.compile(
    r"[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9_-]{0,61}[a-z0-9])?)+"
)
_OURS = re.compile(r"public, max-age=[0-9]+|no-store")
"""What we write as Cache-Control, and Google never states by itself for an object of ours."""
_LONGEST_BUCKET = 222
_SEGMENT = re.compile(r"(?!\.\.?$)[A-Za-z0-9._~-]+")
_LONGEST_PREFIX = 512


class GcsSink:
    """Keep the objects in a bucket, below a prefix; each read of ours and each write is one request.

    `client` comes from `open_client` and may be shared with other sinks; `issuer` is what is published here.
    Permissions: `storage.objects.get`, `create` and `delete` (Google asks for it to overwrite).
    A generation is the object's.

    Where `storage.objects.list` is missing, Google is said to answer a read of an absent object with
    403 and not 404. So a 403 counts as absent until a write, conditioned on absence, shows what it is.

    Raises:
        SettingsError: not a bucket's name, or a prefix that no issuer can have.

    """

    def __init__(self, *, client: Client, bucket: str, prefix: str, issuer: str) -> None:
        if not _is_bucket(bucket):
            remedy = "name it as Cloud Storage does: gs://bucket or gs://bucket/prefix"
            raise SettingsError(f"bucket {quote(bucket)}", "is no name that a bucket can have", remedy)
        if prefix and not _is_prefix(prefix):
            remedy = (
                "use segments of letters, digits and . _ ~ - with a slash between them, and none at the ends"
            )
            raise SettingsError(f"prefix {quote(prefix)}", "is no path that an issuer can have", remedy)
        self._client = client
        self._bucket = client.bucket(bucket)
        self._place = f"{bucket}/{prefix}" if prefix else bucket
        self._name_start = f"{prefix}/" if prefix else ""
        self._issuer = issuer
        self._unreadable: dict[str, Failure] = {}

    @property
    def location(self) -> str:
        """Name the bucket and prefix as `gs://bucket/prefix`."""
        return f"gs://{self._place}"

    @property
    def public_urls(self) -> tuple[str, ...]:
        """Give Google's two URLs; the second has no certificate for a bucket with a dot in its name."""
        bucket, slash, prefix = self._place.partition("/")
        urls = (f"https://{_HOST}/{self._place}", f"https://{bucket}.{_HOST}{slash}{prefix}")
        return urls[:1] if "." in bucket else urls

    def read(self, path: str, deadline: Deadline) -> StoredObject | None:
        """Read one object, its generation and its headers; None: absent, or answered 403.

        One request where the headers are ours, else another one for what is stored.

        The body is what is stored, not decompressed.

        Raises:
            SinkSettingsError: no such bucket, no valid credentials, larger than a document may be.
            SinkUnavailableError: no whole answer from Cloud Storage before the deadline.

        """

        def call(timeout: tuple[float, float]) -> StoredObject:
            blob = self._bucket.blob(self._name_start + path)
            body = blob.download_as_bytes(raw_download=True, checksum="crc32c", timeout=timeout, retry=None)
            stored = _stored(path, body, blob)
            if _OURS.fullmatch(blob.cache_control or ""):
                return stored
            # Where an object has none, or for some readers, Google states a Cache-Control of its own.
            known = self._bucket.blob(self._name_start + path)
            known.reload(projection="noAcl", timeout=timeout, retry=None)
            if known.generation != blob.generation:
                raise ValueError("the object changed while it was read")
            return _stored(path, body, known)

        self._unreadable.pop(path, None)
        try:
            return attempt(self._client, call, deadline)
        except FailedError as failed:
            match failed.failure:
                case Failure(verdict=Verdict.ABSENT, of_bucket=False):
                    return None
                case Failure(verdict=Verdict.FORBIDDEN) as failure:
                    self._unreadable[path] = failure
                    return None
                case failure:
                    raise failure.as_error(self._where(path)) from failed

    def write(self, document: Document, replaces: StoredObject | None, deadline: Deadline) -> StoredObject:
        """Write one object with its headers by one request, on condition of the generation it `replaces`.

        Raises:
            SinkConflictError: another generation is there; also after a write whose reply was lost.
            SinkUnavailableError: no confirmation before the deadline; the write may have happened.
            SinkSettingsError: no such bucket, a missing permission, no valid credentials.

        """

        def call(timeout: tuple[float, float]) -> StoredObject:
            blob = self._bucket.blob(self._name_start + document.path)
            blob.cache_control = document.headers.cache_control
            blob.content_encoding = document.headers.content_encoding
            blob.upload_from_string(
                document.body,
                content_type=document.headers.content_type,
                if_generation_match=int(replaces.generation) if replaces else 0,
                checksum="crc32c",
                timeout=timeout,
                retry=None,
            )
            if blob.crc32c != _crc32c(document.body):
                raise ValueError("it confirms other bytes than were sent")
            return _stored(document.path, document.body, blob)

        try:
            written = attempt(self._client, call, deadline)
        except FailedError as failed:
            raise self._not_written(failed.failure, document.path, replaces, deadline) from failed
        self._unreadable.pop(document.path, None)
        return written

    def rehearse(self, deadline: Deadline) -> None:
        """Say nothing: whether Cloud Storage would take a write is known only to a write."""

    def findings(self) -> tuple[Finding, ...]:
        """Report credentials that are federated from the issuer that is published here (GCS001)."""
        credentials = self._client._http.credentials  # noqa: SLF001 - see open_client
        finding = locked_out(credentials, self._issuer)
        return () if finding is None else (finding,)

    def _where(self, path: str) -> str:
        return f"gs://{self._place}/{path}"

    def _not_written(
        self, failure: Failure, path: str, replaces: StoredObject | None, deadline: Deadline
    ) -> SinkError:
        """Say why a write failed, from what it was conditioned on and what the read before it said."""
        where = self._where(path)
        match failure.verdict:
            case Verdict.CONFLICT if path in self._unreadable:
                # There is something although the read said 403: written meanwhile, or never readable.
                self.read(path, deadline)
                unreadable = self._unreadable.get(path)
                if unreadable is not None:
                    return _missing("storage.objects.get", where, unreadable)
            case Verdict.FORBIDDEN:
                usual = "storage.objects.delete" if replaces else "storage.objects.create"
                return _missing(failure.permission or usual, where, failure)
            case Verdict.ABSENT if not failure.of_bucket and "no such object" in failure.what.lower():
                return SinkConflictError(where, "was removed meanwhile", "run again")
        return failure.as_error(where, of_write=True)


def _missing(permission: str, where: str, failure: Failure) -> SinkSettingsError:
    what = f"the permission {permission} is missing: {failure.what}"
    remedy = "grant the publisher's identity storage.objects.get, create and delete on the bucket"
    return SinkSettingsError(where, what, remedy)


def _stored(path: str, body: bytes, blob: object) -> StoredObject:
    """Take generation and headers from the answer that a blob was just read or written with.

    Raises:
        ValueError: the answer names no generation, so it is not from Cloud Storage.

    """
    generation = getattr(blob, "generation", None)
    if not isinstance(generation, int) or generation <= 0:
        raise ValueError("no generation: a proxy or a login page may have answered")
    headers = Headers(
        content_type=getattr(blob, "content_type", None),
        cache_control=getattr(blob, "cache_control", None),
        content_encoding=getattr(blob, "content_encoding", None),
    )
    return StoredObject(path=path, body=body, generation=str(generation), headers=headers)


def _crc32c(body: bytes) -> str:
    """Give the checksum as Google writes it: 4 bytes, big-endian, base64."""
    return base64.b64encode(google_crc32c.value(body).to_bytes(4, "big")).decode()


def _is_bucket(name: str) -> bool:
    """Tell whether a bucket can have this name (Cloud Storage, bucket naming guidelines)."""
    if "." in name:
        return len(name) <= _LONGEST_BUCKET and _DOTTED_BUCKET.fullmatch(name) is not None
    return _BUCKET.fullmatch(name) is not None and len(name) >= 3  # noqa: PLR2004


def _is_prefix(prefix: str) -> bool:
    return len(prefix) <= _LONGEST_PREFIX and all(_SEGMENT.fullmatch(part) for part in prefix.split("/"))
