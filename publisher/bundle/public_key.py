"""A public key: RSA or EC, and never anything more than public."""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jwcrypto.common import JWException
from jwcrypto.jwk import JWK

from publisher.errors import BundleError
from publisher.quoting import quote

PRIVATE_MEMBERS = frozenset({"d", "p", "q", "dp", "dq", "qi", "oth", "k", "priv"})
"""Members that only a private or a symmetric key has (RFC 7518 section 6)."""

SMALLEST_RSA, LARGEST_RSA = 2048, 8192
"""Bounds of an RSA modulus in bits. NIST SP 800-131A gives the lower one, common libraries the upper."""

_LONGEST_MEMBER = 4096
"""The most base64url characters of a key member; the largest modulus has 1366."""

_CURVES = {
    "P-256": ("ES256", 2**256 - 2**224 + 2**192 + 2**96 - 1),
    "P-384": ("ES384", 2**384 - 2**128 - 2**96 + 2**32 - 1),
}
"""The algorithm of a curve, and the prime of its field (NIST SP 800-186 section 3.2.1)."""

_REMEDY = "set jwt_key_type in the SPIRE server to ec-p256, ec-p384, rsa-2048 or rsa-4096"
_CORRUPT = "the bundle is damaged or forged; fetch it again from SPIRE"


@dataclass(frozen=True, slots=True, kw_only=True)
class PublicKey:
    """Hold the key members of a public JWK, with the one JWS algorithm they are published for.

    `members` are `kty` and the key members alone (RFC 7518 sections 6.2.1 and 6.3.1), sorted by name;
    `alg` is `ES256`, `ES384` or `RS256`; `thumbprint` that of RFC 7638 with SHA-256.
    """

    members: tuple[tuple[str, str], ...]
    alg: str
    thumbprint: str = field(compare=False)

    @classmethod
    def from_jwk(cls, jwk: Mapping[str, Any], *, where: str) -> Self:
        """Read the key members of a JWK; other members are the caller's business.

        Raises:
            BundleError: private or symmetric members (even null), another `kty` or curve, a coordinate
                out of the field, a point off the curve, an RSA modulus out of bounds or even, an even or
                small exponent, anything but canonical unpadded base64url.

        """
        refuse_private(jwk, where=where)
        match jwk.get("kty"):
            case "EC":
                members, alg = _ec_members(jwk, where)
            case "RSA":
                members, alg = _rsa_members(jwk, where), "RS256"
            case other:
                raise BundleError(where, f"kty {quote(other, 40)} cannot sign JWT-SVIDs here", _REMEDY)
        try:
            key = JWK(**members)
            key.get_op_key("verify")  # the library builds the key: this is where a point is put to the curve
            thumbprint = key.thumbprint()
        except (JWException, ValueError) as error:
            raise BundleError(
                where, f"not a valid {members['kty']} key ({quote(str(error))})", _CORRUPT
            ) from error
        return cls(members=tuple(sorted(members.items())), alg=alg, thumbprint=thumbprint)

    @classmethod
    def from_der(cls, der: bytes, *, where: str) -> Self:
        """Read a PKIX SubjectPublicKeyInfo in DER (RFC 5280), as SPIRE's server API gives it.

        Raises:
            BundleError: not DER, or not a key that `from_jwk` takes.

        """
        try:
            key = JWK()
            key.import_from_pyca(load_der_public_key(der))
            exported = key.export_public(as_dict=True)
        except UnsupportedAlgorithm as error:
            raise BundleError(where, f"not a supported kind of key ({quote(str(error))})", _REMEDY) from error
        except KeyError as error:  # the library's table of curves
            raise BundleError(where, f"curve {quote(error.args[0])} is not supported", _REMEDY) from error
        except JWException as error:
            raise BundleError(where, "not an RSA or EC key", _REMEDY) from error
        except ValueError as error:
            raise BundleError(where, "not a PKIX public key in DER", _CORRUPT) from error
        return cls.from_jwk(exported, where=where)

    def __str__(self) -> str:
        return f"{self.alg} {self.thumbprint}"


def refuse_private(jwk: Mapping[str, Any], *, where: str) -> None:
    """Refuse a JWK that is more than public, even where the key itself would not be used.

    Raises:
        BundleError: private or symmetric members, whatever their value, or `kty: oct`.

    """
    private = sorted(PRIVATE_MEMBERS & jwk.keys())
    if private or jwk.get("kty") == "oct":
        raise BundleError(
            where,
            f"has private or symmetric members ({', '.join(private) or 'kty oct'})",
            "treat that key as leaked, and give the publisher public keys only",
        )


def _ec_members(jwk: Mapping[str, Any], where: str) -> tuple[dict[str, str], str]:
    crv = jwk.get("crv")
    if not isinstance(crv, str) or crv not in _CURVES:
        raise BundleError(where, f"curve {quote(crv, 40)} is not supported", _REMEDY)
    alg, prime = _CURVES[crv]
    size = prime.bit_length() // 8
    for name in ("x", "y"):
        octets = _octets(jwk, name, where)
        if len(octets) != size:
            raise BundleError(where, f"member {name} is not {size} bytes long", _CORRUPT)
        # The library reduces a coordinate: one point would have a second spelling, and thumbprint.
        if int.from_bytes(octets) >= prime:
            raise BundleError(where, f"member {name} is not below the prime of {crv}", _CORRUPT)
    return {"kty": "EC", "crv": crv, "x": jwk["x"], "y": jwk["y"]}, alg


def _rsa_members(jwk: Mapping[str, Any], where: str) -> dict[str, str]:
    n, e = (int.from_bytes(_minimal_octets(jwk, name, where)) for name in ("n", "e"))
    if not SMALLEST_RSA <= n.bit_length() <= LARGEST_RSA:
        raise BundleError(
            where,
            f"an RSA modulus of {n.bit_length()} bits is not within {SMALLEST_RSA} to {LARGEST_RSA}",
            _REMEDY,
        )
    if n % 2 == 0:
        raise BundleError(where, "the RSA modulus is even", _CORRUPT)
    if e % 2 == 0 or not 3 <= e < n:  # noqa: PLR2004 (RFC 8017 section 3.1)
        raise BundleError(where, "the RSA exponent is not an odd number from 3 to the modulus", _CORRUPT)
    return {"kty": "RSA", "n": jwk["n"], "e": jwk["e"]}


def _octets(jwk: Mapping[str, Any], name: str, where: str) -> bytes:
    """Decode base64url without padding (RFC 7515 section 2), in its only canonical spelling."""
    text = jwk.get(name)
    if isinstance(text, str) and text.isascii() and len(text) <= _LONGEST_MEMBER:
        try:
            octets = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
        except binascii.Error:
            octets = b""
        if octets and base64.urlsafe_b64encode(octets).rstrip(b"=").decode() == text:
            return octets
    raise BundleError(where, f"member {name} is not unpadded base64url: {quote(text, 40)}", _CORRUPT)


def _minimal_octets(jwk: Mapping[str, Any], name: str, where: str) -> bytes:
    """Decode a Base64urlUInt (RFC 7518 section 2): no leading zero byte."""
    octets = _octets(jwk, name, where)
    if octets[0] == 0:
        raise BundleError(where, f"member {name} has a leading zero byte", _CORRUPT)
    return octets
