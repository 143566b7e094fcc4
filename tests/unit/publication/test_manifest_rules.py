import json
from dataclasses import replace
from datetime import datetime, timedelta

import pytest

from publisher.findings import Finding, Severity
from publisher.oidc.issuer import CONFIGURATION_PATH, Issuer
from publisher.publication import manifest_rules
from publisher.publication.manifest import (
    Manifest,
    OverrideRecord,
    PublishedDocument,
    PublishedKey,
    ReplacedDocument,
)
from publisher.publication.manifest_rules import Reading, Served
from tests.doubles import NOON

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 (columns of the table)
ISSUER = Issuer.parse("https://issuer.example/a/")
WHERE = "https://issuer.example/a/.well-known/spire-oidc-publication.json"
SECOND, MINUTE = timedelta(seconds=1), timedelta(minutes=1)
NOW, OLD, FOREIGN = "a" * 64, "b" * 64, "c" * 64

FRESH = Manifest(
    issuer=ISSUER.url,
    trust_domain="example.org",
    sequence_number=7,
    refresh_hint=None,
    source="server-api",
    modified_at=NOON - 10 * MINUTE,
    confirmed_at=NOON - MINUTE,
    due_at=NOON + 14 * MINUTE,
    stale_at=NOON + 59 * MINUTE,
    documents=(
        PublishedDocument(path="keys", size=1, sha256=NOW),
        PublishedDocument(path=CONFIGURATION_PATH, size=1, sha256=NOW),
    ),
    keys=(PublishedKey(kid="a", alg="ES256", thumbprint="a", first_published_at=None),),
    publisher_version="1",
)


def with_replaced(until: datetime) -> Manifest:
    old = ReplacedDocument(path="keys", sha256=OLD, readable_until=until)
    return replace(FRESH, replaced=(replace(old, path="other"), replace(old, sha256=FOREIGN), old))


def served(
    sha256: str = NOW, *, path: str = "keys", last_modified: datetime | None = None
) -> tuple[Served, ...]:
    return (Served(url=f"https://issuer.example/a/{path}", sha256=sha256, last_modified=last_modified),)


NOT_CACHED, ONE_MINUTE = timedelta(0), MINUTE
Case = tuple[Manifest, tuple[Served, ...], timedelta | None, list[tuple[str, Severity]]]
CASES: dict[str, Case] = {
    "fresh": (FRESH, (*served(), *served(path=CONFIGURATION_PATH)), NOT_CACHED, []),
    "due": (replace(FRESH, due_at=NOON), served(), NOT_CACHED, [("FRE001", W)]),
    "stale": (replace(FRESH, due_at=NOON, stale_at=NOON), served(), NOT_CACHED, [("FRE002", E)]),
    "a clock that is a little ahead": (
        replace(FRESH, confirmed_at=NOON + 5 * MINUTE),
        served(),
        NOT_CACHED,
        [],
    ),
    "from the future": (
        replace(FRESH, confirmed_at=NOON + 5 * MINUTE + SECOND),
        served(),
        NOT_CACHED,
        [("FRE003", E)],
    ),
    "another issuer": (replace(FRESH, issuer="https://x\n"), served(), NOT_CACHED, [("MAN003", E)]),
    "a document elsewhere": (FRESH, served(path="jwks"), NOT_CACHED, [("MAN004", E)]),
    "a document on another host": (
        FRESH,
        (Served(url="https://other.example/a/keys", sha256=NOW, last_modified=None),),
        NOT_CACHED,
        [("MAN004", E)],
    ),
    "foreign bytes": (FRESH, served(FOREIGN), NOT_CACHED, [("MAN004", E)]),
    "replaced a moment ago": (
        with_replaced(NOON + SECOND),
        served(OLD),
        NOT_CACHED,
        [("MAN005", W)],
    ),
    "replaced and still there": (with_replaced(NOON), served(OLD), NOT_CACHED, [("MAN004", E)]),
    "a cached manifest, age of the document unknown": (
        FRESH,
        served(FOREIGN),
        ONE_MINUTE,
        [("MAN006", W)],
    ),
    "a manifest of unknown age": (
        FRESH,
        served(FOREIGN, last_modified=NOON - 60 * MINUTE),
        None,
        [("MAN006", W)],
    ),
    "a cached manifest, a new document": (
        FRESH,
        served(FOREIGN, last_modified=NOON - 59 * SECOND),
        ONE_MINUTE,
        [("MAN006", W)],
    ),
    "a cached manifest, an older document": (
        FRESH,
        served(FOREIGN, last_modified=NOON - MINUTE),
        ONE_MINUTE,
        [("MAN004", E)],
    ),
    "an override": (
        replace(
            FRESH,
            override=OverrideRecord(accepted=("accept-disjoint-keys",), at=NOON, replaced_sha256=None),
        ),
        served(),
        NOT_CACHED,
        [("MAN007", I)],
    ),
}


@pytest.mark.parametrize(("manifest", "documents", "lifetime", "expected"), CASES.values(), ids=CASES)
def test_each_rule(
    manifest: Manifest,
    documents: tuple[Served, ...],
    lifetime: timedelta | None,
    expected: list[tuple[str, Severity]],
) -> None:
    reading = Reading(manifest=manifest, where=WHERE, now=NOON, lifetime=lifetime)
    found = manifest_rules.judge(reading, ISSUER, documents)
    assert [(finding.code, finding.severity) for finding in found] == expected
    assert all(finding.where and finding.remedy for finding in found)
    assert all(str(finding).isprintable() for finding in found)


def test_every_code_has_a_case() -> None:
    reached = {code for *_, expected in CASES.values() for code, _ in expected}
    assert reached | {"MAN001", "MAN002"} == set(manifest_rules.CODES)


def test_a_manifest_that_can_be_read() -> None:
    assert manifest_rules.read(FRESH.dumps(), where=WHERE) == FRESH


@pytest.mark.parametrize(
    "data",
    [b"", b"[]", b"{}", json.dumps(json.loads(FRESH.dumps()) | {"schema_version": 99}).encode()],
    ids=["nothing", "an array", "no members", "a newer schema"],
)
def test_a_manifest_that_cannot_be_read(data: bytes) -> None:
    found = manifest_rules.read(data, where=WHERE)
    assert isinstance(found, Finding)
    assert (found.code, found.severity, found.where) == ("MAN002", E, WHERE)


@pytest.mark.parametrize(("required", "severity"), [(False, I), (True, E)])
def test_no_manifest(*, required: bool, severity: Severity) -> None:
    found = manifest_rules.absent(WHERE, required=required)
    assert (found.code, found.severity, found.where) == ("MAN001", severity, WHERE)


def test_the_override_is_named_as_it_was_typed() -> None:
    record = OverrideRecord(
        accepted=("accept-disjoint-keys", "accept-lower-sequence"), at=NOON, replaced_sha256=None
    )
    reading = Reading(manifest=replace(FRESH, override=record), where=WHERE, now=NOON, lifetime=None)
    (found,) = manifest_rules.judge(reading, ISSUER, ())
    assert found.what == "'--accept-disjoint-keys, --accept-lower-sequence' was used at 2026-11-22T12:00:00Z"
