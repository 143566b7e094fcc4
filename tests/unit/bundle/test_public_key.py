from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from publisher.bundle.public_key import PRIVATE_MEMBERS, PublicKey, refuse_private
from publisher.errors import BundleError
from tests import keys

RFC7638 = {  # section 3.1: the one thumbprint that everybody agrees on
    "kty": "RSA",
    "n": "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWK"
    "RXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMic"
    "AtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3"
    "XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw",
    "e": "AQAB",
}
P256 = 2**256 - 2**224 + 2**192 + 2**96 - 1


def _rsa(bits: int = 2048, e: int = 65537, n: int | None = None) -> dict[str, Any]:
    """Give an RSA key of no known factors: its bounds are all that is read."""
    return {"kty": "RSA", "n": keys.uint((1 << bits - 1) + 1 if n is None else n), "e": keys.uint(e)}


def _small_point() -> tuple[int, int]:
    """Find a point of P-256 whose x has a second spelling x + p that still fits in 32 bytes."""
    b = 0x5AC635D8AA3A93E7B3EBBD55769886BC651D06B0CC53B0F63BCE3C3E27D2604B
    for x in range(1, 50):
        square = (x**3 - 3 * x + b) % P256
        y = pow(square, (P256 + 1) // 4, P256)
        if y * y % P256 == square:
            return x, y
    raise AssertionError


def _p256(x: int, y: int) -> dict[str, Any]:
    return {"kty": "EC", "crv": "P-256", "x": keys.encode(x.to_bytes(32)), "y": keys.encode(y.to_bytes(32))}


@pytest.mark.parametrize("alg", ["ES256", "ES384", "RS256"])
def test_a_key_that_spire_makes_is_taken_with_its_algorithm(alg: str) -> None:
    members = keys.key_members(keys.private_key("a", alg))
    key = PublicKey.from_jwk(members, where="x")
    assert key.alg == alg
    assert key.members == tuple(sorted(members.items()))
    assert str(key) == f"{alg} {key.thumbprint}"
    assert PublicKey.from_der(keys.der("a", alg), where="x") == key


def test_the_thumbprint_is_that_of_rfc_7638() -> None:
    key = PublicKey.from_jwk(RFC7638, where="x")
    assert key.thumbprint == "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs"


def test_only_key_members_are_kept() -> None:
    noise = {"x5c": ["MIIB"], "x5u": "https://evil.example", "key_ops": ["sign"], "kid": "a", "alg": "none"}
    assert PublicKey.from_jwk({**RFC7638, **noise}, where="x") == PublicKey.from_jwk(RFC7638, where="x")


def test_a_point_with_a_small_coordinate_is_taken() -> None:
    assert PublicKey.from_jwk(_p256(*_small_point()), where="x").alg == "ES256"


@pytest.mark.parametrize("bits", [2048, 2049, 3072, 4096, 8192])
def test_an_rsa_modulus_within_the_bounds_is_taken(bits: int) -> None:
    assert PublicKey.from_jwk(_rsa(bits), where="x").alg == "RS256"


@pytest.mark.parametrize("exponent", [3, 17, 65537, 2**32 + 15])
def test_an_odd_rsa_exponent_from_3_is_taken(exponent: int) -> None:
    assert PublicKey.from_jwk(_rsa(e=exponent), where="x").alg == "RS256"


EC = keys.key_members(keys.private_key("a"))
X, Y = _small_point()
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "no kty": ({"crv": "P-256"}, "kty None cannot sign"),
    "kty null": ({"kty": None}, "kty None cannot sign"),
    "kty of another type": ({"kty": ["EC"]}, r"kty \['EC'\] cannot sign"),
    "unknown kty": ({"kty": "ML-DSA"}, "kty 'ML-DSA' cannot sign"),
    "kty in lower case": ({**EC, "kty": "ec"}, "kty 'ec' cannot sign"),
    "hostile kty": ({"kty": "\x1b[2J" * 999}, r"kty '\\x1b\[2J.*\.\.\. cannot sign"),
    "Ed25519": ({"kty": "OKP", "crv": "Ed25519", "x": EC["x"]}, "kty 'OKP' cannot sign"),
    "symmetric": ({"kty": "oct"}, r"private or symmetric members \(kty oct\)"),
    "symmetric with its key": ({"kty": "oct", "k": "AA"}, r"private or symmetric members \(k\)"),
    "several private members": ({**RFC7638, "d": "A", "qi": 0, "p": []}, r"members \(d, p, qi\)"),
    "curve missing": ({"kty": "EC", "x": EC["x"], "y": EC["y"]}, "curve None is not supported"),
    "curve null": ({**EC, "crv": None}, "curve None is not supported"),
    "curve of another type": ({**EC, "crv": ["P-256"]}, r"curve \['P-256'\] is not supported"),
    "curve P-521": (keys.key_members(keys.private_key("a", "ES512")), "curve 'P-521' is not supported"),
    "curve secp256k1": (
        keys.key_members(keys.private_key("a", "ES256K")),
        "curve 'secp256k1' is not supported",
    ),
    "another curve's point": ({**EC, "crv": "P-384"}, "member x is not 48 bytes long"),
    "point not on the curve": ({**EC, "y": EC["x"]}, "not a valid EC key"),
    "point at infinity": (_p256(0, 0), "not a valid EC key"),
    "coordinate beyond the field": (_p256(X + P256, Y), "member x is not below the prime of P-256"),
    "coordinate y beyond the field": (_p256(X, 2**256 - 1), "member y is not below the prime of P-256"),
    "coordinate missing": ({"kty": "EC", "crv": "P-256", "x": EC["x"]}, "member y is not unpadded base64url"),
    "coordinate too short": ({**EC, "y": keys.encode(b"\1" * 31)}, "member y is not 32 bytes long"),
    "coordinate too long": ({**EC, "y": keys.encode(b"\0" + b"\1" * 32)}, "member y is not 32 bytes long"),
    "base64 padding": ({**EC, "x": EC["x"] + "="}, "member x is not unpadded base64url"),
    "base64 of the other alphabet": ({**RFC7638, "n": RFC7638["n"].replace("_", "/")}, "member n is not unp"),
    "base64 with a line break": ({**RFC7638, "n": RFC7638["n"] + "\n"}, "member n is not unpadded"),
    "base64 with a space inside": ({**RFC7638, "n": "0vx7 " + RFC7638["n"][4:]}, "member n is not unpadded"),
    "base64 of an impossible length": ({**RFC7638, "n": RFC7638["n"] + "AAA"}, "member n is not unpadded"),
    "base64 with trailing bits": ({**RFC7638, "e": "AQABAR"}, "member e is not unpadded base64url"),
    "base64 beyond ASCII": ({**RFC7638, "e": "AQÄB"}, "member e is not unpadded base64url"),
    "base64 of another type": ({**RFC7638, "e": 65537}, "member e is not unpadded base64url: 65537"),
    "base64 null": ({**RFC7638, "e": None}, "member e is not unpadded base64url: None"),
    "base64 empty": ({**RFC7638, "e": ""}, "member e is not unpadded base64url: ''"),
    "base64 of 1 MB": ({**RFC7638, "n": "A" * 1_000_000}, "member n is not unpadded base64url: 'AAA"),
    "RSA of 1024 bits": (_rsa(1024), "modulus of 1024 bits is not within 2048 to 8192"),
    "RSA of 2047 bits": (_rsa(2047), "modulus of 2047 bits"),
    "RSA of 8193 bits": (_rsa(8193), "modulus of 8193 bits"),
    "RSA of 8200 bits": (_rsa(8200), "modulus of 8200 bits"),
    "RSA of 16384 bits": (_rsa(16384), "modulus of 16384 bits"),
    "RSA modulus even": (_rsa(n=2**2047), "modulus is even"),
    "RSA modulus 0": (_rsa(n=0), "member n has a leading zero byte"),
    "RSA modulus with leading zero": (
        {**_rsa(), "n": keys.encode(b"\0" + (2**2047 + 1).to_bytes(256))},
        "member n has a leading zero byte",
    ),
    "RSA exponent 0": (_rsa(e=0), "member e has a leading zero byte"),
    "RSA exponent 1": (_rsa(e=1), "exponent is not an odd number from 3"),
    "RSA exponent 2": (_rsa(e=2), "exponent is not an odd number from 3"),
    "RSA exponent even": (_rsa(e=65536), "exponent is not an odd number from 3"),
    "RSA exponent of the modulus": (_rsa(e=2**2047 + 1), "exponent is not an odd number from 3"),
    "RSA exponent with leading zero": ({**RFC7638, "e": "AAEAAQ"}, "member e has a leading zero byte"),
    "RSA exponent missing": ({"kty": "RSA", "n": RFC7638["n"]}, "member e is not unpadded"),
}


