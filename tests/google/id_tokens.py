"""Verify a subject token as STS documents it: header, signature, issuer, times, subject, audience.

The order of the checks is not documented. Words marked REPORTED are in users' reports; the others are
invented, and a client must not depend on them.
"""

import json
from collections.abc import Mapping
from typing import Any

import jwt

from tests.google.discovery import UNREACHABLE, IssuerKeys
from tests.google.errors import OAuthError
from tests.google.names import default_audiences
from tests.google.settings import Settings

ALGORITHMS = ("RS256", "ES256")
LONGEST_LIFE = OLDEST = 24 * 3600
_CURVES = {"ES256": "P-256"}
WRONG_ISSUER = "The issuer in ID Token {found} does not match the expected ones: {expected}"  # REPORTED
WRONG_AUDIENCE = (
    "The audience in ID Token [{found}] does not match the expected audience {expected}."  # REPORTED
)
STALE = "ID Token issued at {iat} is stale to sign-in."  # REPORTED
_REQUIRED = ("iss", "iat", "exp", "sub", "aud")
Claims = dict[str, Any]


def verify(
    token: str, name: str, provider: Mapping[str, Any], keys: IssuerKeys, now: float, settings: Settings
) -> Claims:
    """Give the claims of a token that this provider accepts.

    Raises:
        OAuthError: it does not.

    """
    oidc = provider["oidc"]
    try:
        header = jwt.get_unverified_header(token)
        claims = jwt.decode(token, options={"verify_signature": False})
    except jwt.InvalidTokenError as error:
        raise _refused("The given credential is not a well-formed JWT.") from error
    kid, algorithm = header.get("kid"), header.get("alg")
    if algorithm not in ALGORITHMS or not isinstance(kid, str) or not kid:
        raise _refused("The header of the ID Token needs a kid, and an alg of RS256 or ES256.")
    missing = [claim for claim in _REQUIRED if not claims.get(claim)]
    if missing:
        raise _refused(f"The ID Token lacks {', '.join(missing)}.")
    if claims["iss"] != oidc["issuerUri"]:
        raise _refused(WRONG_ISSUER.format(found=claims["iss"], expected=oidc["issuerUri"]))
    _check_signature(token, kid, algorithm, oidc, keys)
    _check_times(claims, now, settings.clock_skew)
    allowed = tuple(oidc.get("allowedAudiences") or default_audiences(name))
    audiences = claims["aud"] if isinstance(claims["aud"], list) else [claims["aud"]]
    if not set(audiences) & set(allowed):
        raise _refused(WRONG_AUDIENCE.format(found=", ".join(map(str, audiences)), expected=allowed[-1]))
    return claims


def _check_signature(token: str, kid: str, algorithm: str, oidc: Mapping[str, Any], keys: IssuerKeys) -> None:
    if oidc.get("jwksJson"):
        published = json.loads(oidc["jwksJson"])["keys"]
    else:
        published = keys.fetch(oidc["issuerUri"], oidc.get("discoveryUri", ""), kid)
    named = [key for key in published if key.get("kid") == kid]
    try:
        # An unknown kid has no words of its own (users' reports); for uploaded keys that is a guess.
        key = jwt.PyJWK(named[0], algorithm=algorithm)
        if named[0].get("alg", algorithm) != algorithm:
            raise _refused(UNREACHABLE)
        if named[0].get("crv", "") != _CURVES.get(algorithm, ""):
            raise _refused(UNREACHABLE)
    except (IndexError, jwt.PyJWTError) as error:
        raise _refused(UNREACHABLE) from error
    try:
        jwt.PyJWS(algorithms=list(ALGORITHMS)).decode(token, key, algorithms=[algorithm])
    except (jwt.PyJWTError, ValueError) as error:
        raise _refused("The signature of the ID Token is invalid.") from error


def _check_times(claims: Mapping[str, Any], now: float, skew: float) -> None:
    issued, ends = claims["iat"], claims["exp"]
    if not all(isinstance(moment, int | float) for moment in (issued, ends)):
        raise _refused("iat and exp of the ID Token must be numbers.")
    if ends - issued > LONGEST_LIFE:
        raise _refused("The lifetime of the ID Token exceeds 24 hours.")
    if issued > now + skew:
        raise _refused(f"ID Token issued at {issued} lies in the future.")
    if ends < now - skew or issued < now - OLDEST - skew:
        raise _refused(STALE.format(iat=issued))


def _refused(words: str) -> OAuthError:
    return OAuthError("invalid_grant", words)
