"""Bundles in the three forms in which SPIRE's programs give them away."""

import base64
import json
import random
from collections.abc import Iterable, Mapping
from typing import Any

from tests.standin import keys
from tests.standin.authorities import Bundle, PublishedKey


def standard_jwks(authorities: Iterable[PublishedKey]) -> bytes:
    """Give the JWK Set of the Workload API: `kty`, `kid` and key members only, in random order."""
    found = [_jwt_key(key) for key in authorities]
    random.shuffle(found)
    return _indented({"keys": found})


def spiffe_bundle(bundle: Bundle, *, refresh_hint: int = 0) -> bytes:
    """Give a SPIFFE bundle (SPIFFE-Trust-Domain-and-Bundle section 4). A number of 0 is left out."""
    roots = [
        {
            "use": "x509-svid",
            "kty": keys.kty(root.public_key),
            **keys.jwk_members(root.public_key),
            "x5c": [base64.b64encode(root.der).decode()],
        }
        for root in bundle.x509
    ]
    authorities = [{"use": "jwt-svid", **_jwt_key(key)} for key in bundle.jwt]
    random.shuffle(authorities)
    document: dict[str, Any] = {"keys": [*roots, *authorities]}
    if bundle.sequence_number:
        document["spiffe_sequence"] = bundle.sequence_number
    if refresh_hint:
        document["spiffe_refresh_hint"] = refresh_hint
    return _indented(document)


def agent_output(spiffe_id: str, token: str, bundles: Mapping[str, bytes]) -> bytes:
    """Give what `spire-agent api fetch jwt -output json` prints: one array, the JWK Sets in base64."""
    svids = {"svids": [{"hint": "", "spiffe_id": spiffe_id, "svid": token}]}
    encoded = {name: base64.b64encode(jwks).decode() for name, jwks in bundles.items()}
    return json.dumps([svids, {"bundles": encoded}], separators=(",", ":")).encode()


def _jwt_key(key: PublishedKey) -> dict[str, str]:
    return {"kty": keys.kty(key.public_key), "kid": key.kid, **keys.jwk_members(key.public_key)}


def _indented(document: Mapping[str, Any]) -> bytes:
    return json.dumps(document, indent=4).encode()
