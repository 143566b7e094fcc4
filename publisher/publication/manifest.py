"""The third object of a publication: who published what when. Relying parties never need it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Self, TypeVar

from publisher import strict_json
from publisher.bundle.trust_bundle import LARGEST_NUMBER, MOST_KEYS
from publisher.errors import PublisherError, SettingsError
from publisher.quoting import quote

SCHEMA_VERSION = 1
"""The newest schema that this release reads and the one it writes; `docs/schema/manifest.json`."""

MOST_REPLACED = 32
"""The most replaced documents that a manifest remembers, the newest ones."""

_T = TypeVar("_T")


LONGEST_CACHED = timedelta(days=7)
"""The longest that a replaced document is excused for, and the longest max-age that we publish with."""


class ManifestError(PublisherError):
    """Say why bytes are no manifest of a schema that we know."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKey:
    """Name one key of a publication. `first_published_at` is None for a key that was found, not published."""

    kid: str
    alg: str
    thumbprint: str
    first_published_at: datetime | None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedDocument:
    """Name one document of a publication: path below the issuer, size in bytes, hex SHA-256."""

    path: str
    size: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ReplacedDocument:
    """Name a document that caches may still serve until `readable_until`, by its own max-age."""

    path: str
    sha256: str
    readable_until: datetime

    def is_readable(self, now: datetime) -> bool:
        """Tell whether a cache may serve it; a time beyond `LONGEST_CACHED` was never promised by us."""
        return now < self.readable_until <= now + LONGEST_CACHED


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrideRecord:
    """Record the last override: which guards (long option names), when, and the JWKS that it replaced."""

    accepted: tuple[str, ...]
    at: datetime
    replaced_sha256: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """State who published what when. Times are whole seconds in UTC; unknown is None.

    `modified_at`: when a document last changed; `confirmed_at`: when the source last agreed with them;
    `due_at`, `stale_at`: when somebody should look, and must.
    """

    issuer: str
    trust_domain: str
    sequence_number: int | None
    refresh_hint: int | None
    source: str
    modified_at: datetime
    confirmed_at: datetime
    due_at: datetime
    stale_at: datetime
    documents: tuple[PublishedDocument, ...]
    keys: tuple[PublishedKey, ...]
    replaced: tuple[ReplacedDocument, ...] = ()
    override: OverrideRecord | None = None
    publisher_version: str
    schema_version: int = SCHEMA_VERSION

    @property
    def thumbprints(self) -> frozenset[str]:
        """Give the thumbprints of all keys."""
        return frozenset(key.thumbprint for key in self.keys)

    def sha256_of(self, path: str) -> str | None:
        """Give the digest of the document at `path`; None: not listed."""
        return next((document.sha256 for document in self.documents if document.path == path), None)

    def says_the_same(self, other: Self) -> bool:
        """Tell whether both publish the same, whoever confirmed it last and when."""
        return (self.issuer, self.trust_domain, self.sequence_number, self.documents, self.keys) == (
            other.issuer,
            other.trust_domain,
            other.sequence_number,
            other.documents,
            other.keys,
        )

    def dumps(self) -> bytes:
        """Serialise to canonical JSON."""
        return strict_json.dumps(
            {
                "schema_version": self.schema_version,
                "issuer": self.issuer,
                "trust_domain": self.trust_domain,
                "sequence_number": self.sequence_number,
                "refresh_hint": self.refresh_hint,
                "source": self.source,
                "modified_at": format_time(self.modified_at),
                "confirmed_at": format_time(self.confirmed_at),
                "due_at": format_time(self.due_at),
                "stale_at": format_time(self.stale_at),
                "documents": [
                    {"path": document.path, "size": document.size, "sha256": document.sha256}
                    for document in self.documents
                ],
                "keys": [
                    {
                        "kid": key.kid,
                        "alg": key.alg,
                        "thumbprint": key.thumbprint,
                        "first_published_at": _format_optional(key.first_published_at),
                        "expires_at": _format_optional(key.expires_at),
                    }
                    for key in self.keys
                ],
                "replaced": [
                    {
                        "path": old.path,
                        "sha256": old.sha256,
                        "readable_until": format_time(old.readable_until),
                    }
                    for old in self.replaced
                ],
                "override": self.override
                and {
                    "accepted": list(self.override.accepted),
                    "at": format_time(self.override.at),
                    "replaced_sha256": self.override.replaced_sha256,
                },
                "publisher_version": self.publisher_version,
            }
        )

    @classmethod
    def parse(cls, data: bytes, *, where: str) -> Self:
        """Parse a manifest; members that this schema does not know are ignored.

        Raises:
            SettingsError: a schema newer than ours; whoever wrote it must not be undone.
            ManifestError: anything else that is no manifest.

        """
        try:
            value = strict_json.loads(data, where=where)
        except strict_json.MalformedError as error:
            raise ManifestError(error.where, error.what, error.remedy) from error
        reader = _Reader(value, where)
        schema = reader.number("schema_version", least=1)
        if schema > SCHEMA_VERSION:
            raise SettingsError(
                where,
                f"was written by a newer release (schema {schema}; this one knows {SCHEMA_VERSION})",
                "upgrade this publisher; if nobody runs a newer one, somebody forged it: see the runbook",
            )
        if not reader.array("keys"):
            raise ManifestError(where, "lists no keys", "publish again to replace it")
        return cls(
            issuer=reader.text("issuer"),
            trust_domain=reader.text("trust_domain"),
            sequence_number=reader.optional("sequence_number", reader.number),
            refresh_hint=reader.optional("refresh_hint", reader.number),
            source=reader.text("source"),
            modified_at=reader.time("modified_at"),
            confirmed_at=reader.time("confirmed_at"),
            due_at=reader.time("due_at"),
            stale_at=reader.time("stale_at"),
            documents=tuple(
                PublishedDocument(
                    path=item.text("path"), size=item.number("size"), sha256=item.text("sha256")
                )
                for item in reader.array("documents")
            ),
            keys=tuple(
                PublishedKey(
                    kid=item.text("kid"),
                    alg=item.text("alg"),
                    thumbprint=item.text("thumbprint"),
                    first_published_at=item.optional("first_published_at", item.time),
                    expires_at=item.optional("expires_at", item.time),
                )
                for item in reader.array("keys")
            ),
            replaced=tuple(
                ReplacedDocument(
                    path=item.text("path"),
                    sha256=item.text("sha256"),
                    readable_until=item.time("readable_until"),
                )
                for item in reader.optional("replaced", reader.array) or ()
            ),
            override=reader.optional("override", reader.override),
            publisher_version=reader.text("publisher_version"),
        )


