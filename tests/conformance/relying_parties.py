"""Relying parties that know nothing but an issuer's URL: PyJWT and joserfc, by discovery."""

import json
import ssl
import urllib.request
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import jwt
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

SECONDS = 15.0
WELL_KNOWN = "/.well-known/openid-configuration"


@dataclass(frozen=True, slots=True)
class RelyingParty:
    """Know an issuer's URL and the CA of its server; nothing of the code under test."""

    issuer: str
    ca_file: Path | None

    def metadata(self) -> dict[str, Any]:
        """Discover, as OIDC Discovery 1.0 sections 4.1 and 4.3 say: issuers must be identical."""
        metadata: dict[str, Any] = json.loads(self._get(self.issuer.removesuffix("/") + WELL_KNOWN))
        assert metadata["issuer"] == self.issuer, "the document names another issuer"
        return metadata

    def jwks(self) -> bytes:
        """Read the JWKS document that the configuration names."""
        return self._get(self.metadata()["jwks_uri"])

    def pyjwt(self, token: str, audience: str) -> Mapping[str, Any]:
        """Verify a token with PyJWT, fresh: key by kid, signature, exp, aud and iss."""
        metadata = self.metadata()
        client = jwt.PyJWKClient(metadata["jwks_uri"], ssl_context=self._context(), timeout=SECONDS)
        claims: dict[str, Any] = jwt.decode(
            token,
            client.get_signing_key_from_jwt(token),
            algorithms=metadata["id_token_signing_alg_values_supported"],
            audience=audience,
            issuer=self.issuer,
            options={"require": ["exp", "iat", "aud", "iss", "sub"]},
        )
        return claims

    def joserfc(self, token: str, audience: str) -> Mapping[str, Any]:
        """Verify a token with joserfc, fresh: key by kid, signature, exp, aud and iss."""
        metadata = self.metadata()
        key_set = KeySet.import_key_set(json.loads(self._get(metadata["jwks_uri"])))
        algorithms = metadata["id_token_signing_alg_values_supported"]
        decoded = joserfc_jwt.decode(token, key_set, algorithms=algorithms)
        claims = joserfc_jwt.JWTClaimsRegistry(
            iss={"essential": True, "value": self.issuer},
            aud={"essential": True, "value": audience},
            exp={"essential": True},
            iat={"essential": True},
            sub={"essential": True},
        )
        claims.validate(decoded.claims)
        return decoded.claims

    @property
    def libraries(self) -> Mapping[str, Callable[[str, str], Mapping[str, Any]]]:
        """Give every library's way to verify a token for an audience."""
        return {"PyJWT": self.pyjwt, "joserfc": self.joserfc}

    def load(self) -> dict[str, dict[str, str]]:
        """Load the whole key set with each library; give its RFC 7638 thumbprints by kid."""
        document = self.jwks()
        keys = json.loads(document)["keys"]
        key_set = KeySet.import_key_set(json.loads(document))
        pyjwt_set = jwt.PyJWKSet.from_json(document.decode())
        assert len(pyjwt_set.keys) == len(keys), "PyJWT dropped keys in silence"
        return {
            "PyJWT": {str(key.key_id): _thumbprint(key) for key in pyjwt_set.keys},
            "joserfc": {str(key.kid): key.thumbprint() for key in key_set.keys},
        }

    def _get(self, url: str) -> bytes:
        assert url.startswith("https://")
        with urllib.request.urlopen(url, timeout=SECONDS, context=self._context()) as answer:
            body: bytes = answer.read()
            return body

    def _context(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=self.ca_file)


def _thumbprint(key: jwt.PyJWK) -> str:
    """Give the thumbprint of the key that PyJWT built, encoded anew from its numbers."""
    algorithm = jwt.get_algorithm_by_name(key.algorithm_name)
    members = json.loads(algorithm.to_jwk(key.key))
    return KeySet.import_key_set({"keys": [members]}).keys[0].thumbprint()
