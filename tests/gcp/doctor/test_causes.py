"""Google's sentence of many causes, told apart by what was seen: a table, without any network."""

from datetime import UTC, datetime, timedelta

import pytest

from publisher.findings import Finding, Severity
from publisher.gcp.doctor.causes import RECENT, explain, resolve
from publisher.gcp.doctor.published import Published
from publisher.gcp.doctor.token import JwtSeen

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
JUST_NOW = NOW - timedelta(seconds=90)
URL = "https://issuer.example/spire"
SUSPECT = Finding(code="JWK004", severity=Severity.ERROR, where=URL, what="no kid", remedy="mend it")
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
