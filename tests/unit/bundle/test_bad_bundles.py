"""The list of bad input of a bundle: every case has its message with place and remedy, and exit status 65."""

import json
from typing import Any

import pytest

from publisher.bundle import formats
from publisher.bundle.public_key import PRIVATE_MEMBERS
from publisher.errors import BundleError
from tests import keys
from tests.keys import EXAMPLE_ORG, jwk, jwks, spiffe_bundle


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _refused(data: bytes) -> BundleError:
    with pytest.raises(BundleError) as refused:
        formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="file:x")
    error = refused.value
    assert error.exit_status == 65
    assert error.remedy
    assert str(error).isprintable()
    assert len(str(error)) < 500
    return error


DOCUMENTS = {
    "empty": (b"", "not JSON at line 1 column 1"),
    "not JSON": (b"<html>", "not JSON at line 1 column 1"),
    "truncated": (jwks("a")[:-3], "not JSON at line 1"),
    "not UTF-8": (b'{"keys":"\xff"}', "not UTF-8 at byte 9"),
    "byte order mark": (b"\xef\xbb\xbf" + jwks("a"), "byte order mark"),
    "duplicate members": (b'{"keys":[],"keys":[]}', "member 'keys' appears twice"),
    "NaN": (b'{"keys":[],"spiffe_sequence":NaN}', "'NaN' is not finite"),
    "beyond a double": (b'{"keys":[],"spiffe_sequence":1e999}', "'1e999' is not finite"),
    "integer of 10,000 digits": (b'{"keys":[],"spiffe_sequence":%s}' % (b"9" * 10_000), "beyond a double"),
    "over 4 MiB": (jwks("a").ljust(formats.LARGEST + 1), "4194305 bytes are more than the limit"),
    "deep nesting": (b'{"keys":' + b"[" * 40 + b"]" * 40 + b"}", "nested more than 32 deep"),
    "very deep nesting": (b'{"keys":' + b"[" * 200_000, "nested more than 32 deep"),
    "lone surrogate": (rb'{"keys":[{"kid":"\udc00"}]}', "half of a surrogate pair"),
    "null": (b"null", "is not a JSON object"),
    "a string": (b'"keys"', "is not a JSON object"),
    "a number": (b"7", "is not a JSON object"),
    "keys missing": (b"{}", "has no array `keys`"),
    "keys null": (b'{"keys":null}', "has no array `keys`"),
    "keys an object": (b'{"keys":{}}', "has no array `keys`"),
    "keys a string": (b'{"keys":"abc"}', "has no array `keys`"),
    "keys empty": (b'{"keys":[]}', "has no JWT authorities yet"),
    "one bare JWK": (_json(jwk("a")), "has no array `keys`"),
    "keys with a null": (b'{"keys":[null]}', "keys[0]: is not an object"),
    "keys with a string": (_json({"keys": [jwk("a"), "b"]}), "keys[1]: is not an object"),
    "keys with an array": (b'{"keys":[[]]}', "keys[0]: is not an object"),
    "2,001 keys": (_json({"keys": [{}] * 2001}), "has 2001 keys, more than 2000"),
    "4 MiB of keys": (b'{"keys":[' + b"{}," * 1_000_000 + b"{}]}", "has 1000001 keys, more than 2000"),
    "only X.509 authorities": (spiffe_bundle(keys.x509_jwk()), "has no JWT authorities yet"),
    "duplicate kid": (jwks("a", jwk("a", seed="b")), "has two keys of kid 'a'"),
    "the same key twice": (jwks("a", "a"), "has two keys of kid 'a'"),
    "duplicate kid in a SPIFFE bundle": (spiffe_bundle("a", "a"), "has two keys of kid 'a'"),
    "X.509 authority with a private member": (
        spiffe_bundle("a", {**keys.x509_jwk(), "d": None}),
        "file:x: keys[1] kid None: has private or symmetric members (d)",
    ),
}


