import json
from typing import Any

import pytest

from publisher.findings import Finding, Severity
from publisher.oidc import configuration, configuration_rules
from publisher.oidc.issuer import Issuer
from tests.doubles import codes

ISSUER = Issuer.parse("https://issuer.example")
WHERE = "https://issuer.example/.well-known/openid-configuration"
GONE = object()

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 (columns of the table)

GOOD: dict[str, Any] = json.loads(
    configuration.build(
        issuer=ISSUER,
        jwks_path="keys",
        authorization_endpoint="https://issuer.example/authorize",
        algorithms=configuration.ALGORITHMS,
    )
)

CASES: dict[str, tuple[dict[str, Any], list[tuple[str, Severity]]]] = {
    "as published": ({}, []),
    "no issuer": ({"issuer": GONE}, [("CFG002", E)]),
    "issuer null": ({"issuer": None}, [("CFG002", E)]),
    "other issuer": ({"issuer": "https://other.example"}, [("CFG002", E)]),
    "final slash": ({"issuer": "https://issuer.example/"}, [("CFG002", E)]),
    "upper case": ({"issuer": "https://ISSUER.example"}, [("CFG002", E)]),
    "no jwks_uri": ({"jwks_uri": GONE}, [("CFG003", E)]),
    "jwks_uri a number": ({"jwks_uri": 5}, [("CFG003", E)]),
    "no lists": (
        {
            "response_types_supported": GONE,
            "subject_types_supported": None,
            configuration_rules.LISTED: "RS256",
        },
        [("CFG003", E)] * 3,
    ),
    "a list of numbers": (
        {"response_types_supported": [1]},
        [("CFG003", E), ("CFG006", W)],
    ),
    "no authorization endpoint": ({"authorization_endpoint": GONE}, [("CFG004", I)]),
    "empty authorization endpoint": ({"authorization_endpoint": ""}, [("CFG005", W)]),
    "null authorization endpoint": ({"authorization_endpoint": None}, [("CFG005", W)]),
    "http authorization endpoint": ({"authorization_endpoint": "http://x/a"}, [("CFG005", W)]),
    "authorization endpoint of a wrong port": (
        {"authorization_endpoint": "https://issuer.example:65536/a"},
        [("CFG005", W)],
    ),
    "authorization endpoint at port 0": (
        {"authorization_endpoint": "https://issuer.example:0/a"},
        [("CFG005", W)],
    ),
    "no response types": ({"response_types_supported": []}, [("CFG006", W)]),
    "code only": ({"response_types_supported": ["code", "code token"]}, [("CFG006", W)]),
    "id_token among others": ({"response_types_supported": ["code id_token"]}, []),
    "no subject types": ({"subject_types_supported": []}, [("CFG007", E)]),
    "pairwise": ({"subject_types_supported": ["pairwise"]}, []),
    "unknown subject types": ({"subject_types_supported": ["private"]}, [("CFG007", E)]),
    "no algorithms": ({configuration_rules.LISTED: []}, [("CFG008", E)]),
    "without RS256": ({configuration_rules.LISTED: ["ES256"]}, [("CFG009", W)]),
    "keyless algorithms": ({configuration_rules.LISTED: ["RS256", "none", "HS256"]}, [("CFG012", W)]),
    "algorithms that are no strings": (
        {configuration_rules.LISTED: ["RS256", {}]},
        [("CFG003", E)],
    ),
    "http jwks_uri": ({"jwks_uri": "http://issuer.example/keys"}, [("CFG010", E)]),
    "relative jwks_uri": ({"jwks_uri": "/keys"}, [("CFG010", E)]),
    "empty jwks_uri": ({"jwks_uri": ""}, [("CFG010", E)]),
    "jwks_uri without host": ({"jwks_uri": "https:///keys"}, [("CFG010", E)]),
    "jwks_uri with a password": ({"jwks_uri": "https://a:b@issuer.example/keys"}, [("CFG010", E)]),
    "jwks_uri with a fragment": ({"jwks_uri": "https://issuer.example/keys#1"}, [("CFG010", E)]),
    "jwks_uri with a space": ({"jwks_uri": "https://issuer.example/ke ys"}, [("CFG010", E)]),
    "jwks_uri with a line break": ({"jwks_uri": "https://issuer.example/keys\r\nX: y"}, [("CFG010", E)]),
    "jwks_uri of a broken address": ({"jwks_uri": "https://[::1/keys"}, [("CFG010", E)]),
    "jwks_uri too long": ({"jwks_uri": f"https://issuer.example/{'k' * 3000}"}, [("CFG010", E)]),
    "jwks_uri elsewhere": ({"jwks_uri": "https://keys.example/keys"}, [("CFG011", W)]),
    "jwks_uri at another port": ({"jwks_uri": "https://issuer.example:8443/keys"}, [("CFG011", W)]),
    "jwks_uri with a query": ({"jwks_uri": "https://issuer.example/keys?v=1"}, []),
    "unknown members": ({"x": None, "service_documentation": {}}, []),
}

