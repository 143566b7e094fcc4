import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

import pytest

from publisher.errors import WebError, WebUntrustedError
from publisher.findings import Finding, Severity
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH, Issuer
from publisher.ports import Deadline, Web, WebAnswer
from publisher.publication import document_set
from publisher.publication.document_set import PublicationSettings
from publisher.publication.manifest import Manifest, PublishedDocument, PublishedKey, ReplacedDocument
from publisher.use_cases.check import CODES, SECOND_LOOK, check
from tests import keys
from tests.doubles import NOON, StoppedClock, codes

ISSUER = Issuer.parse("https://issuer.example")
SETTINGS = PublicationSettings(issuer=ISSUER, authorization_endpoint=f"{ISSUER}/authorize")
CONFIGURATION, JWKS, MANIFEST = (
    ISSUER.document_url(path) for path in (CONFIGURATION_PATH, "keys", MANIFEST_PATH)
)
JSON = {"content-type": "application/json", "cache-control": "public, max-age=60"}
LISTED = "id_token_signing_alg_values_supported"


@dataclass
class DictWeb:
    """A web of known answers; every other host is unknown."""

    answers: dict[str, WebAnswer] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    untrusted: bool = False

    def put(self, url: str, body: bytes, status: int = 200, **headers: str) -> None:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        self.answers[url] = WebAnswer(url=url, status=status, headers=JSON | named, body=body)

    def get(self, url: str, deadline: Deadline) -> WebAnswer:
        assert deadline.remaining() > 0
        self.asked.append(url)
        if self.untrusted:
            raise WebUntrustedError(url, "the certificate is not trusted", "name its authority")
        if url not in self.answers:
            raise WebError(url, "no such host", "")
        return self.answers[url]


def published(*kids: str) -> DictWeb:
    """Give the web after a publication of RSA keys, a moment ago."""
    documents = document_set.build(
        keys.bundle(*(keys.authority(kid, "RS256", seed="one") for kid in kids)), SETTINGS
    )
    web = DictWeb()
    listed = []
    for document in (documents.jwks, documents.configuration):
        cache_control = document.headers.cache_control or ""
        web.put(ISSUER.document_url(document.path), document.body, cache_control=cache_control)
        listed.append(PublishedDocument(path=document.path, size=len(document.body), sha256=document.sha256))
    manifest = Manifest(
        issuer=ISSUER.url,
        trust_domain="example.org",
        sequence_number=None,
        refresh_hint=None,
        source="file",
        modified_at=NOON,
        confirmed_at=NOON,
        due_at=NOON + timedelta(minutes=15),
        stale_at=NOON + timedelta(hours=1),
        documents=tuple(listed),
        keys=(PublishedKey(kid="a", alg="ES256", thumbprint="a", first_published_at=None),),
        publisher_version="1",
    )
    web.put(MANIFEST, manifest.dumps(), cache_control="no-store")
    return web


@dataclass
class Story:
    web: DictWeb = field(default_factory=lambda: published("a"))
    clock: StoppedClock = field(default_factory=StoppedClock)
    seconds: float = 30

    def check(self, *, require_manifest: bool = False) -> tuple[Finding, ...]:
        web: Web = self.web
        return check(
            web,
            ISSUER,
            clock=self.clock,
            require_manifest=require_manifest,
            deadline=Deadline(self.clock, self.seconds),
        )


def configured(**members: Any) -> Callable[[DictWeb], None]:
    def change(web: DictWeb) -> None:
        metadata = json.loads(web.answers[CONFIGURATION].body) | members
        web.put(CONFIGURATION, json.dumps(metadata).encode())
        del web.answers[MANIFEST]

    return change


def served(
    url: str, body: bytes | None = None, status: int = 200, **headers: str
) -> Callable[[DictWeb], None]:
    def change(web: DictWeb) -> None:
        kept = web.answers[url].body if body is None else body
        web.put(url, kept, status, **headers)

    return change


def gone(*urls: str) -> Callable[[DictWeb], None]:
    def change(web: DictWeb) -> None:
        for url in urls:
            del web.answers[url]

    return change


CASES: dict[str, tuple[Callable[[DictWeb], None], list[str]]] = {
    "as published": (lambda _web: None, []),
    "unreachable": (gone(CONFIGURATION, JWKS, MANIFEST), ["WEB001", "WEB001"]),
    "JWKS unreachable": (gone(JWKS), ["WEB001"]),
    "configuration absent": (served(CONFIGURATION, status=404), ["WEB003"]),
    "configuration redirected": (served(CONFIGURATION, status=302, location="/"), ["WEB002"]),
    "configuration is HTML": (
        served(CONFIGURATION, b"<html>", content_type="text/html"),
        ["WEB004", "CFG001", "MAN004"],
    ),
    "JWKS absent in a bucket": (served(JWKS, status=403), ["WEB003"]),
    "JWKS is empty": (served(JWKS, b'{"keys":[]}'), ["JWK002", "MAN004"]),
    "JWKS not cached": (served(JWKS, cache_control="no-store"), ["WEB006", "RPY004"]),
    "JWKS by hand": (served(JWKS, keys.jwks("a")), ["JWK007", "JWK009", "RPY001", "MAN004"]),
    "no jwks_uri": (configured(jwks_uri=None), ["CFG003", "WEB001"]),
    "http jwks_uri": (configured(jwks_uri="http://issuer.example/keys"), ["CFG010", "WEB001"]),
    "jwks_uri elsewhere": (
        configured(jwks_uri="https://other.example/keys"),
        ["CFG011", "WEB001", "WEB001"],
    ),
    "algorithms do not agree": (
        configured(**{LISTED: ["ES256"]}),
        ["CFG009", "JWK013", "RPY001", "WEB001"],
    ),
    "manifest absent": (served(MANIFEST, status=404), ["MAN001"]),
    "manifest absent in a bucket": (served(MANIFEST, status=403), ["MAN001"]),
    "manifest broken": (served(MANIFEST, b"{}"), ["MAN002"]),
    "manifest's server broken": (served(MANIFEST, status=503), ["WEB003"]),
    "manifest unreachable": (gone(MANIFEST), ["WEB001"]),
    "manifest served for an hour": (served(MANIFEST, cache_control="max-age=3600"), ["WEB007"]),
}


