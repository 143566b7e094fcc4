"""Whether a valid publication may take the place of the one that is served.

The guards are the publisher's own, held a second time where the documents are read: whoever wrote them need
not have been the publisher.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from types import MappingProxyType

from publisher.findings import Finding, Severity
from publisher.oidc.issuer import MANIFEST_PATH
from publisher.publication import rules
from publisher.publication.document_set import sha256
from publisher.publication.freshness import Freshness, assess
from publisher.publication.manifest import Manifest, format_time
from publisher.publication.snapshot import Snapshot

CODES: Mapping[str, str] = MappingProxyType(
    {
        "VAL007": "The key set shares no key with the one that is served",
        "VAL008": "The sequence number is lower than the served one",
        "VAL009": "The publication is older than the one that is served",
        "VAL011": "An override replaced what was served",
        "VAL013": "A rule of succession was not applied",
    }
)
"""Every code of this module with its title; `docs/findings.md` explains each."""


def judge(new: Snapshot, serving: Snapshot, *, jwks_path: str, now: datetime) -> Iterator[Finding]:
    """Hold a publication to the rules of rotation, the one that is served being the one before.

    An error finding refuses it. A rule that a person overrode when it was published gives a warning.
    """
    if new.has_documents_of(serving) and new.manifest.sequence_number == serving.manifest.sequence_number:
        return
    for rule, option in RULES:
        for finding in rule(new, serving, jwks_path, now):
            if option is not None and _was_overridden(new.manifest, serving, option, now):
                what = f"{finding.what} ({finding.code}): published with --{option}"
                yield _warning("VAL011", finding.where, what, "nothing to do if somebody meant it")
            elif rule is not _disjoint or not _descends(new.manifest, serving, jwks_path):
                yield finding


def waive(findings: Iterator[Finding], why: str) -> Iterator[Finding]:
    """Let the errors of `judge` pass, and say so: `why` goes on the sentence "accepted, because"."""
    for finding in findings:
        if finding.severity is Severity.ERROR:
            what = f"{finding.what} ({finding.code}): accepted, because {why}"
            remedy = "compare the keys with SPIRE's; have /status asked every few minutes"
            yield _warning("VAL013", finding.where, what, remedy)
        else:
            yield finding


def _disjoint(new: Snapshot, serving: Snapshot, jwks_path: str, _now: datetime) -> Iterator[Finding]:
    if not new.thumbprints & serving.thumbprints:
        what = f"shares none of its {len(new.keys)} keys with the {len(serving.keys)} that are served"
        remedy = (
            "find out who wrote there; if SPIRE lost its keys and its datastore, publish with "
            "--accept-disjoint-keys, or start new instances"
        )
        yield _error("VAL007", jwks_path, what, remedy)


def _lower(new: Snapshot, serving: Snapshot, _jwks_path: str, _now: datetime) -> Iterator[Finding]:
    offered, served = new.manifest.sequence_number, serving.manifest.sequence_number
    if offered is None or served is None or offered >= served:
        return
    if new.thumbprints & serving.thumbprints:  # else the number counts other keys, and VAL007 decides
        what = f"has sequence number {offered}, {served} is served"
        remedy = "find out who wrote there; after a restored datastore publish with --accept-lower-sequence"
        yield _error("VAL008", MANIFEST_PATH, what, remedy)


def _older(new: Snapshot, serving: Snapshot, _jwks_path: str, now: datetime) -> Iterator[Finding]:
    """Refuse a rollback that no sequence number shows: the Workload API tells none.

    The publisher lets the time of modification rise from publication to publication, whatever its clock says.
    A time in the future proves nothing: a clock that ran ahead once must lock no later publication out.
    """
    if serving.manifest.modified_at > now or new.has_documents_of(serving):
        return
    if new.manifest.modified_at < serving.manifest.modified_at:
        at, served = format_time(new.manifest.modified_at), format_time(serving.manifest.modified_at)
        what = f"is of {at}, and {served} is served"
        yield _error("VAL009", MANIFEST_PATH, what, "find out who put old objects back, and publish again")


Rule = Callable[[Snapshot, Snapshot, str, datetime], Iterator[Finding]]

RULES: tuple[tuple[Rule, str | None], ...] = (
    (_disjoint, rules.OVERRIDE_OF[rules.DISJOINT]),
    (_lower, rules.OVERRIDE_OF[rules.LOWER]),
    (_older, None),
)
"""Every rule beside what is served, and the publisher's option that overrides it (None: nothing does)."""


def _was_overridden(manifest: Manifest, serving: Snapshot, option: str, now: datetime) -> bool:
    """Tell whether a person accepted this replacement: the record names the served set as what it replaced.

    An instance that slept may have missed the publications in between. It can know only when what it serves
    is no longer fresh; then an override that came after what it serves is enough.
    """
    record = manifest.override
    if record is None or option not in record.accepted:
        return False
    if record.replaced_sha256 == sha256(serving.jwks):
        return True
    slept = assess(serving.manifest, now=now) is not Freshness.FRESH
    return slept and record.at >= serving.manifest.modified_at


def _descends(manifest: Manifest, serving: Snapshot, jwks_path: str) -> bool:
    """Tell whether the manifest says that the served set was replaced, step by step, a moment ago.

    A reader that missed the step between two rotations sees no key in common. The record lasts an hour longer
    than caches may hold the served document, and is worth as much as that of an override.
    """
    served = sha256(serving.jwks)
    return any((one.path, one.sha256) == (jwks_path, served) for one in manifest.replaced)


def _warning(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, where=where, what=what, remedy=remedy)


def _error(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, where=where, what=what, remedy=remedy)
