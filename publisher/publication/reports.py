"""What is repaired, finished or published all the same, and said: each rule yields its finding."""

from collections.abc import Iterator
from dataclasses import replace

from publisher.findings import Finding, Severity
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH
from publisher.publication.found import FoundKeys, shown
from publisher.publication.rules import OVERRIDE_OF, Context, Rule, error
from publisher.quoting import quote

UNFINISHED, TAKEN_OVER, LOST_MANIFEST = "ROT012", "ROT015", "ROT016"


def foreign_keys(context: Context) -> Iterator[Finding]:
    """Report what neither bundle, manifest nor state file account for in the JWKS: somebody else wrote.

    What we cannot parse other parsers may, so bytes that are not on record are a stranger's too.
    """
    if not context.found.records or context.found.jwks is None or context.resumes_takeover:
        return
    if context.keys_there is None:
        strange = ["no JWK Set that we can read"]
    else:
        known = context.found.published | context.offered
        foreign = [key.kid for key in context.keys_there.identified if key.thumbprint not in known]
        strange = [*foreign, *context.keys_there.strangers]
    if strange:
        yield error(
            "ROT010",
            context.settings.jwks_path,
            f"held what neither bundle, manifest nor state file know ({shown(strange)}); it is removed",
            "find out who can write there; tokens of such keys were accepted until now",
        )


def changed_metadata(context: Context) -> Iterator[Finding]:
    """Report an issuer or `jwks_uri` that this publisher never wrote, or a document that is none."""
    if context.record is None or context.found.configuration is None or context.resumes_takeover:
        return
    wanted = {"issuer": str(context.settings.issuer), "jwks_uri": context.jwks_uri}
    changed = [name for name, value in wanted.items() if context.found.configured(name) != value]
    if changed:
        values = shown(str(context.found.configured(name)) for name in changed)
        yield error(
            "ROT011",
            CONFIGURATION_PATH,
            f"{' and '.join(changed)} had been changed to {values}; publishing repairs it",
            "find out who can write there; relying parties may have read keys from elsewhere",
        )


def changed_manifest(context: Context) -> Iterator[Finding]:
    """Report a manifest that contradicts the state file, or the very document that it lists."""
    manifest, remembered, jwks = context.found.manifest, context.found.remembered, context.found.jwks
    if manifest is None:
        return
    wrong = []
    if remembered is not None:
        if (manifest.issuer, manifest.trust_domain) != (remembered.issuer, remembered.trust_domain):
            wrong.append(f"names {quote(manifest.issuer)} and {quote(manifest.trust_domain)}")
        if not manifest.thumbprints & remembered.thumbprints and not context.found.is_reset_elsewhere:
            wrong.append("shares no key with the state file")
    if jwks is not None and context.keys_there is not None and manifest.sha256_of(jwks.path) == jwks.sha256:
        listed = context.keys_there.thumbprints
        if listed != manifest.thumbprints or context.keys_there.strangers:
            wrong.append("lists other keys than its own JWKS")
    if wrong and not context.resumes_reset:
        yield error(
            "ROT018",
            MANIFEST_PATH,
            f"was written by somebody else: it {' and '.join(wrong)}; publishing replaces it",
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
            UNFINISHED,
            " and ".join(differing),
            "missing, or not as the manifest says: an unfinished publication, which publishing finishes",
            "nothing to do once; if it comes back, somebody else writes or deletes there",
        )


def other_settings(context: Context) -> Iterator[Finding]:
    """Report that a configuration document is replaced although nothing is wrong with it."""
    manifest, stored = context.found.manifest, context.found.configuration
    if manifest is None or stored is None or stored.body == context.documents.configuration.body:
        return
    if manifest.sha256_of(CONFIGURATION_PATH) == stored.sha256 and not any(changed_metadata(context)):
        yield _warning(
            "ROT019",
            CONFIGURATION_PATH,
            "was published with other settings and is replaced",
            "nothing to do once; if it comes back, two publishers with different settings or releases share "
            "this sink, and some relying parties read this document only at their start",
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
            f"{quote(stored.headers and stored.headers.content_encoding)}",
            "nothing to do after a change of settings; otherwise find out who can write there",
        )


def equal_sequence(context: Context) -> Iterator[Finding]:
    """Report other keys under the sequence number that is published already."""
    number, record = context.bundle.sequence_number, context.found.counting_record(context.offered)
    if number is None or record is None or number != record.sequence_number:
        return
    if any(changed_manifest(context)):
        return  # the number is a stranger's
    if all(known.thumbprints != context.wanted for known in context.found.records):
        yield _warning(
            "ROT014",
            str(context.settings.issuer),
            f"the bundle has other keys under the published sequence number {number}",
            "find out whether two SPIRE servers without a common datastore feed this sink",
        )


def taken_over(context: Context) -> Iterator[Finding]:
    """Report documents that somebody made by hand and that are ours from now on."""
    if context.found.jwks is None or (context.found.records and not context.resumes_takeover):
        return
    there = context.keys_there or FoundKeys()
    gone = [key.kid for key in there.identified if key.thumbprint not in context.wanted]
    lost = f"; keys that SPIRE does not have are gone: {shown([*gone, *there.strangers])}"
    yield _warning(
        TAKEN_OVER,
        context.settings.jwks_path,
        "documents without a manifest are taken over" + (lost if gone or there.strangers else ""),
        "nothing to do, if they were made by hand for this issuer",
    )


def lost_manifest(context: Context) -> Iterator[Finding]:
    """Report a manifest that is gone or no manifest any more."""
    found = context.found
    if context.resumes_takeover:
        return
    if found.manifest is not None or (found.remembered is None and found.manifest_object is None):
        return
    yield _warning(
        LOST_MANIFEST,
        MANIFEST_PATH,
        f"{found.manifest_problem or 'is missing'}; publishing writes it again",
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


def _warning(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, where=where, what=what, remedy=remedy)


REPORTS: tuple[Rule, ...] = (
    foreign_keys,
    changed_metadata,
    changed_manifest,
    unfinished,
    other_settings,
    changed_headers,
    equal_sequence,
    taken_over,
    lost_manifest,
)
"""What is repaired or published, and said."""

STRANGERS: tuple[Rule, ...] = (foreign_keys, changed_metadata)
"""Rules whose findings name a document of a stranger's."""

TAMPERING = frozenset({"ROT010", "ROT011", "ROT018"})
"""Codes of findings that tell of a stranger's hand."""
