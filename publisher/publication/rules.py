"""What is refused: each rule a function that yields its finding where it is broken."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from publisher.bundle.jwt_authority import JwtAuthority
from publisher.bundle.trust_bundle import TrustBundle
from publisher.findings import Finding, Severity
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH
from publisher.publication.document_set import DocumentSet, PublicationSettings
from publisher.publication.found import Found, FoundKeys, shown
from publisher.publication.manifest import Manifest
from publisher.quoting import quote

DISJOINT, LOWER, NOT_OURS = "ROT001", "ROT002", "ROT006"
OVERRIDE_OF = {
    DISJOINT: "accept-disjoint-keys",
    NOT_OURS: "accept-disjoint-keys",
    LOWER: "accept-lower-sequence",
}
"""The long option that overrides each refusal which can be overridden."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Overrides:
    """Hold what a person accepted on the command line, for one run."""

    accept_disjoint_keys: bool = False
    accept_lower_sequence: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Context:
    """Hold what the rules judge. `keys_there` is None where the sink has no JWK Set.

    `public_urls` are the URLs at which the sink is read: one object may have several.
    """

    found: Found
    keys_there: FoundKeys | None
    bundle: TrustBundle
    settings: PublicationSettings
    documents: DocumentSet
    public_urls: tuple[str, ...] = ()
    left_out: tuple[JwtAuthority, ...] = ()

    @property
    def wanted(self) -> frozenset[str]:
        """Give the thumbprints of the bundle's keys."""
        return frozenset(authority.key.thumbprint for authority in self.bundle.jwt_authorities)

    @property
    def offered(self) -> frozenset[str]:
        """Give the thumbprints of the source's keys: those left out, too, show that it is the same SPIRE."""
        return self.wanted | {authority.key.thumbprint for authority in self.left_out}

    @property
    def jwks_is_wanted(self) -> bool:
        """Tell whether the JWKS at the sink has the wanted bytes already."""
        return self.found.jwks is not None and self.found.jwks.body == self.documents.jwks.body

    @property
    def record(self) -> Manifest | None:
        """Give the most trustworthy record: the state file, which only this host writes, or the manifest."""
        return self.found.remembered or self.found.manifest

    @property
    def resumes_reset(self) -> bool:
        """Tell whether the state file remembers the override that was to replace what is published now."""
        remembered, manifest = self.found.remembered, self.found.manifest
        if remembered is None or manifest is None or remembered.override is None:
            return False
        replaced = manifest.sha256_of(self.settings.jwks_path)
        return replaced is not None and remembered.override.replaced_sha256 == replaced

    @property
    def resumes_takeover(self) -> bool:
        """Tell whether a takeover was killed half-way: remembered, and its manifest never written.

        What lies at the sink is what the state file says was to be replaced, or to replace it. Only a first
        publication counts: who puts an old document of ours back, and removes the manifest, is a stranger.
        """
        remembered, found = self.found.remembered, self.found
        if remembered is None or found.manifest_object is not None or remembered.override is not None:
            return False
        if any(key.first_published_at != remembered.modified_at for key in remembered.keys):
            return False
        there = [
            (stored.path, stored.sha256) for stored in (found.jwks, found.configuration) if stored is not None
        ]
        replaced = {(old.path, old.sha256) for old in remembered.replaced}
        ours = {(document.path, document.sha256) for document in remembered.documents}
        return not replaced.isdisjoint(there) and replaced | ours >= set(there)

    @property
    def record_place(self) -> tuple[str, str]:
        """Name where that record lies, and what to do if it is the record that is wrong."""
        if self.found.remembered is not None:
            return "state file", "; if this publication is new, give it a state file of its own"
        if self.found.manifest is not None:
            return MANIFEST_PATH, ""
        return CONFIGURATION_PATH, "; if nobody uses it any more, remove it"

    @property
    def jwks_uri(self) -> str:
        """Give the URL that the configuration document shall name."""
        return self.settings.issuer.document_url(self.settings.jwks_path)


Rule = Callable[[Context], Iterator[Finding]]


def is_disjoint(context: Context) -> bool:
    """Tell whether something is on record as published and the bundle shares no key with it."""
    return bool(context.found.records) and not context.offered & context.found.published