@pytest.mark.parametrize(("jwk", "what"), REFUSED.values(), ids=REFUSED)
def test_any_other_key_is_refused_by_name(jwk: dict[str, Any], what: str) -> None:
    with pytest.raises(BundleError, match=what) as refused:
        PublicKey.from_jwk(jwk, where="keys[0]")
    assert refused.value.where == "keys[0]"
    assert refused.value.remedy
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize("name", sorted(PRIVATE_MEMBERS))
@pytest.mark.parametrize("value", [None, "", "AQAB"], ids=["null", "empty", "set"])
def test_a_private_or_symmetric_member_is_refused_even_when_null(name: str, value: str | None) -> None:
    for jwk in (EC, RFC7638, {"kty": "future"}):
        with pytest.raises(BundleError, match=rf"members \({name}\)") as refused:
            refuse_private({**jwk, name: value}, where="x")
        assert "AQAB" not in str(refused.value)
        with pytest.raises(BundleError, match=rf"members \({name}\)"):
            PublicKey.from_jwk({**jwk, name: value}, where="x")


def _spki(key: Any) -> bytes:
    return bytes(key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo))


GOOD = keys.der("a")
DER: dict[str, tuple[bytes, str]] = {
    "empty": (b"", "not a PKIX public key in DER"),
    "truncated": (GOOD[:-1], "not a PKIX public key in DER"),
    "trailing byte": (GOOD + b"\0", "not a PKIX public key in DER"),
    "PEM": (b"-----BEGIN PUBLIC KEY-----", "not a PKIX public key in DER"),
    "point not on the curve": (GOOD[:-1] + bytes([GOOD[-1] ^ 1]), "not a PKIX public key in DER"),
    "unknown algorithm": (GOOD.replace(b"\x3d\x02\x01", b"\x3d\x02\x09"), "not a supported kind of key"),
    "unknown curve": (GOOD.replace(b"\x03\x01\x07", b"\x03\x01\x77"), "not a supported kind of key"),
    "curve P-521": (keys.der("a", "ES512"), "curve 'P-521' is not supported"),
    "curve P-224": (_spki(ec.generate_private_key(ec.SECP224R1())), "curve 'secp224r1' is not supported"),
    "Ed25519": (_spki(ed25519.Ed25519PrivateKey.generate()), "kty 'OKP' cannot sign"),
    "DSA": (_spki(dsa.generate_private_key(1024)), "not an RSA or EC key"),
    "RSA of 1024 bits": (
        _spki(keys.private_key("weak", "RS256", bits=1024)),
        "modulus of 1024 bits is not within 2048 to 8192",
    ),
}


@pytest.mark.parametrize(("der", "what"), DER.values(), ids=DER)
def test_any_other_der_is_refused_by_name(der: bytes, what: str) -> None:
    with pytest.raises(BundleError, match=what) as refused:
        PublicKey.from_der(der, where="jwt_authorities[0]")
    assert refused.value.where == "jwt_authorities[0]"
