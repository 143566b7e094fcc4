"""The rules of replacing a publication: each a function that yields its finding where it is broken."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace

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
    """Hold what the rules judge. `keys_there` is None where the sink has no JWK Set."""

    found: Found
    keys_there: FoundKeys | None
    bundle: TrustBundle
    settings: PublicationSettings
    documents: DocumentSet

    @property
    def wanted(self) -> frozenset[str]:
        """Give the thumbprints of the bundle's keys."""
        return frozenset(authority.key.thumbprint for authority in self.bundle.jwt_authorities)

    @property
    def jwks_is_wanted(self) -> bool:
        """Tell whether the JWKS at the sink has the wanted bytes already."""
        return self.found.jwks is not None and self.found.jwks.body == self.documents.jwks.body

    @property
    def record(self) -> Manifest | None:
        """Give the most trustworthy record: the state file, which only this host writes, or the manifest."""
        return self.found.remembered or self.found.manifest

    @property
    def jwks_uri(self) -> str:
        """Give the URL that the configuration document shall name."""
        return self.settings.issuer.document_url(self.settings.jwks_path)


Rule = Callable[[Context], Iterator[Finding]]


def is_disjoint(context: Context) -> bool:
    """Tell whether something is on record as published and the bundle shares no key with it."""
    return bool(context.found.records) and not context.wanted & context.found.published


def disjoint(context: Context) -> Iterator[Finding]:
    """Refuse a key set that shares nothing with what is published: every valid token would be refused."""
    if is_disjoint(context) and not context.jwks_is_wanted:
        offered = shown(authority.kid for authority in context.bundle.jwt_authorities)
        yield _error(
            DISJOINT,
            str(context.settings.issuer),
            f"the bundle ({offered}) shares no key with the {len(context.found.published)} published",
            "if SPIRE lost its keys and its datastore, run this once more with --accept-disjoint-keys; "
            "if this is another SPIRE, correct --source (what is published stays)",
        )


def lower_sequence(context: Context) -> Iterator[Finding]:
    """Refuse an older bundle than the published one (a rollback would bring revoked keys back)."""
    offered, published = context.bundle.sequence_number, context.found.sequence_number
    if offered is None or published is None or offered >= published:
        return
    if is_disjoint(context) and context.jwks_is_wanted:
        return  # the number counts the keys of before an override that was killed half-way
    yield _error(
        LOWER,
        str(context.settings.issuer),
        f"the bundle has sequence number {offered}, the published one {published}",
        "if SPIRE lost its datastore or was restored from a backup, run this once more with "
        "--accept-lower-sequence; if this server only lags behind, wait for it",
    )


def not_ours(context: Context) -> Iterator[Finding]:
    """Refuse to take over a JWKS that no manifest or state file accounts for and that shares no key."""
    if context.found.records or context.found.jwks is None or context.jwks_is_wanted:
        return
    if context.keys_there is None or not context.keys_there.thumbprints & context.wanted:
        yield _error(
            NOT_OURS,
            context.found.jwks.path,
            "somebody else's document is there: it has none of the bundle's keys, and no manifest",
            "correct --sink or --source; if it may go, run this once more with --accept-disjoint-keys",
        )


def other_trust_domain(context: Context) -> Iterator[Finding]:
    """Refuse to replace another trust domain's publication."""
    record, offered = context.record, str(context.bundle.trust_domain)
    if record is not None and record.trust_domain != offered:
        yield _error(
            "ROT003",
            MANIFEST_PATH,
            f"trust domain {quote(record.trust_domain)} is published here, the bundle is of {offered}",
            "correct --trust-domain, --source or --sink",
        )


def other_issuer(context: Context) -> Iterator[Finding]:
    """Refuse to replace another issuer's publication: its relying parties would be locked out."""
    record, wanted = context.record, str(context.settings.issuer)
    published = record.issuer if record is not None else context.found.configured("issuer")
    if published not in (None, wanted):
        yield _error(
            "ROT004",
            MANIFEST_PATH if record is not None else CONFIGURATION_PATH,
            f"issuer {quote(published)} is published here, not {quote(wanted)}",
            "correct --issuer or --sink; publish a new issuer to a place of its own",
        )


def other_jwks_path(context: Context) -> Iterator[Finding]:
    """Refuse to move the JWKS: relying parties keep the `jwks_uri` that they have read."""
    record, wanted = context.record, context.settings.jwks_path
    if record is not None:
        paths = [d.path for d in record.documents if d.path != CONFIGURATION_PATH]
        published: object = paths[0] if paths else wanted
    elif context.found.configured("issuer") != str(context.settings.issuer):
        return  # absent, or another issuer's: ROT004 says so
    else:
        published = context.found.configured("jwks_uri")
        wanted = context.jwks_uri
    if published not in (None, wanted):
        yield _error(
            "ROT005",
            MANIFEST_PATH if record is not None else CONFIGURATION_PATH,
            f"the JWKS is published at {quote(published)}, not {quote(wanted)}",
            "keep the published --jwks-path; to move, publish a new issuer and migrate its relying parties",
        )


def foreign_keys(context: Context) -> Iterator[Finding]:
    """Report keys at the sink that neither manifest, state file nor bundle know: somebody else wrote."""
    if not context.found.records or context.keys_there is None:
        return
    known = context.found.published | context.wanted
    foreign = [key.kid for key in context.keys_there.identified if key.thumbprint not in known]
    if foreign or context.keys_there.strangers:
        yield _error(
            "ROT010",
            context.settings.jwks_path,
            f"held keys that SPIRE never had ({shown([*foreign, *context.keys_there.strangers])}): repaired",
            "find out who can write there; tokens of those keys were accepted until now",
        )


