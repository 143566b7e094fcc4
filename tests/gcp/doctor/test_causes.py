"""Google's sentence of many causes, told apart by what was seen: a table, without any network."""

from datetime import UTC, datetime, timedelta

import pytest

from publisher.findings import Finding, Severity
from publisher.gcp.doctor.causes import RECENT, explain, resolve
from publisher.gcp.doctor.client import GoogleAnswer
from publisher.gcp.doctor.published import Published
from publisher.gcp.doctor.token import JwtSeen

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
JUST_NOW = NOW - timedelta(seconds=90)
URL = "https://issuer.example/spire"
SUSPECT = Finding(code="JWK004", severity=Severity.ERROR, where=URL, what="no kid", remedy="mend it")
STALE = Finding(code="FRE002", severity=Severity.ERROR, where=URL, what="stale", remedy="publish")
SLIGHT = Finding(code="CFG005", severity=Severity.WARNING, where=URL, what="slight", remedy="add it")
PUBLIC, PRIVATE, NOBODY = ("93.184.215.14",), ("93.184.215.14", "10.1.2.3"), ()


def svid() -> JwtSeen:
    return JwtSeen(token="", header={"kid": "k1"}, claims={})


@pytest.mark.parametrize(
    ("published", "addresses", "cause", "remedy"),
    [
        (Published(), PUBLIC, "unknown: whether the keys are uploaded", "may read the provider"),
        (Published(keys=()), PUBLIC, "were uploaded a moment ago", "wait a minute"),
        (Published(issuer_url=URL, keys=()), PRIVATE, "'s host is 10.1.2.3", "public address"),
        (Published(issuer_url="https://[fd00::1]", keys=()), PUBLIC, "'s host is fd00::1", "public address"),
        (Published(issuer_url=URL, reason="no route"), NOBODY, "from here: no route", "from every address"),
        (
            Published(issuer_url=URL, keys=(), since={"k1": JUST_NOW}, suspects=(SUSPECT,)),
            PUBLIC,
            "'k1' was published 90 s ago",
            "wait and run again",
        ),
        (
            Published(issuer_url=URL, keys=(), since={"k1": NOW - RECENT}, suspects=(SUSPECT,)),
            PUBLIC,
            "JWK004",
            "mend it",
        ),
        (
            Published(issuer_url=URL, keys=(), since={"k1": NOW - RECENT}),
            PUBLIC,
            "published long ago",
            "curl from elsewhere",
        ),
        (Published(issuer_url=URL, keys=()), PUBLIC, "is not known", "curl from elsewhere"),
        (
            Published(issuer_url=URL, keys=(), suspects=(STALE, SLIGHT)),
            PUBLIC,
            "unreachable from outside",
            "curl from elsewhere",
        ),
    ],
)
def test_each_cause_has_its_sentence(
    published: Published, addresses: tuple[str, ...], cause: str, remedy: str
) -> None:
    seen = explain(svid(), published, "sts", now=NOW, resolve=lambda _host: addresses)
    assert cause in seen.said
    assert remedy in seen.remedy
    assert seen.finding is not None
    assert seen.finding.code == "GCP017"
    assert "Error connecting to the given credential's issuer" in seen.said


def test_a_name_is_looked_up_and_a_bad_one_gives_nothing() -> None:
    assert "127.0.0.1" in resolve("localhost") or "::1" in resolve("localhost")
    assert resolve("no such name .invalid") == ()


def test_an_error_that_is_no_code_is_not_shown() -> None:
    for body in ({"error": "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"}, {"error": {"status": "A" * 61}}):
        assert not GoogleAnswer(status=400, date=None, body=body).error
    assert GoogleAnswer(status=400, date=None, body={"error": "invalid_grant"}).error == "invalid_grant"


def test_names_of_google_may_lead_inside_from_here() -> None:
    for host in ("storage.googleapis.com", "issuer-abc.a.run.app"):
        published = Published(issuer_url=f"https://{host}/x", keys=(), since={"k1": JUST_NOW})
        seen = explain(svid(), published, "sts", now=NOW, resolve=lambda _host: PRIVATE)
        assert "10.1.2.3" not in seen.said
        assert "was published 90 s ago" in seen.said


def test_a_private_address_and_a_new_key_are_both_named() -> None:
    published = Published(issuer_url=URL, keys=(), since={"k1": JUST_NOW})
    seen = explain(svid(), published, "sts", now=NOW, resolve=lambda _host: PRIVATE)
    assert "10.1.2.3" in seen.said
    assert "'k1' is new" in seen.said