@pytest.mark.parametrize(("data", "what"), DOCUMENTS.values(), ids=DOCUMENTS)
def test_a_bad_document_is_refused(data: bytes, what: str) -> None:
    error = _refused(data)
    assert what in str(error)
    assert error.where.startswith(("file:x", "trust bundle of example.org"))


def _without(key: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in key.items() if name not in names}


KEYS: dict[str, tuple[dict[str, Any], str]] = {
    "empty": ({}, "kid None: has no `kid`"),
    "kid missing": (_without(jwk("a"), "kid"), "kid None: has no `kid`"),
    "kid null": ({**jwk("a"), "kid": None}, "kid None: has no `kid`"),
    "kid a number": ({**jwk("a"), "kid": 7}, "kid 7: has no `kid`"),
    "kid an array": ({**jwk("a"), "kid": ["a"]}, "kid ['a']: has no `kid`"),
    "kid empty": (jwk(""), "kid '': its kid is empty or not printable"),
    "kid with control characters": (
        jwk("a\x1b[2J\n"),
        r"kid 'a\x1b[2J\n': its kid is empty or not printable",
    ),
    "kid with NUL": (jwk("a\0"), r"kid 'a\x00': its kid is empty or not printable"),
    "kid with a bidi override": (jwk("a\u202eb"), r"kid 'a\u202eb': its kid is empty or not printable"),
    "kid of 257 bytes": (jwk("k" * 257), "its kid has 257 bytes, more than 256"),
    "kid of 10 kB": (jwk("k" * 10_000), "its kid has 10000 bytes, more than 256"),
    "symmetric": ({"kty": "oct", "k": "c2VjcmV0", "kid": "a"}, "has private or symmetric members (k)"),
    "symmetric with null": ({"kty": "oct", "k": None, "kid": "a"}, "has private or symmetric members (k)"),
    "unknown kty": ({"kty": "OKP", "kid": "a"}, "kty 'OKP' cannot sign"),
    "curve P-521": (jwk("a", "ES512"), "curve 'P-521' is not supported"),
    "curve secp256k1": (jwk("a", "ES256K"), "curve 'secp256k1' is not supported"),
    "point not on the curve": ({**jwk("a"), "x": jwk("b")["x"]}, "not a valid EC key"),
    "padded base64url": ({**jwk("a"), "x": jwk("a")["x"] + "="}, "member x is not unpadded base64url"),
    "bad base64url": ({**jwk("a"), "x": "!" * 43}, "member x is not unpadded base64url"),
    "weak RSA": (
        {"kty": "RSA", "n": keys.uint(2**1023 + 1), "e": "AQAB", "kid": "a"},
        "modulus of 1024 bits",
    ),
    "even RSA": ({"kty": "RSA", "n": keys.uint(2**2047), "e": "AQAB", "kid": "a"}, "modulus is even"),
    "odd RSA exponent": (
        {"kty": "RSA", "n": keys.uint(2**2047 + 1), "e": "AQ", "kid": "a"},
        "exponent is not",
    ),
    "alg of another curve": (jwk("a") | {"alg": "ES384"}, "alg 'ES384' does not fit its key: ES256"),
    "alg of another kty": (jwk("a") | {"alg": "RS256"}, "alg 'RS256' does not fit its key: ES256"),
    "alg PS256 of an RSA key": (
        jwk("a", "RS256") | {"alg": "PS256"},
        "alg 'PS256' does not fit its key: RS256",
    ),
    "alg none": (jwk("a") | {"alg": "none"}, "alg 'none' does not fit its key: ES256"),
    "alg null": (jwk("a") | {"alg": None}, "alg None does not fit its key: ES256"),
    "alg an array": (jwk("a") | {"alg": ["ES256"]}, "alg ['ES256'] does not fit its key: ES256"),
    "alg hostile": (jwk("a") | {"alg": "\n" * 9999}, r"alg '\n\n"),
}


