import json
from typing import Any

import jwt
import pytest
from joserfc.errors import JoseError
from joserfc.jwk import KeySet

from publisher.findings import Finding, Severity
from publisher.oidc import configuration, jwks, jwks_rules
from tests import keys
from tests.doubles import codes

WHERE = "https://issuer.example/keys"
E, W = Severity.ERROR, Severity.WARNING


def jwk(kid: str = "a", alg: str = "ES256", **members: Any) -> dict[str, Any]:
    """Give a JWK as we publish it, overlaid; a member of value None is left out."""
    known = {**keys.jwk(kid, alg), "use": "sig", "alg": alg, **members}
    return {name: value for name, value in known.items() if value is not None}


OKP = {"kty": "OKP", "crv": "Ed25519", "x": keys.encode(b"\1" * 32), "kid": "o", "use": "sig", "alg": "EdDSA"}
OCT = {"kty": "oct", "k": "c2VjcmV0", "kid": "s", "use": "sig", "alg": "HS256"}

CASES: dict[str, tuple[list[dict[str, Any]], list[tuple[str, Severity]]]] = {
    "as published": ([jwk("a"), jwk("b", "ES384"), jwk("c", "RS256")], []),
    "a private key": ([jwk(d="AQAB"), jwk("b")], [("JWK003", E)]),
    "a private member that is null": ([{**jwk(), "p": None}], [("JWK003", E)]),
    "a symmetric key": ([OCT], [("JWK003", E), ("JWK013", E)]),
    "no kid": ([jwk("a"), jwk(kid="b") | {"kid": None}], [("JWK004", E)]),
    "an empty kid": ([jwk() | {"kid": ""}], [("JWK004", E)]),
    "a kid that is a number": ([jwk() | {"kid": 7}], [("JWK004", E)]),
    "a kid of control characters": ([jwk() | {"kid": "a\x1b[2J"}], [("JWK004", E)]),
    "a kid of 10 kB": ([jwk() | {"kid": "k" * 10000}], [("JWK004", E)]),
    "two keys of one kid": ([jwk("a"), jwk("b"), jwk("a", "ES384")], [("JWK005", E)]),
    "two keys without kid": ([jwk("a") | {"kid": None}, jwk("b") | {"kid": None}], [("JWK004", E)]),
    "use jwt-svid": ([jwk(use="jwt-svid")], [("JWK006", E)]),
    "an X.509 authority": ([jwk(), keys.x509_jwk()], [("JWK004", E), ("JWK006", E)]),
    "no use": ([jwk(use=None)], [("JWK007", W)]),
    "use enc": ([jwk(use="enc"), jwk("b")], [("JWK008", W)]),
    "a use that is an object": ([jwk(use={})], [("JWK008", W)]),
    "no alg": ([{name: value for name, value in jwk().items() if name != "alg"}], [("JWK009", W)]),
    "alg of another curve": ([jwk() | {"alg": "ES384"}], [("JWK010", E)]),
    "alg of another type": ([jwk() | {"alg": "RS256"}], [("JWK010", E)]),
    "alg null": ([jwk() | {"alg": None}], [("JWK010", E)]),
    "alg an array": ([jwk() | {"alg": ["ES256"]}], [("JWK010", E)]),
    "RSA for PS512": ([jwk("c", "RS256") | {"alg": "PS512"}], [("JWK013", E)]),
    "a point off the curve": ([jwk() | {"y": jwk("b")["y"]}], [("JWK011", E)]),
    "padded base64url": ([jwk() | {"x": jwk()["x"] + "="}], [("JWK011", E)]),
    "a weak RSA key": (
        [{"kty": "RSA", "n": keys.uint(2**1023 + 1), "e": "AQAB", "kid": "w", "use": "sig", "alg": "RS256"}],
        [("JWK011", E)],
    ),
    "P-521": ([jwk("a"), jwk("b", "ES512")], [("JWK012", W), ("JWK013", E)]),
    "Ed25519 beside good keys": ([jwk("a"), OKP], [("JWK012", W), ("JWK013", E)]),
    "no kty": ([jwk("a"), {"kid": "n", "use": "sig", "alg": "ES256"}], [("JWK012", W)]),
    "a kty that is an array": ([jwk("a"), jwk("b") | {"kty": []}], [("JWK012", W)]),
    "as the Workload API gives it": ([keys.jwk("a")], [("JWK007", W), ("JWK009", W)]),
}