def disjoint(context: Context) -> Iterator[Finding]:
    """Refuse a key set that shares nothing with what is published: every valid token would be refused."""
    if is_disjoint(context) and not context.jwks_is_wanted:
        offered = shown(authority.kid for authority in context.bundle.jwt_authorities)
        yield error(
            DISJOINT,
            str(context.settings.issuer),
            f"the bundle ({offered}) shares no key with the {len(context.found.published)} published",
            "if SPIRE lost its keys and its datastore, run this once more with --accept-disjoint-keys; "
            "if this is another SPIRE, correct --source (what is published stays)",
        )


def lower_sequence(context: Context) -> Iterator[Finding]:
    """Refuse an older bundle than the published one (a rollback would bring revoked keys back)."""
    record = context.found.counting_record(context.offered)
    offered = context.bundle.sequence_number
    published = record.sequence_number if record is not None else None
    if offered is None or published is None or offered >= published:
        return
    if is_disjoint(context) and context.jwks_is_wanted:
        return  # the number counts the keys of before an override that was killed half-way
    place = MANIFEST_PATH if record is context.found.manifest else "state file"
    yield error(
        LOWER,
        str(context.settings.issuer),
        f"the bundle has sequence number {offered}, the published one {published} ({place})",
        "if SPIRE lost its datastore or was restored from a backup, run this once more with "
        "--accept-lower-sequence; if this server only lags behind, wait for it; "
        "if no SPIRE ever had that number, somebody forged it: see the runbook",
    )


def not_ours(context: Context) -> Iterator[Finding]:
    """Refuse to take over a JWKS that no manifest or state file accounts for and that shares no key."""
    if context.found.records or context.found.jwks is None or context.jwks_is_wanted:
        return
    if context.keys_there is None or not context.keys_there.thumbprints & context.offered:
        yield error(
            NOT_OURS,
            context.found.jwks.path,
            "somebody else's document is there: it has none of the bundle's keys, and no manifest",
            "correct --sink or --source; if it may go, run this once more with --accept-disjoint-keys",
        )


def other_trust_domain(context: Context) -> Iterator[Finding]:
    """Refuse to replace another trust domain's publication."""
    record, offered = context.record, str(context.bundle.trust_domain)
    if record is not None and record.trust_domain != offered:
        place, remedy = context.record_place
        yield error(
            "ROT003",
            place,
            f"trust domain {quote(record.trust_domain)} is published here, the bundle is of {offered}",
            f"correct --trust-domain, --source or --sink{remedy}",
        )


def other_issuer(context: Context) -> Iterator[Finding]:
    """Refuse to replace another issuer's publication: its relying parties would be locked out."""
    record, wanted = context.record, str(context.settings.issuer)
    published = record.issuer if record is not None else context.found.configured("issuer")
    if published not in (None, wanted):
        place, remedy = context.record_place
        yield error(
            "ROT004",
            place,
            f"issuer {quote(published)} is published here, not {quote(wanted)}",
            f"correct --issuer or --sink; publish a new issuer to a place of its own{remedy}",
        )


def other_jwks_path(context: Context) -> Iterator[Finding]:
    """Refuse to move the JWKS: relying parties keep the `jwks_uri` that they have read."""
    record, path = context.record, context.settings.jwks_path
    if record is not None:
        paths = [d.path for d in record.documents if d.path != CONFIGURATION_PATH]
        published: object = paths[0] if paths else path
        same = {path}
    elif context.found.configured("issuer") != str(context.settings.issuer):
        return  # absent, or another issuer's: ROT004 says so
    else:
        published = context.found.configured("jwks_uri")
        same = {context.jwks_uri, *(f"{url}/{path}" for url in context.public_urls)}
    if published is not None and published not in same:
        place, remedy = context.record_place
        yield error(
            "ROT005",
            place,
            f"the JWKS is published at {quote(published)}, not {quote(path)}",
            f"keep the published --jwks-path; to move, publish a new issuer and migrate its users{remedy}",
        )


def error(code: str, where: str, what: str, remedy: str) -> Finding:
    """Make a finding of severity error."""
    return Finding(code=code, severity=Severity.ERROR, where=where, what=what, remedy=remedy)


ALWAYS: tuple[Rule, ...] = (other_trust_domain, other_issuer, other_jwks_path)
"""Refusals that nothing overrides."""

OVERRIDABLE: tuple[tuple[Rule, Callable[[Overrides], bool]], ...] = (
    (disjoint, lambda overrides: overrides.accept_disjoint_keys),
    (lower_sequence, lambda overrides: overrides.accept_lower_sequence),
    (not_ours, lambda overrides: overrides.accept_disjoint_keys),
)
"""Refusals that a person may override, and with what."""
