"""Judge a manifest as read from the public URL: whether it is fresh and vouches for what is served."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from types import MappingProxyType

from publisher.errors import SettingsError
from publisher.findings import Finding, Severity
from publisher.oidc.issuer import Issuer
from publisher.publication.freshness import TOLERATED_SKEW, Freshness, assess
from publisher.publication.manifest import Manifest, ManifestError, format_time
from publisher.quoting import quote

CODES: Mapping[str, str] = MappingProxyType(
    {
        "MAN001": "There is no manifest",
        "MAN002": "The manifest cannot be read",
        "MAN003": "The manifest names another issuer",
        "MAN004": "The manifest does not vouch for what is served",
        "MAN005": "A cache still serves a replaced document",
        "MAN006": "A document may be newer than the manifest",
        "MAN007": "An override was used",
        "FRE001": "The publication is due",
        "FRE002": "The publication is stale",
        "FRE003": "The manifest is from the future",
    }
)
"""Every code of this module with its title; `docs/findings.md` explains each."""

_STRANGER = "publish again; if it comes back, find out who else writes there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Hold what one document's URL served. `last_modified` is None where its server does not say."""

    url: str
    sha256: str
    last_modified: datetime | None


def absent(where: str, *, required: bool) -> Finding:
    """Report that there is no manifest: relying parties do not miss it, staleness checks do."""
    return Finding(
        code="MAN001",
        severity=Severity.ERROR if required else Severity.INFO,
        where=where,
        what="there is no manifest, so nobody can tell whether the documents are still looked after",
        remedy="publish with this publisher; nothing to do for an issuer that something else publishes",
    )


def read(data: bytes, *, where: str) -> Manifest | Finding:
    """Read a manifest; bytes that are none, or of a newer schema than ours, are a finding."""
    try:
        return Manifest.parse(data, where=where)
    except (ManifestError, SettingsError) as error:
        return _error("MAN002", where, error.what, error.remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """Hold a manifest, where and when it was read, and how old its copy may be (None: unknown)."""

    manifest: Manifest
    where: str
    now: datetime
    lifetime: timedelta | None


def judge(reading: Reading, issuer: Issuer, served: Sequence[Served]) -> tuple[Finding, ...]:
    """Apply every rule: freshness first, then issuer, documents and overrides."""
    return (
        *_freshness(reading),
        *_issuer(reading, issuer),
        *(finding for document in served for finding in _vouches(reading, issuer, document)),
        *_override(reading),
    )


def _freshness(reading: Reading) -> Iterator[Finding]:
    manifest, now = reading.manifest, reading.now
    confirmed = f"was last confirmed at {format_time(manifest.confirmed_at)}"
    if manifest.confirmed_at > now + TOLERATED_SKEW:
        what = f"{confirmed}, but here it is {format_time(now)}"
        yield _error("FRE003", reading.where, what, "set both clocks; until then staleness cannot be told")
        return
    remedy = "look at the publisher's timer and log: revoked keys live on, new keys do not arrive"
    freshness = assess(manifest, now=now)
    if freshness is Freshness.STALE:
        what = f"{confirmed} and is stale since {format_time(manifest.stale_at)}"
        yield _error("FRE002", reading.where, what, remedy)
    elif freshness is Freshness.DUE:
        what = f"{confirmed} and is due since {format_time(manifest.due_at)}"
        yield _warning("FRE001", reading.where, what, remedy)


def _issuer(reading: Reading, issuer: Issuer) -> Iterator[Finding]:
    if reading.manifest.issuer != issuer.url:
        what = f"names issuer {quote(reading.manifest.issuer)}, not {issuer}"
        yield _error(
            "MAN003", reading.where, what, "publish this issuer here, or correct the issuer asked for"
        )


def _vouches(reading: Reading, issuer: Issuer, document: Served) -> Iterator[Finding]:
    """Tell mix-and-match (TUF's word) from caches that each are as old as they may be."""
    path = document.url.removeprefix(issuer.document_url(""))
    listed = reading.manifest.sha256_of(path)
    if listed == document.sha256:
        return
    if listed is None:
        what = f"does not list {quote(document.url)}"
        yield _error("MAN004", reading.where, what, _STRANGER)
        return
    until = [
        old.readable_until
        for old in reading.manifest.replaced
        if old.path == path and old.sha256 == document.sha256
    ]
    digests = f"{document.sha256[:12]} is served, {listed[:12]} was published"
    if until and reading.now < max(until):
        what = f"was replaced ({digests}); caches may serve it until {format_time(max(until))}"
        yield _warning("MAN005", document.url, what, "check again after that time")
    elif until:
        what = f"was replaced ({digests}) and should be in no cache since {format_time(max(until))}"
        yield _error("MAN004", document.url, what, "look at the cache in between: it serves stale documents")
    elif _may_be_newer(reading, document):
        what = f"may be newer than this copy of the manifest ({digests})"
        yield _warning("MAN006", document.url, what, "check again when the manifest's max-age has passed")
    else:
        what = f"is not the published document ({digests})"
        yield _error("MAN004", document.url, what, _STRANGER)


def _may_be_newer(reading: Reading, document: Served) -> bool:
    """Tell whether the document may have been written after the manifest's copy left its origin."""
    if reading.lifetime == timedelta(0):
        return False
    if reading.lifetime is None or document.last_modified is None:
        return True
    return document.last_modified > reading.now - reading.lifetime


def _override(reading: Reading) -> Iterator[Finding]:
    override = reading.manifest.override
    if override is not None:
        accepted = quote(", ".join(f"--{option}" for option in override.accepted))
        what = f"{accepted} was used at {format_time(override.at)}"
        yield Finding(
            code="MAN007",
            severity=Severity.INFO,
            where=reading.where,
            what=what,
            remedy="nothing to do if somebody meant it",
        )


def _error(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, where=where, what=what, remedy=remedy)


def _warning(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, where=where, what=what, remedy=remedy)
