"""Whether what was found at a sink may be served: judged before serving, beside what is served already.

Freshness is no matter of validity: a stale publication is as valid as it was. Until publications are
signed this stops accidents and clumsy thieves; whoever can write all three objects can forge a manifest.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from types import MappingProxyType

from publisher.findings import Finding, Severity
from publisher.oidc import configuration_rules, jwks_rules
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH, Issuer
from publisher.publication import succession
from publisher.publication.document_set import StoredObject
from publisher.publication.found import Found, shown
from publisher.publication.freshness import LONGEST_PROMISE
from publisher.publication.manifest import Manifest, PublishedKey
from publisher.publication.snapshot import Snapshot
from publisher.quoting import quote

CODES: Mapping[str, str] = MappingProxyType(
    {
        "VAL001": "An object of the publication is missing",
        "VAL002": "The manifest at the sink cannot be read",
        "VAL003": "The objects are not of one publication",
        "VAL004": "An unfinished publication is served",
        "VAL005": "The manifest is of another publication",
        "VAL006": "The keys are not those of the manifest",
        "VAL010": "The manifest promises too much",
        "VAL012": "The configuration document names another JWKS document",
    }
)
"""Every code of this module with its title; `docs/findings.md` explains each."""

_PUBLISH = "publish again; if it comes back, find out who else writes there"


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """Say which publication may be served. `trust_domain` None: whichever the manifest names."""

    issuer: Issuer
    jwks_path: str
    trust_domain: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """Hold the verdict: a snapshot that may be served, or None, and why.

    `is_mixed`: the objects do not belong together, so that a moment later all may be well.
    """

    snapshot: Snapshot | None
    findings: tuple[Finding, ...]
    is_mixed: bool = False


def validate(
    found: Found,
    terms: Terms,
    *,
    serving: Snapshot | None,
    now: datetime,
    accept_unfinished: bool = False,
    waived: str | None = None,
) -> Judgement:
    """Judge one publication as found. Pure: equal arguments, equal judgement.

    Refused: an object that is missing, documents that break a rule or are not the manifest's, a manifest of
    another issuer, trust domain or JWKS path; beside `serving`, a disjoint key set, a lower sequence number
    or an older publication, unless the manifest records the override under which it replaced that very set.
    `accept_unfinished` lets documents pass that validate together and share a key with the manifest,
    although its digests are not theirs: a publisher was killed before it wrote the manifest.
    """
    whole = _Whole.of(found)
    if whole is None:
        return Judgement(snapshot=None, findings=tuple(_missing(found, terms)))
    other, differing = tuple(_other_publication(whole.manifest, terms)), tuple(_differing(whole, terms))
    is_mixed = bool(differing) and not other
    if other or (differing and not accept_unfinished):
        return Judgement(snapshot=None, findings=other or differing, is_mixed=is_mixed)
    snapshot, errors = _read(whole, terms, serving)
    if snapshot is None:
        return Judgement(snapshot=None, findings=(*differing, *errors), is_mixed=is_mixed)
    findings = [*_keys_unlike_manifest(snapshot, unfinished=is_mixed)]
    if serving is not None:
        succeeding = succession.judge(snapshot, serving, jwks_path=terms.jwks_path, now=now)
        findings += succeeding if waived is None else succession.waive(succeeding, waived)
    if any(finding.severity is Severity.ERROR for finding in findings):
        return Judgement(snapshot=None, findings=(*differing, *findings), is_mixed=is_mixed)
    findings += [*snapshot.remarks, *_promise(snapshot.manifest), *_unfinished(differing)]
    snapshot = replace(snapshot, is_unfinished=is_mixed)
    return Judgement(snapshot=snapshot, findings=tuple(findings), is_mixed=is_mixed)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Whole:
    """Hold the three objects where all are there and the manifest can be read."""

    jwks: StoredObject
    configuration: StoredObject
    manifest: Manifest
    manifest_body: bytes

    @classmethod
    def of(cls, found: Found) -> "_Whole | None":
        if (
            found.jwks is None
            or found.configuration is None
            or found.manifest_object is None
            or found.manifest is None
        ):
            return None
        return cls(
            jwks=found.jwks,
            configuration=found.configuration,
            manifest=found.manifest,
            manifest_body=found.manifest_object.body,
        )


def _missing(found: Found, terms: Terms) -> Iterator[Finding]:
    there = {
        terms.jwks_path: found.jwks,
        CONFIGURATION_PATH: found.configuration,
        MANIFEST_PATH: found.manifest_object,
    }
    for path in (path for path, stored in there.items() if stored is None):
        remedy = "publish; let this reader get the objects (a bucket answers 403 for what is absent, too)"
        yield _error("VAL001", path, "is missing, or may not be read", remedy)
    if found.manifest_problem is not None:
        yield _error("VAL002", MANIFEST_PATH, found.manifest_problem, _PUBLISH)


def _other_publication(manifest: Manifest, terms: Terms) -> Iterator[Finding]:
    """Refuse a manifest of another issuer, trust domain or JWKS path."""
    if manifest.issuer != terms.issuer.url:
        what = f"names issuer {quote(manifest.issuer)}, not {terms.issuer}"
        yield _error("VAL005", MANIFEST_PATH, what, "correct the issuer in the settings, or the sink")
    if terms.trust_domain not in (None, manifest.trust_domain):
        what = f"names trust domain {quote(manifest.trust_domain)}, not {quote(terms.trust_domain)}"
        yield _error("VAL005", MANIFEST_PATH, what, "correct the trust domain in the settings, or the sink")
    listed = frozenset(document.path for document in manifest.documents)
    if listed != {terms.jwks_path, CONFIGURATION_PATH}:
        what = f"lists {shown(sorted(listed))}, not {terms.jwks_path} and {CONFIGURATION_PATH}"
        yield _error("VAL005", MANIFEST_PATH, what, "set the JWKS path to the published one")


def _differing(whole: _Whole, terms: Terms) -> Iterator[Finding]:
    for path, stored in ((terms.jwks_path, whole.jwks), (CONFIGURATION_PATH, whole.configuration)):
        listed = whole.manifest.sha256_of(path)
        if listed != stored.sha256:
            what = f"is not the manifest's ({stored.sha256[:12]}, listed is {quote((listed or '')[:12])})"
            remedy = (
                "nothing to do for a moment: a publisher is between two writes; if it lasts, publish again"
            )
            yield _error("VAL003", path, what, remedy)


def _read(
    whole: _Whole, terms: Terms, serving: Snapshot | None
) -> tuple[Snapshot | None, tuple[Finding, ...]]:
    """Read the documents by the rules of relying parties; those that are served already passed them."""
    jwks, configuration = whole.jwks.body, whole.configuration.body
    if serving is not None and (serving.jwks, serving.configuration) == (jwks, configuration):
        keys, remarks = serving.keys, serving.remarks
    else:
        served, findings = _documents(jwks, configuration, terms)
        errors = tuple(finding for finding in findings if finding.severity is Severity.ERROR)
        if errors:
            return None, errors
        keys, remarks = _published(served), findings
    known = {(key.kid, key.thumbprint): key for key in whole.manifest.keys}
    return Snapshot(
        manifest=whole.manifest,
        manifest_body=whole.manifest_body,
        jwks=jwks,
        configuration=configuration,
        keys=tuple(known.get((key.kid, key.thumbprint), key) for key in keys),
        remarks=remarks,
    ), ()


def _documents(
    jwks: bytes, configuration: bytes, terms: Terms
) -> tuple[jwks_rules.Keys, tuple[Finding, ...]]:
    findings: list[Finding] = []
    listed: tuple[str, ...] = ()
    metadata = configuration_rules.read(configuration, where=CONFIGURATION_PATH)
    if isinstance(metadata, Finding):
        findings.append(metadata)
    else:
        findings += configuration_rules.judge(metadata, terms.issuer, where=CONFIGURATION_PATH)
        listed = configuration_rules.listed_algorithms(metadata)
        wanted = terms.issuer.document_url(terms.jwks_path)
        if metadata.get("jwks_uri") != wanted:
            what = f"jwks_uri is {quote(metadata.get('jwks_uri'))}, not {wanted}"
            findings.append(_error("VAL012", CONFIGURATION_PATH, what, _PUBLISH))
    keys = jwks_rules.read(jwks, where=terms.jwks_path)
    if isinstance(keys, Finding):
        return (), (*findings, keys)
    findings += jwks_rules.judge(keys, listed=listed, where=terms.jwks_path)
    strange = [key for key in keys if key.key is None]
    if strange:
        what = f"{jwks_rules.name_keys(strange)}: SPIRE never makes such a key"
        findings.append(_error("VAL006", terms.jwks_path, what, _PUBLISH))
    return keys, tuple(findings)


def _published(keys: jwks_rules.Keys) -> tuple[PublishedKey, ...]:
    return tuple(
        PublishedKey(
            kid=key.kid or "", alg=key.key.alg, thumbprint=key.key.thumbprint, first_published_at=None
        )
        for key in keys
        if key.key is not None
    )


def _keys_unlike_manifest(snapshot: Snapshot, *, unfinished: bool) -> Iterator[Finding]:
    """Hold the keys to the manifest: the same, or for an unfinished publication one in common."""
    listed = {(key.kid, key.thumbprint): key for key in snapshot.manifest.keys}
    served = {(key.kid, key.thumbprint): key for key in snapshot.keys}
    if unfinished:
        if not snapshot.thumbprints & snapshot.manifest.thumbprints:
            what = "no key is one of the manifest's, and the manifest does not vouch for the documents"
            yield _error("VAL006", MANIFEST_PATH, what, _PUBLISH)
        return
    differing = [
        key.kid for name, key in (listed | served).items() if name not in listed or name not in served
    ]
    if differing:
        what = f"lists other keys than the JWKS document has: {shown(differing)}"
        yield _error("VAL006", MANIFEST_PATH, what, _PUBLISH)


def _promise(manifest: Manifest) -> Iterator[Finding]:
    promised = manifest.stale_at - manifest.confirmed_at
    if promised > LONGEST_PROMISE:
        what = (
            f"is fresh for {promised.days} days without a confirmation: nobody would notice a dead publisher"
        )
        remedy = "set --stale-after of the publisher to 7 days at most"
        yield Finding(code="VAL010", severity=Severity.WARNING, where=MANIFEST_PATH, what=what, remedy=remedy)


def _unfinished(differing: tuple[Finding, ...]) -> Iterator[Finding]:
    if differing:
        yield Finding(
            code="VAL004",
            severity=Severity.WARNING,
            where=" and ".join(finding.where for finding in differing),
            what="validates, though the manifest is of another publication: served as it is",
            remedy="look at the publisher: it was killed between two writes and has not run again",
        )


def _error(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, where=where, what=what, remedy=remedy)