def changed_metadata(context: Context) -> Iterator[Finding]:
    """Report an issuer or `jwks_uri` that this publisher never wrote."""
    if context.record is None or context.found.configuration is None:
        return
    wanted = {"issuer": str(context.settings.issuer), "jwks_uri": context.jwks_uri}
    changed = [name for name, value in wanted.items() if context.found.configured(name) not in (None, value)]
    if changed:
        values = shown(str(context.found.configured(name)) for name in changed)
        yield _error(
            "ROT011",
            CONFIGURATION_PATH,
            f"{' and '.join(changed)} had been changed to {values}: repaired",
            "find out who can write there; relying parties may have read keys from elsewhere",
        )


def changed_manifest(context: Context) -> Iterator[Finding]:
    """Report a manifest that names another publication than the state file remembers."""
    manifest, remembered = context.found.manifest, context.found.remembered
    if manifest is None or remembered is None:
        return
    if (manifest.issuer, manifest.trust_domain) != (remembered.issuer, remembered.trust_domain):
        yield _error(
            "ROT018",
            MANIFEST_PATH,
            f"had been changed to issuer {quote(manifest.issuer)} and trust domain "
            f"{quote(manifest.trust_domain)}: repaired",
            "find out who can write there",
        )


def unfinished(context: Context) -> Iterator[Finding]:
    """Report documents that disagree with the manifest without a stranger's hand: a killed run."""
    manifest = context.found.manifest
    if manifest is None or any(foreign_keys(context)) or any(changed_metadata(context)):
        return
    stored = {context.settings.jwks_path: context.found.jwks, CONFIGURATION_PATH: context.found.configuration}
    differing = [
        path
        for path, there in stored.items()
        if manifest.sha256_of(path) != (there.sha256 if there is not None else None)
    ]
    if differing:
        yield _warning(
            "ROT012",
            " and ".join(differing),
            "missing, or not as the manifest says: an unfinished publication, finished now",
            "nothing to do once; if it comes back, somebody else writes or deletes there",
        )


def changed_headers(context: Context) -> Iterator[Finding]:
    """Report documents of the right bytes under other headers than wanted."""
    for document, stored in (
        (context.documents.jwks, context.found.jwks),
        (context.documents.configuration, context.found.configuration),
    ):
        if stored is None or stored.body != document.body or stored.is_like(document):
            continue
        yield _warning(
            "ROT013",
            document.path,
            f"had Content-Type {quote(stored.headers and stored.headers.content_type)}, Cache-Control "
            f"{quote(stored.headers and stored.headers.cache_control)}, Content-Encoding "
            f"{quote(stored.headers and stored.headers.content_encoding)}: written again",
            "nothing to do after a change of settings; otherwise find out who can write there",
        )


def equal_sequence(context: Context) -> Iterator[Finding]:
    """Report other keys under the sequence number that is published already."""
    number = context.bundle.sequence_number
    if number is None or number != context.found.sequence_number:
        return
    if all(record.thumbprints != context.wanted for record in context.found.records):
        yield _warning(
            "ROT014",
            str(context.settings.issuer),
            f"the bundle has other keys under the published sequence number {number}: published",
            "find out whether two SPIRE servers without a common datastore feed this sink",
        )


def taken_over(context: Context) -> Iterator[Finding]:
    """Report documents that somebody made by hand and that are ours from now on."""
    if context.found.records or context.found.jwks is None:
        return
    there = context.keys_there or FoundKeys()
    gone = [key.kid for key in there.identified if key.thumbprint not in context.wanted]
    lost = f"; keys that SPIRE does not have are gone: {shown([*gone, *there.strangers])}"
    yield _warning(
        "ROT015",
        context.settings.jwks_path,
        "documents without a manifest were taken over" + (lost if gone or there.strangers else ""),
        "nothing to do, if they were made by hand for this issuer",
    )


def lost_manifest(context: Context) -> Iterator[Finding]:
    """Report a manifest that is gone or no manifest any more."""
    found = context.found
    if found.manifest is not None or (found.remembered is None and found.manifest_object is None):
        return
    yield _warning(
        "ROT016",
        MANIFEST_PATH,
        f"{found.manifest_problem or 'is missing'}: written again",
        "find out who can write or delete there",
    )


def accepted(finding: Finding) -> Finding:
    """Turn a refusal that a person overrode into a report of it."""
    return replace(
        finding,
        code="ROT017",
        severity=Severity.WARNING,
        what=f"{finding.what} ({finding.code}): accepted by --{OVERRIDE_OF[finding.code]}",
        remedy="nothing to do; the manifest records the override",
    )


def _error(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, where=where, what=what, remedy=remedy)


def _warning(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, where=where, what=what, remedy=remedy)


ALWAYS: tuple[Rule, ...] = (other_trust_domain, other_issuer, other_jwks_path)
"""Refusals that nothing overrides."""

OVERRIDABLE: tuple[tuple[Rule, Callable[[Overrides], bool]], ...] = (
    (disjoint, lambda overrides: overrides.accept_disjoint_keys),
    (lower_sequence, lambda overrides: overrides.accept_lower_sequence),
    (not_ours, lambda overrides: overrides.accept_disjoint_keys),
)
"""Refusals that a person may override, and with what."""

REPORTS: tuple[Rule, ...] = (
    foreign_keys,
    changed_metadata,
    changed_manifest,
    unfinished,
    changed_headers,
    equal_sequence,
    taken_over,
    lost_manifest,
)
"""What is repaired or published, and said."""

TAMPERING = frozenset({"ROT010", "ROT011", "ROT018"})
"""Codes of findings that tell of a stranger's hand."""
