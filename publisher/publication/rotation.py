"""The decision: may what the source offers replace what is there, and what has to be written."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from publisher.bundle.fetched import SourceKind
from publisher.bundle.jwt_authority import JwtAuthority
from publisher.bundle.trust_bundle import TrustBundle
from publisher.findings import Finding
from publisher.oidc.issuer import MANIFEST_PATH
from publisher.publication import lead_time, reports, rules
from publisher.publication.document_set import Document, DocumentSet, PublicationSettings, StoredObject
from publisher.publication.found import Found, FoundKeys, cached_for
from publisher.publication.freshness import TOLERATED_SKEW
from publisher.publication.manifest import (
    LONGEST_CACHED,
    MOST_REPLACED,
    Manifest,
    OverrideRecord,
    PublishedDocument,
    PublishedKey,
    ReplacedDocument,
)
from publisher.publication.rules import Overrides

_TICK = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Hold what the source offers, built for one publication.

    `used` is a `kid` that was seen to sign, `used_at` when it did; None: at the time of the plan.
    `left_out` are expired authorities of the source that are not in the bundle.
    """

    bundle: TrustBundle
    source: SourceKind
    settings: PublicationSettings
    documents: DocumentSet
    publisher_version: str
    public_urls: tuple[str, ...] = ()
    used: str | None = None
    used_at: datetime | None = None
    left_out: tuple[JwtAuthority, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyChanges:
    """Say which keys come, go and stay, compared with what relying parties could read until now."""

    added: tuple[PublishedKey, ...] = ()
    removed: tuple[PublishedKey, ...] = ()
    kept: tuple[PublishedKey, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """Name one object to write and the version it replaces (None: nothing is there)."""

    document: Document
    replaces: StoredObject | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Write `documents` in this order, then the manifest."""

    documents: tuple[Write, ...]
    manifest_write: Write
    manifest: Manifest
    changes: KeyChanges
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Keep:
    """Leave the documents as they are and confirm the manifest."""

    manifest_write: Write
    manifest: Manifest
    changes: KeyChanges
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Leave everything as it is; each finding is one reason, none of them overridden."""

    findings: tuple[Finding, ...]


Plan = Publish | Keep | Refuse


def plan(
    found: Found,
    wanted: Wanted,
    *,
    overrides: Overrides,
    now: datetime,
    replaced: tuple[ReplacedDocument, ...] = (),
) -> Plan:
    """Decide on one publication. Pure: equal arguments, equal plan. `now` is whole seconds in UTC.

    `replaced` is what earlier attempts of the same run replaced already.

    What counts as published is what the manifest lists and what the state file remembers. A set that shares
    no key with it and a lower sequence number are refused unless overridden; another issuer, trust domain or
    JWKS path always. Keys that nobody accounts for are tampering and no reason to refuse.
    """
    keys_there = _keys_there(found, wanted)
    context = rules.Context(
        found=found,
        keys_there=keys_there,
        bundle=wanted.bundle,
        settings=wanted.settings,
        documents=wanted.documents,
        public_urls=wanted.public_urls,
        left_out=wanted.left_out,
    )
    refusals = tuple(_refusals(context, overrides))
    if refusals:
        return Refuse(findings=refusals)
    writes = tuple(
        Write(document=document, replaces=stored)
        for document, stored in zip(wanted.documents.written, (found.jwks, found.configuration), strict=False)
        if stored is None or not stored.is_like(document)
    )
    overridden = tuple(_overridden(context, overrides))
    manifest = _manifest(context, wanted, writes=writes, overridden=overridden, now=now, replaced=replaced)
    manifest_write = Write(
        document=Document.of(MANIFEST_PATH, manifest.dumps(), max_age=None), replaces=found.manifest_object
    )
    changes = _changes(keys_there, manifest.keys)
    findings = tuple(_reports(context, overridden))
    if writes:
        return Publish(
            documents=writes,
            manifest_write=manifest_write,
            manifest=manifest,
            changes=changes,
            findings=findings,
        )
    return Keep(manifest_write=manifest_write, manifest=manifest, changes=changes, findings=findings)


def _refusals(context: rules.Context, overrides: Overrides) -> Iterator[Finding]:
    for rule in rules.ALWAYS:
        yield from rule(context)
    for rule, accepts in rules.OVERRIDABLE:
        if not accepts(overrides):
            yield from rule(context)


def _overridden(context: rules.Context, overrides: Overrides) -> Iterator[Finding]:
    for rule, accepts in rules.OVERRIDABLE:
        if accepts(overrides):
            yield from rule(context)


def _reports(context: rules.Context, overridden: tuple[Finding, ...]) -> Iterator[Finding]:
    for finding in overridden:
        yield reports.accepted(finding)
    for rule in reports.REPORTS:
        yield from rule(context)


def _keys_there(found: Found, wanted: Wanted) -> FoundKeys | None:
    """Read the JWKS at the sink; one that equals the wanted one need not be parsed again."""
    if found.jwks is None:
        return None
    if found.jwks.body == wanted.documents.jwks.body:
        return FoundKeys(identified=tuple(_published(wanted, {}, None)))
    return FoundKeys.parse(found.jwks.body, where=found.jwks.path)


def _published(
    wanted: Wanted, known: Mapping[str, PublishedKey], now: datetime | None
) -> Iterator[PublishedKey]:
    for authority in wanted.bundle.jwt_authorities:
        before = known.get(authority.key.thumbprint)
        yield PublishedKey(
            kid=authority.kid,
            alg=authority.key.alg,
            thumbprint=authority.key.thumbprint,
            first_published_at=(before.first_published_at if before else None) or now,
            expires_at=authority.expires_at or (before.expires_at if before else None),
            lead=before.lead if before else None,
        )


def _changes(there: FoundKeys | None, keys: tuple[PublishedKey, ...]) -> KeyChanges:
    before = {(key.kid, key.thumbprint): key for key in there.identified} if there else {}
    after = {(key.kid, key.thumbprint): key for key in keys}
    return KeyChanges(
        added=tuple(key for name, key in after.items() if name not in before),
        removed=tuple(key for name, key in before.items() if name not in after),
        kept=tuple(key for name, key in after.items() if name in before),
    )


def _manifest(
    context: rules.Context,
    wanted: Wanted,
    *,
    writes: tuple[Write, ...],
    overridden: tuple[Finding, ...],
    now: datetime,
    replaced: tuple[ReplacedDocument, ...],
) -> Manifest:
    found, settings = context.found, wanted.settings
    known = {key.thumbprint: key for record in reversed(found.records) for key in record.keys}
    listed = tuple(
        PublishedDocument(path=document.path, size=len(document.body), sha256=document.sha256)
        for document in wanted.documents.written
    )
    unchanged = not writes and found.manifest is not None and found.manifest.documents == listed
    replaced = _replaced(context, replaced, writes, now)
    keys, lead = lead_time.judge(
        _published(wanted, known, now),
        known.values(),
        settings.timing,
        max_age=settings.jwks_max_age,
        look=_look(found, replaced, wanted, now),
    )
    return Manifest(
        issuer=settings.issuer.url,
        trust_domain=str(wanted.bundle.trust_domain),
        sequence_number=_sequence_number(context),
        refresh_hint=wanted.bundle.refresh_hint,
        source=wanted.source.value,
        modified_at=found.manifest.modified_at if unchanged and found.manifest else _after(found, now),
        confirmed_at=now,
        due_at=now + settings.due_after,
        stale_at=now + settings.stale_after,
        documents=listed,
        keys=keys,
        replaced=replaced,
        override=_override(context, overridden, now),
        lead_time=lead,
        publisher_version=wanted.publisher_version,
    )


def _look(
    found: Found, replaced: tuple[ReplacedDocument, ...], wanted: Wanted, now: datetime
) -> lead_time.Look:
    there = found.manifest  # the state file does not follow confirmations: of the last look it knows nothing
    # A sink without headers leaves max-age to its web server, which gives old and new documents the same.
    jwks_path = wanted.settings.jwks_path if found.jwks is not None and found.jwks.headers else None
    return lead_time.Look(
        now=now,
        is_first=not found.records,
        missed_since=there.confirmed_at if there is not None and now > there.due_at else None,
        readable_until=max((old.readable_until for old in replaced if old.path == jwks_path), default=None),
        used=wanted.used,
        used_at=wanted.used_at,
    )


def _after(found: Found, now: datetime) -> datetime:
    """Give a time after the last modification, so that readers can tell an older publication by it.

    Clocks of several hosts differ a little; one that lies further ahead was wrong, and is not followed.
    """
    last = found.manifest.modified_at if found.manifest else now - _TICK
    return max(now, last + _TICK) if last <= now + TOLERATED_SKEW else now


def _sequence_number(context: rules.Context) -> int | None:
    """Keep the last known number when the source tells none, unless the keys it counted are gone."""
    record = context.found.counting_record(context.offered)
    if context.bundle.sequence_number is not None:
        return context.bundle.sequence_number
    return None if record is None or rules.is_disjoint(context) else record.sequence_number


def _replaced(
    context: rules.Context,
    earlier: tuple[ReplacedDocument, ...],
    writes: tuple[Write, ...],
    now: datetime,
) -> tuple[ReplacedDocument, ...]:
    """Remember what caches may still serve, so that a reader of the public URL can tell it from tampering.

    A stranger's document is never among them: while a cache serves that, somebody must hear of it.
    """
    forged = any(reports.changed_manifest(context))
    record = (None if forged else context.found.manifest) or context.found.remembered
    strange = {finding.where for rule in reports.STRANGERS for finding in rule(context)}
    before = record.replaced if record else ()
    fresh = []
    for document, stored in (
        (context.documents.jwks, context.found.jwks),
        (context.documents.configuration, context.found.configuration),
    ):
        listed = record.sha256_of(document.path) if record else None
        if stored is not None and any(write.replaces is stored for write in writes):
            if document.path not in strange:
                fresh.append(_old(document.path, stored.sha256, cached_for(stored), now))
        elif listed not in (None, document.sha256):
            # A killed run, a lost reply or another publisher replaced it before its manifest was written.
            fresh.append(_old(document.path, str(listed), cached_for(document), now))
    told = {(old.path, old.sha256): old for old in (*before, *earlier, *fresh) if old.is_remembered(now)}
    return tuple(told.values())[-MOST_REPLACED:]


def _old(path: str, digest: str, age: timedelta, now: datetime) -> ReplacedDocument:
    return ReplacedDocument(path=path, sha256=digest, readable_until=now + min(age, LONGEST_CACHED))


def _override(
    context: rules.Context, overridden: tuple[Finding, ...], now: datetime
) -> OverrideRecord | None:
    """Record an override that was used, or one that a killed run had used before it wrote its manifest."""
    found, manifest = context.found, context.found.manifest
    accepted = tuple(rules.OVERRIDE_OF[finding.code] for finding in overridden)
    if not accepted and context.resumes_reset and found.remembered:
        return found.remembered.override
    listed = manifest.sha256_of(context.settings.jwks_path) if manifest else None
    if (
        not accepted
        and manifest
        and not manifest.thumbprints & context.offered
        and context.jwks_is_wanted
        and listed != context.documents.jwks.sha256
    ):
        accepted = (rules.OVERRIDE_OF[rules.DISJOINT],)
    if not accepted:
        return manifest.override if manifest else None
    there = found.jwks.sha256 if found.jwks and not context.jwks_is_wanted else None
    return OverrideRecord(accepted=tuple(dict.fromkeys(accepted)), at=now, replaced_sha256=there or listed)
