"""What a thief, or an accident, makes of a publication: the objects that change, by path."""

import hashlib
import json
from typing import Any

from tests import keys

CONFIGURATION = ".well-known/openid-configuration"
MANIFEST = ".well-known/spire-oidc-publication.json"
THIEF = keys.jwk("thief", use="sig", alg="ES256")


def _forged(objects: dict[str, bytes], path: str, document: dict[str, Any]) -> dict[str, bytes]:
    """Forge the manifest's digest of a document as well."""
    body, manifest = json.dumps(document).encode(), json.loads(objects[MANIFEST])
    for listed in manifest["documents"]:
        if listed["path"] == path:
            listed |= {"sha256": hashlib.sha256(body).hexdigest(), "size": len(body)}
    return {path: body, MANIFEST: json.dumps(manifest).encode()}


def a_strangers_key(objects: dict[str, bytes]) -> dict[str, bytes]:
    listed = json.loads(objects["keys"])["keys"]
    return {"keys": json.dumps({"keys": [*listed, THIEF]}).encode()}


def a_strangers_key_and_its_digest(objects: dict[str, bytes]) -> dict[str, bytes]:
    return _forged(objects, "keys", json.loads(a_strangers_key(objects)["keys"]))


def another_jwks_uri_and_its_digest(objects: dict[str, bytes]) -> dict[str, bytes]:
    changed = json.loads(objects[CONFIGURATION]) | {"jwks_uri": "https://thief.example/keys"}
    return _forged(objects, CONFIGURATION, changed)


def a_damaged_manifest(objects: dict[str, bytes]) -> dict[str, bytes]:
    return {MANIFEST: objects[MANIFEST][:-40]}


TAMPERINGS = (
    (a_strangers_key, "VAL003"),
    (a_strangers_key_and_its_digest, "VAL006"),
    (another_jwks_uri_and_its_digest, "VAL012"),
    (a_damaged_manifest, "VAL002"),
)
