"""The third object of a publication: who published what when. Relying parties never need it."""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Self

from publisher import strict_json
from publisher.errors import SettingsError
from publisher.publication.manifest_reader import ManifestError, Reader

__all__ = [
    "KeyLead",
    "LeadTimeRecord",
    "Manifest",
    "ManifestError",
    "OverrideRecord",
    "PublishedDocument",
    "PublishedKey",
    "ReplacedDocument",
    "format_time",
    "seconds_of",
]

SCHEMA_VERSION = 1
"""The newest schema that this release reads and the one it writes; `docs/schema/manifest.json`."""

MOST_REPLACED = 32
"""The most replaced documents that a manifest remembers, the newest ones."""


REMEMBERED = timedelta(hours=1)
"""How long after the last cache a replaced document stays listed: a function may sleep through rotations."""

LONGEST_CACHED = timedelta(days=7)
"""The longest that a replaced document is excused for, and the longest max-age that we publish with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyLead:
    """Record how soon a key was published and used; whole seconds.

    `unseen`: how long it may have been in SPIRE's bundle before its first publication, None for a key of the
    very first one; `late`: how much longer than max-age older documents may still have been read then;
    `used_after`: how soon after its first publication it was seen to sign, negative: before it, None: not
    seen too soon; `available`: from first publication to activation, at the least; None: unknown.
    """

    unseen: timedelta | None
    late: timedelta = timedelta(0)
    used_after: timedelta | None = None
    available: timedelta | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadTimeRecord:
    """Record what a key needs, without a function's refresh; `ca_ttl` None: assumed, not known."""

    needed: timedelta
    ca_ttl: timedelta | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKey:
    """Name one key of a publication. `first_published_at` is None for a key that was found, not published.

    `lead` is None in the manifests of older releases; it makes no two keys differ.
    """

    kid: str
    alg: str
    thumbprint: str
    first_published_at: datetime | None
    expires_at: datetime | None = None
    lead: KeyLead | None = field(default=None, compare=False)


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

    def is_remembered(self, now: datetime) -> bool:
        """Tell whether it is worth listing: a reader that looks seldom learns how its keys were replaced."""
        return now - REMEMBERED < self.readable_until <= now + LONGEST_CACHED

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
    lead_time: LeadTimeRecord | None = None
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
                        **({"lead_time": _lead_members(key.lead)} if key.lead else {}),
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
                **({"lead_time": _record_members(self.lead_time)} if self.lead_time else {}),
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
        reader = Reader(value, where)
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
                    lead=item.part("lead_time", _key_lead),
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
            override=reader.part("override", _override),
            lead_time=reader.part("lead_time", _lead_time),
            publisher_version=reader.text("publisher_version"),
        )


def format_time(time: datetime) -> str:
    """Write a time as RFC 3339 in UTC, whole seconds."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def seconds_of(period: timedelta | None) -> int | None:
    """Write a period as whole seconds, rounded down; None stays None."""
    return None if period is None else period // timedelta(seconds=1)


def _lead_members(lead: KeyLead) -> dict[str, int | None]:
    return {
        "unseen_seconds": seconds_of(lead.unseen),
        "late_seconds": seconds_of(lead.late),
        "used_after_seconds": seconds_of(lead.used_after),
        "available_seconds": seconds_of(lead.available),
    }


def _record_members(record: LeadTimeRecord) -> dict[str, int | None]:
    return {"needed_seconds": seconds_of(record.needed), "ca_ttl_seconds": seconds_of(record.ca_ttl)}


def _format_optional(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)


def _override(reader: Reader) -> OverrideRecord:
    return OverrideRecord(
        accepted=reader.texts("accepted"),
        at=reader.time("at"),
        replaced_sha256=reader.optional("replaced_sha256", reader.text),
    )


def _key_lead(reader: Reader) -> KeyLead:
    return KeyLead(
        unseen=reader.optional("unseen_seconds", reader.period),
        late=reader.period("late_seconds"),
        used_after=reader.optional("used_after_seconds", reader.period),
        available=reader.optional("available_seconds", reader.period),
    )


def _lead_time(reader: Reader) -> LeadTimeRecord:
    return LeadTimeRecord(
        needed=reader.period("needed_seconds"), ca_ttl=reader.optional("ca_ttl_seconds", reader.period)
    )