@pytest.mark.parametrize(("change", "expected"), CASES.values(), ids=CASES)
def test_one_thing_is_wrong(change: Callable[[DictWeb], None], expected: list[str]) -> None:
    story = Story()
    change(story.web)
    found = story.check()
    assert codes(found) == expected
    assert all(finding.code in CODES and finding.where and finding.remedy for finding in found)


def test_the_documents_are_asked_for_in_the_order_of_a_relying_party() -> None:
    story = Story()
    assert story.check(require_manifest=True) == ()
    assert story.web.asked == [CONFIGURATION, JWKS, MANIFEST]
    assert story.clock.slept == []


def test_unreachable_is_an_error_with_the_reason() -> None:
    story = Story(web=DictWeb())
    found = story.check()[0]
    assert (found.code, found.severity, found.where) == ("WEB001", Severity.ERROR, CONFIGURATION)
    assert found.what == "the configuration document is unreachable: no such host"


def test_a_certificate_that_is_not_trusted_has_a_code_and_a_remedy_of_its_own() -> None:
    found = Story(web=DictWeb(untrusted=True)).check()
    assert codes(found) == ["WEB010", "WEB010"]
    assert found[0].remedy == "name its authority"


@pytest.mark.parametrize(("required", "severity"), [(False, Severity.INFO), (True, Severity.ERROR)])
def test_an_absent_manifest_matters_where_it_is_required(*, required: bool, severity: Severity) -> None:
    story = Story()
    story.web.put(MANIFEST, b"", 404)
    (found,) = story.check(require_manifest=required)
    assert (found.code, found.severity) == ("MAN001", severity)


def test_staleness_is_told_by_the_clock_given() -> None:
    story = Story()
    story.clock.advance(minutes=15)
    assert codes(story.check()) == ["FRE001"]
    story.clock.advance(minutes=45)
    assert codes(story.check()) == ["FRE002"]


def test_a_second_look_forgives_a_publisher_between_two_writes() -> None:
    story, after = Story(), published("a", "b")
    story.web.answers[JWKS] = after.answers[JWKS]

    def finish() -> None:
        story.web.answers = after.answers

    story.clock.while_sleeping = finish
    assert story.check() == ()
    assert story.clock.slept == [SECOND_LOOK]
    assert len(story.web.asked) == 6


def test_what_stays_mixed_is_reported_once() -> None:
    story = Story()
    story.web.answers[JWKS] = published("b").answers[JWKS]
    assert codes(story.check()) == ["MAN004"]
    assert story.clock.slept == [SECOND_LOOK]


def test_there_is_no_second_look_without_time_for_it() -> None:
    story = Story(seconds=2 * SECOND_LOOK)
    story.web.answers[JWKS] = published("b").answers[JWKS]
    assert codes(story.check()) == ["MAN004"]
    assert story.clock.slept == []


def test_a_replaced_document_in_a_cache_is_a_warning() -> None:
    story, before = Story(web=published("b")), published("a")
    manifest = Manifest.parse(story.web.answers[MANIFEST].body, where="test")
    old = Manifest.parse(before.answers[MANIFEST].body, where="test").sha256_of("keys")
    assert old
    kept = ReplacedDocument(path="keys", sha256=old, readable_until=NOON + timedelta(seconds=60))
    story.web.put(MANIFEST, replace(manifest, replaced=(kept,)).dumps(), cache_control="no-store")
    story.web.answers[JWKS] = before.answers[JWKS]
    (found,) = story.check()
    assert (found.code, found.severity) == ("MAN005", Severity.WARNING)
    assert story.clock.slept == []


def test_what_spires_own_discovery_provider_serves_is_found_lacking_where_it_is() -> None:
    story = Story()
    documents = document_set.build(keys.bundle("a"), SETTINGS)
    metadata = json.loads(documents.configuration.body) | {"authorization_endpoint": ""}
    del metadata["claims_supported"]
    story.web.put(CONFIGURATION, json.dumps(metadata).encode())
    story.web.put(JWKS, documents.jwks.body, cache_control="no-store, no-cache, must-revalidate")
    story.web.put(MANIFEST, b"404 page not found", 404)
    assert codes(story.check()) == ["CFG005", "WEB006", "RPY004", "RPY001", "MAN001"]


def test_a_healthy_publication_of_spires_default_keys_has_notes_for_some_relying_parties_only() -> None:
    story = Story()
    documents = document_set.build(keys.bundle("a"), SETTINGS)
    story.web.put(JWKS, documents.jwks.body)
    story.web.put(MANIFEST, b"", 404)
    found = story.check()
    assert codes(found) == ["RPY001", "MAN001"]
    assert {finding.severity for finding in found} == {Severity.INFO}
