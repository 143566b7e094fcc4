"""Key pairs of SPIRE's four types, and the two forms in which SPIRE shows their public half."""

import base64
import secrets
import string
from collections.abc import Callable
from typing import Final

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey
PublicKey = ec.EllipticCurvePublicKey | rsa.RSAPublicKey

_RSA_EXPONENT = 65537
_KID_LETTERS = string.ascii_letters + string.digits
_CURVES = {"secp256r1": ("P-256", "ES256", 32), "secp384r1": ("P-384", "ES384", 48)}

MAKERS: Final[dict[str, Callable[[], PrivateKey]]] = {
    "ec-p256": lambda: ec.generate_private_key(ec.SECP256R1()),
    "ec-p384": lambda: ec.generate_private_key(ec.SECP384R1()),
    "rsa-2048": lambda: rsa.generate_private_key(_RSA_EXPONENT, 2048),
    "rsa-4096": lambda: rsa.generate_private_key(_RSA_EXPONENT, 4096),
}
"""How to make a key of each `jwt_key_type`."""


def random_kid() -> str:
    """Make a key identifier as SPIRE does: 32 random letters and digits, no thumbprint."""
    return "".join(secrets.choice(_KID_LETTERS) for _ in range(32))


def algorithm(key: PublicKey) -> str:
    """Name the JWS algorithm that SPIRE signs with for this key: RS256, ES256 or ES384."""
    return "RS256" if isinstance(key, rsa.RSAPublicKey) else _CURVES[key.curve.name][1]


def jwk_members(key: PublicKey) -> dict[str, str]:
    """Give the members of RFC 7518 section 6 except `kty`, base64url without padding."""
    if isinstance(key, rsa.RSAPublicKey):
        numbers = key.public_numbers()
        return {"n": _base64url(numbers.n), "e": _base64url(numbers.e)}
    curve, _, size = _CURVES[key.curve.name]
    point = key.public_numbers()
    return {"crv": curve, "x": _base64url(point.x, size), "y": _base64url(point.y, size)}


def kty(key: PublicKey) -> str:
    """Give the key type of RFC 7518 section 6.1."""
    return "RSA" if isinstance(key, rsa.RSAPublicKey) else "EC"


def pkix(key: PublicKey) -> bytes:
    """Give the DER of a SubjectPublicKeyInfo, as the server API has it."""
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _base64url(number: int, size: int | None = None) -> str:
    data = number.to_bytes(size or (number.bit_length() + 7) // 8, "big")
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
