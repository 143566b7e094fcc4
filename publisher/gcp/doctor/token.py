"""A JWT-SVID as the doctor reads it: every part, even of one that nobody would take. It is never shown."""

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from jwcrypto.common import JWException
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from publisher import strict_json
from publisher.bundle.public_key import PublicKey
from publisher.gcp.doctor.stage import Seen, error, fine
from publisher.quoting import quote

ALGORITHMS: Final = ("RS256", "ES256")
"""What Google takes, by its documentation."""

LONGEST_LIFE: Final = 24 * 3600
"""The most seconds from `iat` to `exp`."""

_COMPACT = re.compile(r"([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII)
_LONGEST = 64 * 1024
_DEMANDED = ("sub", "aud", "iat", "exp")


class NotJwtError(ValueError):
    """Say why a text is no JWT, without quoting it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtSeen:
    """Hold a JWT-SVID taken apart. Nothing is verified."""

    token: str = field(repr=False)
    header: Mapping[str, Any]
    claims: Mapping[str, Any]

    @classmethod
    def parse(cls, token: str) -> "JwtSeen":
        """Take a compact serialisation apart.

        Raises:
            NotJwtError: it is none.

        """
        match = _COMPACT.fullmatch(token) if len(token) <= _LONGEST else None
        if match is None:
            raise NotJwtError("is no JWT in compact serialisation")
        return cls(token=token, header=_object(match[1], "header"), claims=_object(match[2], "payload"))

    @property
    def kid(self) -> str | None:
        """Give the `kid`; None: absent or no text."""
        kid = self.header.get("kid")
        return kid if isinstance(kid, str) and kid else None

    @property
    def alg(self) -> object:
        """Give the `alg`, whatever it is."""
        return self.header.get("alg")

    @property
    def subject(self) -> str:
        """Give the `sub`; empty where there is none."""
        subject = self.claims.get("sub")
        return subject if isinstance(subject, str) else ""

    @property
    def audiences(self) -> tuple[str, ...]:
        """Give the `aud`, one or several (RFC 7519 section 4.1.3)."""
        given = self.claims.get("aud")
        return tuple(one for one in (given if isinstance(given, list) else [given]) if isinstance(one, str))

    def number(self, name: str) -> float | None:
        """Give a time in Unix seconds; None: absent or no number."""
        value = self.claims.get(name)
        return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None

    def is_signed_by(self, key: PublicKey) -> bool:
        """Tell whether that key signed it."""
        try:
            jws = JWS()
            jws.deserialize(self.token)
            jws.allowed_algs = list(ALGORITHMS)
            jws.verify(JWK(**dict(key.members)))
        except (JWException, ValueError, TypeError):
            return False
        return True


def look_at_claims(svid: JwtSeen) -> Seen:
    """Look whether the JWT-SVID has all that Google demands besides `iss`, and lives no longer than a day."""
    where = "JWT-SVID: kid, sub, aud, iat, exp"
    lacking = [name for name in _DEMANDED if not svid.claims.get(name)]
    if svid.kid is None:
        lacking.insert(0, "kid")
    issued, ends = svid.number("iat"), svid.number("exp")
    remedy = "look at what issues it: SPIRE writes all of them"
    if lacking:
        return error("GCP023", where, f"it lacks {', '.join(lacking)}", remedy)
    if issued is None or ends is None:
        return error("GCP023", where, "iat or exp is no number", remedy)
    if ends - issued > LONGEST_LIFE:
        what = f"it lives {int(ends - issued)} s, and Google takes {LONGEST_LIFE} s at most"
        return error("GCP023", where, what, "lower default_jwt_svid_ttl, or jwt_svid_ttl of the entry")
    return fine(where, f"{quote(svid.subject)}, for {int(ends - issued)} s")


def look_at_issuer(svid: JwtSeen) -> Seen:
    """Look for the `iss`, which SPIRE writes only when told to."""
    where = "iss of the JWT-SVID"
    issuer = svid.claims.get("iss")
    if not isinstance(issuer, str) or not issuer:
        return error(
            "GCP005",
            where,
            "there is none, and Google takes no token without",
            "set jwt_issuer in SPIRE's server.conf to the issuer of the provider, and restart the server",
        )
    return fine(where, quote(issuer))


def look_at_algorithm(svid: JwtSeen) -> Seen:
    """Look whether Google takes the algorithm: RS256 and ES256 alone."""
    where = "alg of the JWT-SVID"
    if svid.alg not in ALGORITHMS:
        return error(
            "GCP011",
            where,
            f"it is {quote(svid.alg, 40)}, and Google takes {' and '.join(ALGORITHMS)} only",
            "set jwt_key_type in SPIRE's server.conf to ec-p256 or rsa-2048; the next key will be so "
            "(spire-server localauthority jwt prepare, then activate)",
        )
    return fine(where, str(svid.alg))


def _object(part: str, name: str) -> Mapping[str, Any]:
    try:
        value = strict_json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)), where=name)
    except (binascii.Error, strict_json.MalformedError):
        # Without its cause, whose words may quote the token.
        raise NotJwtError(f"has a {name} that is no JSON") from None
    if not isinstance(value, dict):
        raise NotJwtError(f"has a {name} that is no JSON object")
    return value
