"""A JWT-SVID as its own workload reads it: nothing is verified but that it can be meant for this use."""

import base64
import binascii
import re
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, TypeGuard

from publisher import strict_json
from publisher.errors import SourceError, SourceSettingsError, SourceUnavailableError
from publisher.quoting import quote

_COMPACT = re.compile(r"[A-Za-z0-9_-]+\.([A-Za-z0-9_-]+)\.[A-Za-z0-9_-]+", re.ASCII)
_LONGEST = 64 * 1024
_LATEST = 253402300799  # the last second of the year 9999, beyond which `datetime` has no time


class NoIssuerError(SourceSettingsError):
    """Report a JWT-SVID that no OIDC relying party takes, because it does not say who issued it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JwtSvid:
    """Hold a JWT-SVID, its times (whole Unix seconds), and the hint of its registration entry."""

    token: str = field(repr=False)
    spiffe_id: str
    issued_at: int
    expires_at: int
    hint: str = ""

    @property
    def life(self) -> int:
        """Give the seconds from its issue to its expiry, at least 1."""
        return max(self.expires_at - self.issued_at, 1)


def read_jwt_svid(
    token: str, *, spiffe_id: str, audience: str, now: datetime, where: str, hint: str = ""
) -> JwtSvid:
    """Read what an agent answered for this audience.

    The agent has verified it, and Google will; here only what makes it useless is noticed early: it has run
    out, is of another subject or audience than the answer says, or lacks the `iss` that Google demands.
    An absent `iat` counts as now.

    Raises:
        NoIssuerError: it has no `iss`.
        SourceUnavailableError: it has run out.
        SourceError: it is no JWT, or not what was asked for.

    """
    claims = _claims(token, where)
    expires_at, issued_at = claims.get("exp"), claims.get("iat", int(now.timestamp()))
    if not _is_time(expires_at) or not _is_time(issued_at):
        raise _strange(where, "has no whole seconds in exp or iat")
    if claims.get("sub") != spiffe_id:
        raise _strange(where, "is of another subject than the agent says")
    given = claims.get("aud")
    if audience not in (given if isinstance(given, list) else [given]):
        raise _strange(where, "is for another audience than the one asked for")
    if expires_at <= now.timestamp():
        ended = datetime.fromtimestamp(expires_at, UTC)
        raise SourceUnavailableError(
            where,
            f"the JWT-SVID of {quote(spiffe_id)} has run out at {ended:%Y-%m-%d %H:%M:%SZ}",
            "look at this machine's clock, and whether spire-agent reaches its server",
        )
    if not isinstance(claims.get("iss"), str) or not claims["iss"]:
        raise NoIssuerError(
            where,
            f"the JWT-SVID of {quote(spiffe_id)} has no iss, and Google takes none without",
            "set jwt_issuer in the server.conf of SPIRE to the issuer of the provider, and restart it",
        )
    return JwtSvid(token=token, spiffe_id=spiffe_id, issued_at=issued_at, expires_at=expires_at, hint=hint)


def _claims(token: str, where: str) -> dict[str, Any]:
    match = _COMPACT.fullmatch(token) if len(token) <= _LONGEST else None
    if match is None:
        raise _strange(where, "is no JWT in compact serialisation")
    try:
        payload = base64.urlsafe_b64decode(match[1] + "=" * (-len(match[1]) % 4))
        claims = strict_json.loads(payload, where=where)
    except (binascii.Error, strict_json.MalformedError):
        # Without its cause, whose words may quote the token.
        raise _strange(where, "has a payload that is no JSON") from None
    if not isinstance(claims, dict):
        raise _strange(where, "has a payload that is no JSON object")
    return claims


def _is_time(value: object) -> TypeGuard[int]:
    return type(value) is int and 0 <= value <= _LATEST


def _strange(where: str, what: str) -> SourceError:
    return SourceSettingsError(
        where, f"the JWT-SVID {what}", "something that is not SPIRE's agent answers there"
    )
