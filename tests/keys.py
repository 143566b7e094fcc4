"""Test keys, and the bundles and documents made of them.

A key is named by its `seed` (by default the `kid`): the same seed and algorithm are the same key for the
whole session, another seed is another key. EC keys are derived from the seed and so the same in every
session; an RSA key takes about 0.1 s once, so prefer EC where the type does not matter.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from datetime import datetime
from functools import lru_cache
from typing import Any, cast

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from publisher.bundle.jwt_authority import JwtAuthority
from publisher.bundle.public_key import PublicKey
from publisher.bundle.trust_bundle import TrustBundle
from publisher.bundle.trust_domain import TrustDomain

PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey

EXAMPLE_ORG = TrustDomain(name="example.org")

_CURVES: dict[str, ec.EllipticCurve] = {
    "ES256": ec.SECP256R1(),
    "ES384": ec.SECP384R1(),
    "ES512": ec.SECP521R1(),
    "ES256K": ec.SECP256K1(),
}
_CRV = {"secp256r1": "P-256", "secp384r1": "P-384", "secp521r1": "P-521", "secp256k1": "secp256k1"}


@lru_cache(maxsize=4096)
def private_key(seed: str, alg: str = "ES256", *, bits: int = 2048) -> PrivateKey:
    """Give the private key of a seed; `bits` counts for RS256 only. ES512 and ES256K are bad on purpose."""
    if alg == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=bits)
    number = int.from_bytes(hashlib.sha256(f"{alg} {seed}".encode("utf-8", "surrogatepass")).digest())
    return ec.derive_private_key(number >> 1 | 1, _CURVES[alg])


def encode(octets: bytes) -> str:
    """Encode as base64url without padding."""
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def uint(number: int) -> str:
    """Encode a non-negative number as a Base64urlUInt (RFC 7518 section 2)."""
    return encode(number.to_bytes(max(1, (number.bit_length() + 7) // 8)))


def key_members(key: PrivateKey) -> dict[str, str]:
    """Give `kty` and the public key members, encoded here and not by the code under test."""
    if isinstance(key, rsa.RSAPrivateKey):
        public = key.public_key().public_numbers()
        return {"kty": "RSA", "n": uint(public.n), "e": uint(public.e)}
    point, size = key.public_key().public_numbers(), (key.curve.key_size + 7) // 8
    crv = _CRV[key.curve.name]
    return {
        "kty": "EC",
        "crv": crv,
        "x": encode(point.x.to_bytes(size)),
        "y": encode(point.y.to_bytes(size)),
    }


def jwk(kid: str, alg: str = "ES256", *, seed: str | None = None, **members: Any) -> dict[str, Any]:
    """Give a JWK as SPIRE's agent does (`kty`, `kid`, key members), overlaid with more `members`."""
    return {**key_members(private_key(kid if seed is None else seed, alg)), "kid": kid, **members}


def authority(
    kid: str,
    alg: str = "ES256",
    *,
    seed: str | None = None,
    expires_at: datetime | None = None,
    tainted: bool | None = None,
) -> JwtAuthority:
    """Give the JWT authority of a kid; another `seed` gives another key of the same kid."""
    key = PublicKey.from_jwk(jwk(kid, alg, seed=seed), where="tests")
    return JwtAuthority(kid=kid, key=key, expires_at=expires_at, tainted=tainted)


def bundle(
    *authorities: JwtAuthority | str,
    trust_domain: str = EXAMPLE_ORG.name,
    sequence_number: int | None = None,
    refresh_hint: int | None = None,
) -> TrustBundle:
    """Give a trust bundle of authorities; a bare kid stands for `authority(kid)`."""
    return TrustBundle(
        trust_domain=TrustDomain(name=trust_domain),
        jwt_authorities=tuple(authority(one) if isinstance(one, str) else one for one in authorities),
        sequence_number=sequence_number,
        refresh_hint=refresh_hint,
    )


def jwks(*keys: Mapping[str, Any] | str) -> bytes:
    """Give a JWK Set as the Workload API sends it; a bare kid stands for `jwk(kid)`."""
    return json.dumps({"keys": [jwk(one) if isinstance(one, str) else one for one in keys]}).encode()


def spiffe_bundle(*keys: Mapping[str, Any] | str, **members: Any) -> bytes:
    """Give a SPIFFE bundle; a bare kid stands for its JWK of use `jwt-svid`, `members` go beside `keys`."""
    listed = [jwk(one, use="jwt-svid") if isinstance(one, str) else one for one in keys]
    return json.dumps({"keys": listed, **members}).encode()


def x509_jwk(alg: str = "ES256") -> dict[str, Any]:
    """Give an X.509 authority of a SPIFFE bundle: it has no `kid`."""
    return {**key_members(private_key("x509", alg)), "use": "x509-svid", "x5c": ["MIIB"]}


def agent_output(bundles: Mapping[str, bytes]) -> bytes:
    """Give what `spire-agent api fetch jwt -output json` prints for JWK Sets by trust domain."""
    encoded = {f"spiffe://{name}": base64.b64encode(jwks).decode() for name, jwks in bundles.items()}
    svid = {"hint": "", "spiffe_id": "spiffe://example.org/app", "svid": "e30.e30.e30"}
    return json.dumps([{"svids": [svid]}, {"bundles": encoded}]).encode()


def der(seed: str, alg: str = "ES256") -> bytes:
    """Give the PKIX DER of a public key, as SPIRE's server API does."""
    public = private_key(seed, alg).public_key()
    return public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def token(kid: str, claims: Mapping[str, Any], alg: str = "ES256", *, seed: str | None = None) -> str:
    """Mint a JWT of these claims, signed by the key of the kid (or of the seed)."""
    key = cast("Any", private_key(kid if seed is None else seed, alg))
    return jwt.encode(dict(claims), key, algorithm=alg, headers={"kid": kid})