UNREADABLE: dict[str, tuple[bytes, str]] = {
    "nothing": (b"", "JWK001"),
    "an array": (b"[]", "JWK001"),
    "no keys": (b"{}", "JWK001"),
    "keys an object": (b'{"keys":{}}', "JWK001"),
    "a key that is none": (b'{"keys":[1]}', "JWK001"),
    "duplicate members": (b'{"keys":[],"keys":[]}', "JWK001"),
    "too many": (json.dumps({"keys": [{}] * 2001}).encode(), "JWK001"),
    "empty": (b'{"keys":[]}', "JWK002"),
    "as SPIRE's provider serves an empty set": (b'{"keys":null}', "JWK002"),
}


def read(*members: dict[str, Any]) -> jwks_rules.Keys:
    found = jwks_rules.read(json.dumps({"keys": list(members)}).encode(), where=WHERE)
    assert isinstance(found, tuple)
    return found


@pytest.mark.parametrize(("members", "expected"), CASES.values(), ids=CASES)
def test_each_rule(members: list[dict[str, Any]], expected: list[tuple[str, Severity]]) -> None:
    found = jwks_rules.judge(read(*members), listed=configuration.ALGORITHMS, where=WHERE)
    assert [(finding.code, finding.severity) for finding in found] == expected
    assert all(finding.where == WHERE and finding.remedy for finding in found)
    assert all(str(finding).isprintable() and len(str(finding)) < 600 for finding in found)


@pytest.mark.parametrize(("data", "code"), UNREADABLE.values(), ids=UNREADABLE)
def test_a_document_that_cannot_be_read(data: bytes, code: str) -> None:
    found = jwks_rules.read(data, where=WHERE)
    assert isinstance(found, Finding)
    assert (found.code, found.severity, found.where) == (code, Severity.ERROR, WHERE)


def test_every_code_has_a_case() -> None:
    reached = {code for _, expected in CASES.values() for code, _ in expected}
    assert reached | {"JWK001", "JWK002"} == set(jwks_rules.CODES)


def test_what_we_build_breaks_no_rule_and_the_libraries_agree() -> None:
    bundle = keys.bundle("a", keys.authority("b", "ES384"), keys.authority("c", "RS256"))
    data = jwks.build(bundle, algorithms=configuration.ALGORITHMS)
    served = jwks_rules.read(data, where=WHERE)
    assert isinstance(served, tuple)
    assert jwks_rules.judge(served, listed=configuration.ALGORITHMS, where=WHERE) == ()
    assert [key.kid for key in served] == [key.key_id for key in jwt.PyJWKSet.from_json(data.decode()).keys]
    thumbprints = [key.thumbprint() for key in KeySet.import_key_set(json.loads(data)).keys]
    assert [key.key.thumbprint for key in served if key.key] == thumbprints


@pytest.mark.parametrize("case", ["use jwt-svid", "padded base64url", "a point off the curve", "no kty"])
def test_a_library_refuses_what_we_report(case: str) -> None:
    # PyJWT and joserfc are stricter on some points and laxer on others: each of these fails one at least.
    members, _ = CASES[case]
    refusals = 0
    for key in members:
        try:
            jwt.PyJWK.from_dict(key)
        except jwt.PyJWTError:
            refusals += 1
    try:
        KeySet.import_key_set({"keys": members})
    except (JoseError, ValueError, KeyError):
        refusals += 1
    assert refusals


def test_without_a_usable_list_no_key_is_said_to_be_missing_in_it() -> None:
    assert jwks_rules.judge(read(jwk("a", "ES384")), listed=(), where=WHERE) == ()
    assert codes(jwks_rules.judge(read(jwk("a", "ES384")), listed=("RS256",), where=WHERE)) == ["JWK013"]


def test_many_keys_give_one_finding() -> None:
    served = read(*(keys.jwk(f"k{number}", use="sig") for number in range(50)))
    (found,) = jwks_rules.judge(served, listed=configuration.ALGORITHMS, where=WHERE)
    assert found.what == "keys[0] kid 'k0', keys[1] kid 'k1', keys[2] kid 'k2' and 47 more: no alg"


def test_the_size_of_an_rsa_key() -> None:
    sizes = [key.rsa_bits for key in read(jwk("c", "RS256"), jwk("a"), OKP)]
    assert sizes == [2048, None, None]


def test_a_key_of_no_known_algorithm() -> None:
    (served,) = read({"kty": "OKP", "kid": "o"})
    assert served.alg is None
