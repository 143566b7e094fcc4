import json
from datetime import timedelta
from typing import Any

import pytest

from publisher.findings import Severity
from publisher.oidc import configuration, jwks_rules, profiles
from publisher.oidc.issuer import Issuer
from tests import keys

GOOGLE, UPLOADED, AWS, ENTRA, GO_OIDC = (profile.name for profile in profiles.PROFILES)


def published(kid: str, alg: str = "ES256", **members: Any) -> dict[str, Any]:
    return {**keys.jwk(kid, alg), "use": "sig", "alg": alg, **members}


def rsa_of(bits: int) -> dict[str, Any]:
    """Give a modulus of that size that nobody has the primes of: only the size matters here."""
    return {
        "kty": "RSA",
        "n": keys.uint(2 ** (bits - 1) + 1),
        "e": "AQAB",
        "kid": "m",
        "use": "sig",
        "alg": "RS256",
    }


def offer(
    *members: dict[str, Any],
    issuer: str = "https://issuer.example",
    jwks_uri: str | None = None,
    listed: tuple[str, ...] = configuration.ALGORITHMS,
    lifetime: timedelta | None = timedelta(seconds=60),
) -> profiles.Offer:
    served = jwks_rules.read(json.dumps({"keys": list(members)}).encode(), where="test")
    assert isinstance(served, tuple)
    return profiles.Offer(
        issuer=Issuer.parse(issuer),
        jwks_uri=jwks_uri or f"{issuer.removesuffix('/')}/keys",
        listed=listed,
        keys=served,
        jwks_lifetime=lifetime,
    )


def many(count: int, alg: str = "ES256") -> list[dict[str, Any]]:
    return [{**published("one", alg), "kid": f"{alg}{number}"} for number in range(count)]


RSA = published("r", "RS256")
CASES: dict[str, tuple[profiles.Offer, list[tuple[str, str]]]] = {
    "RSA 2048": (offer(RSA), []),
    "P-256": (offer(published("a")), [("RPY001", ENTRA)]),
    "P-384": (
        offer(published("a", "ES384")),
        [("RPY001", GOOGLE), ("RPY001", UPLOADED), ("RPY001", ENTRA)],
    ),
    "two P-384 beside RSA": (
        offer(RSA, published("a", "ES384"), published("b", "ES384")),
        [("RPY001", GOOGLE), ("RPY001", UPLOADED), ("RPY001", ENTRA)],
    ),
    "an algorithm that is not listed": (
        offer(published("a"), listed=("RS256",)),
        [("RPY001", ENTRA), ("RPY001", GO_OIDC)],
    ),
    "nothing usable listed": (
        offer(published("a"), listed=("HS256",)),
        [("RPY001", ENTRA), ("RPY001", GO_OIDC)],
    ),
    "a key that nobody knows": (offer({"kty": "OKP", "kid": "o"}, RSA), []),
    "an encryption key": (offer(RSA, published("a", "ES384", use="enc")), []),
    "9 keys": (offer(*many(9, "RS256")), [("RPY002", UPLOADED)]),
    "101 RSA keys": (
        offer(*many(101, "RS256")),
        [("RPY002", UPLOADED), ("RPY002", AWS), ("RPY002", ENTRA)],
    ),
    "100 RSA and 101 EC keys": (
        offer(*many(100, "RS256"), *many(101)),
        [("RPY002", UPLOADED), ("RPY002", AWS), ("RPY001", ENTRA), ("RPY002", ENTRA)],
    ),
    "an issuer with a port": (offer(RSA, issuer="https://issuer.example:8443"), [("RPY003", AWS)]),
    "a jwks_uri with a port": (
        offer(RSA, jwks_uri="https://issuer.example:8443/keys"),
        [("RPY003", AWS)],
    ),
    "a jwks_uri with a query": (offer(RSA, jwks_uri="https://issuer.example/keys?a"), [("RPY003", AWS)]),
    "a private address": (
        offer(RSA, issuer="https://10.0.0.1"),
        [("RPY003", GOOGLE), ("RPY003", AWS), ("RPY003", ENTRA)],
    ),
    "a name of one label": (
        offer(RSA, jwks_uri="https://localhost/keys"),
        [("RPY003", GOOGLE), ("RPY003", AWS), ("RPY003", ENTRA)],
    ),
    "a public address": (offer(RSA, issuer="https://8.8.8.8"), []),
    "no caching": (offer(RSA, lifetime=timedelta(0)), [("RPY004", AWS)]),
    "caching unknown": (offer(RSA, lifetime=None), []),
    "RSA 3072": (offer(rsa_of(3072)), [("RPY005", UPLOADED)]),
    "RSA 4096": (offer(rsa_of(4096)), []),
    "a certificate": (offer({**RSA, "x5c": []}), [("RPY006", UPLOADED)]),
    "a final slash": (
        offer(RSA, issuer="https://issuer.example/"),
        [("RPY007", ENTRA), ("RPY007", GO_OIDC)],
    ),
}


@pytest.mark.parametrize(("offered", "expected"), CASES.values(), ids=CASES)
def test_each_profile(offered: profiles.Offer, expected: list[tuple[str, str]]) -> None:
    found = profiles.judge(offered)
    named = [
        (finding.code, profile.name)
        for finding in found
        for profile in profiles.PROFILES
        if finding.what.startswith(profile.name)
    ]
    assert named == expected
    assert all(finding.severity is Severity.INFO for finding in found)
    assert all(finding.where == offered.issuer.url for finding in found)


def test_every_code_has_a_case() -> None:
    assert {code for _, expected in CASES.values() for code, _ in expected} == set(profiles.CODES)


def test_the_sentence_names_what_is_accepted_and_which_key_is_not() -> None:
    (found,) = profiles.judge(offer(published("kid-1"), RSA))
    assert found.what == (
        "Microsoft Entra accepts RS256 only and will refuse 'ES256' tokens of keys[0] kid 'kid-1'"
    )


def test_only_google_takes_uploaded_keys_instead() -> None:
    found = [one for one in profiles.judge(offer(RSA, issuer="https://10.0.0.1")) if one.code == "RPY003"]
    assert all("this host is not on the internet" in one.what for one in found)
    assert [one.what.startswith(GOOGLE) for one in found if "upload" in one.remedy] == [True]


def test_two_reasons_of_one_url_are_one_finding() -> None:
    (found,) = profiles.judge(offer(RSA, jwks_uri="https://issuer.example:1/keys?a"))
    assert "with a port and takes no URL with a query" in found.what


def test_go_oidc_assumes_rs256_where_nothing_usable_is_listed() -> None:
    go_oidc = profiles.PROFILES[-1]
    assert profiles.accepted_algorithms(go_oidc, ()) == {"RS256"}
    assert profiles.accepted_algorithms(go_oidc, ("none", "HS256")) == {"RS256"}
    assert profiles.accepted_algorithms(go_oidc, ("ES384", "none")) == {"ES384"}
    assert profiles.accepted_algorithms(profiles.PROFILES[0], ()) == {"RS256", "ES256"}