@pytest.mark.parametrize("use", [None, "jwt-svid"], ids=["JWKS", "SPIFFE bundle"])
@pytest.mark.parametrize(("key", "what"), KEYS.values(), ids=KEYS)
def test_a_bad_key_among_good_ones_is_refused(key: dict[str, Any], what: str, use: str | None) -> None:
    members = {"use": use} if use else {}
    error = _refused(_json({"keys": [{**one, **members} for one in (jwk("good"), key)]}))
    assert what in str(error)
    assert error.where.startswith("file:x: keys[1] kid ")


@pytest.mark.parametrize("name", sorted(PRIVATE_MEMBERS))
@pytest.mark.parametrize("use", [None, "jwt-svid", "x509-svid"])
def test_a_private_member_is_refused_even_when_null(name: str, use: str | None) -> None:
    members = {"use": use, name: None} if use else {name: None}
    error = _refused(_json({"keys": [jwk("good"), {**jwk("a"), **members}]}))
    assert error.what == f"has private or symmetric members ({name})"


@pytest.mark.parametrize("use", ["enc", "SIG", "", None, 1, ["sig"], {}], ids=repr)
def test_a_key_of_a_jwks_that_is_not_for_signatures_is_refused(use: Any) -> None:
    error = _refused(_json({"keys": [jwk("good"), {**jwk("a"), "use": use}]}))
    assert "is not that of a signing key" in error.what


@pytest.mark.parametrize("name", ["spiffe_sequence", "spiffe_refresh_hint"])
@pytest.mark.parametrize(
    "number", [-1, 2**63, 10**300, True, False, 1.0, 1.5, "1", None, [], {}, [1]], ids=lambda n: str(n)[:20]
)
def test_a_number_that_is_none_is_refused(name: str, number: Any) -> None:
    error = _refused(spiffe_bundle("a", **{name: number}))
    assert error.what.startswith(f"{name} is ")
    assert error.what.endswith(", not a number from 0 to 2^63 - 1")


AGENT: dict[str, tuple[Any, str]] = {
    "empty array": ([], "offers no trust domain"),
    "no bundles": ([{"svids": []}], "offers no trust domain"),
    "elements that are no objects": ([None, 7, "a", ["b"]], "offers no trust domain"),
    "an array of JWKs": ([jwk("a")], "offers no trust domain"),
    "bundles null": ([{"bundles": None}], "member `bundles` is not an object"),
    "bundles an array": ([{"bundles": []}], "member `bundles` is not an object"),
    "another trust domain": ([{"bundles": {"spiffe://other": ""}}], "offers other, not example.org"),
    "bad trust domain": ([{"bundles": {"spiffe://A\n": ""}}], r"trust domain 'spiffe://A\n': must be"),
    "broken base64": ([{"bundles": {"spiffe://example.org": "!"}}], "bundle of example.org: is not base64"),
    "base64 without padding": ([{"bundles": {"spiffe://example.org": "e30"}}], "is not base64"),
    "base64 with line breaks": ([{"bundles": {"spiffe://example.org": "e3\n0="}}], "is not base64"),
    "base64 beyond ASCII": ([{"bundles": {"spiffe://example.org": "é"}}], "is not base64"),
    "a bundle that is a number": ([{"bundles": {"spiffe://example.org": 7}}], "is not base64"),
    "a bundle that is null": ([{"bundles": {"spiffe://example.org": None}}], "is not base64"),
    "a bundle that is an object": ([{"bundles": {"spiffe://example.org": {"keys": []}}}], "is not base64"),
    "a trust domain twice": (
        [{"bundles": {"spiffe://example.org": "e30="}}, {"bundles": {"example.org": "e30="}}],
        "has two bundles of example.org",
    ),
    "a bundle without keys": (
        [{"bundles": {"spiffe://example.org": "e30="}}],
        "file:x: bundle of example.org: has no array `keys`",
    ),
}


@pytest.mark.parametrize(("output", "what"), AGENT.values(), ids=AGENT)
def test_bad_output_of_an_agent_is_refused(output: Any, what: str) -> None:
    assert what in str(_refused(_json(output)))