def format_time(time: datetime) -> str:
    """Write a time as RFC 3339 in UTC, whole seconds."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _format_optional(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)


class _Reader:
    """Read typed members of one JSON object."""

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ManifestError(where, "is not a JSON object", "publish again to replace it")
        self._members: Mapping[str, Any] = value
        self._where = where

    def _refused(self, name: str, wanted: str) -> ManifestError:
        shown = quote(self._members.get(name), 40)
        return ManifestError(
            self._where, f"member {name} is {shown}, not {wanted}", "publish again to replace it"
        )

    def text(self, name: str) -> str:
        value = self._members.get(name)
        if not isinstance(value, str):
            raise self._refused(name, "a string")
        return value

    def number(self, name: str, least: int = 0) -> int:
        value = self._members.get(name)
        if type(value) is not int or not least <= value <= LARGEST_NUMBER:
            raise self._refused(name, f"a number from {least} to 2^63 - 1")
        return value

    def time(self, name: str) -> datetime:
        try:
            time = datetime.fromisoformat(self.text(name))
            if time.tzinfo is None:
                raise self._refused(name, "a time with its zone")
            return time.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self._refused(name, "a time") from error

    def optional(self, name: str, read: Callable[[str], _T]) -> _T | None:
        return None if self._members.get(name) is None else read(name)

    def array(self, name: str) -> list["_Reader"]:
        value = self._members.get(name)
        if not isinstance(value, list) or len(value) > MOST_KEYS:
            raise self._refused(name, f"an array of at most {MOST_KEYS}")
        return [_Reader(item, f"{self._where}: {name}[{number}]") for number, item in enumerate(value)]

    def override(self, name: str) -> OverrideRecord:
        record = _Reader(self._members[name], f"{self._where}: {name}")
        accepted = record._members.get("accepted")
        if not isinstance(accepted, list) or not all(isinstance(option, str) for option in accepted):
            raise record._refused("accepted", "an array of strings")
        return OverrideRecord(
            accepted=tuple(accepted),
            at=record.time("at"),
            replaced_sha256=record.optional("replaced_sha256", record.text),
        )