UNREADABLE = {
    "nothing": b"",
    "HTML": b"<html>",
    "an array": b"[]",
    "null": b"null",
    "duplicate members": b'{"issuer":"a","issuer":"b"}',
    "not UTF-8": b'{"issuer":"\xff"}',
    "too big": b'{"issuer":"' + b"x" * (4 * 1024 * 1024) + b'"}',
}


def metadata(changes: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**GOOD, **changes}.items() if value is not GONE}


@pytest.mark.parametrize(("changes", "expected"), CASES.values(), ids=CASES)
def test_each_rule(changes: dict[str, Any], expected: list[tuple[str, Severity]]) -> None:
    found = configuration_rules.judge(metadata(changes), ISSUER, where=WHERE)
    assert [(finding.code, finding.severity) for finding in found] == expected
    assert all(finding.where == WHERE and finding.what and finding.remedy for finding in found)


@pytest.mark.parametrize("data", UNREADABLE.values(), ids=UNREADABLE)
def test_a_document_that_cannot_be_read(data: bytes) -> None:
    found = configuration_rules.read(data, where=WHERE)
    assert isinstance(found, Finding)
    assert (found.code, found.severity, found.where) == ("CFG001", Severity.ERROR, WHERE)


def test_a_document_that_can_be_read() -> None:
    assert configuration_rules.read(json.dumps(GOOD).encode(), where=WHERE) == GOOD


def test_every_code_has_a_case() -> None:
    reached = {code for _, expected in CASES.values() for code, _ in expected}
    assert reached | {"CFG001"} == set(configuration_rules.CODES)


def test_the_difference_of_a_slash_is_named() -> None:
    (found,) = configuration_rules.judge(metadata({"issuer": "https://issuer.example/"}), ISSUER, where=WHERE)
    assert "final slash" in found.what


def test_hostile_text_is_escaped_and_shortened() -> None:
    changes = {"issuer": "\x1b[2J" * 1000, "jwks_uri": "https://\n" * 1000}
    found = configuration_rules.judge(metadata(changes), ISSUER, where=WHERE)
    assert codes(found) == ["CFG002", "CFG010"]
    assert all(str(finding).isprintable() and len(str(finding)) < 500 for finding in found)


def test_listed_algorithms() -> None:
    assert configuration_rules.listed_algorithms(GOOD) == configuration.ALGORITHMS
    assert configuration_rules.listed_algorithms({}) == ()
    assert configuration_rules.listed_algorithms({configuration_rules.LISTED: ["ES256", 1]}) == ("ES256",)


def test_only_a_usable_jwks_uri_is_fetched() -> None:
    assert configuration_rules.usable_jwks_uri(GOOD) == "https://issuer.example/keys"
    assert configuration_rules.usable_jwks_uri({}) is None
    assert configuration_rules.usable_jwks_uri({"jwks_uri": "file:///etc/passwd"}) is None
