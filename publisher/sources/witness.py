"""What a JWT-SVID of the publisher's own proves about the server that signed it."""

import secrets
from datetime import UTC, datetime, timedelta
from typing import Any

from jwcrypto.common import JWException
from jwcrypto.jwk import JWK
from jwcrypto.jws import JWS

from publisher import strict_json
from publisher.bundle.fetched import Witness
from publisher.bundle.trust_bundle import TrustBundle
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError, SourceUnavailableError
from publisher.quoting import quote

AUDIENCE = "spire-oidc-publisher:liveness"
"""The audience of that JWT-SVID. No relying party accepts it: should it leak, it opens nothing."""


OLDEST = timedelta(minutes=5)
"""How long ago the server may have signed what still counts as a sign of its life."""


def audience_of_the_time(now: datetime) -> str:
    """Name an audience that is asked for in these 5 minutes only: no agent has an older JWT-SVID for it.

    Not a new one for each run: an agent keeps a JWT-SVID for every audience that it was ever asked for.
    """
    return f"{AUDIENCE}:{int(now.timestamp() // OLDEST.total_seconds())}"


def fresh_audience() -> str:
    """Name an audience that no agent has a JWT-SVID for yet, as good for nothing as `AUDIENCE`."""
    return f"{AUDIENCE}:{secrets.token_hex(8)}"


_LONGEST_TOKEN = 16 * 1024
_DIFFERS = "run again in some seconds; if this stays, the agent does not follow its server: look at its log"


class Testimony:
    """Hold a parsed JWT-SVID, before it is known to be signed by a JWT authority.

    Neither it nor any error shows the token or a part of its signature.

    Raises:
        SourceUnavailableError: not a compact JWT for this audience with a SPIFFE ID as `sub` and an `exp`
            (JWT-SVID section 3).

    """

    __test__ = False  # pytest: this is no test class

    def __init__(self, token: str, *, audience: str, where: str) -> None:
        malformed = SourceUnavailableError(
            where, "the publisher's own JWT-SVID is malformed", "look at the log of spire-agent"
        )
        self._where = where
        self._jws = JWS()
        try:
            if len(token) > _LONGEST_TOKEN or token.count(".") != 2:  # noqa: PLR2004 (RFC 7515 section 3.1)
                raise malformed
            self._jws.deserialize(token)
            header = self._jws.jose_header
            claims = strict_json.loads(self._jws.objects["payload"], where=where)
        except (JWException, ValueError, TypeError, strict_json.MalformedError):
            raise malformed from None  # the cause would quote the token
        kid, named = header.get("kid"), claims.get("aud") if isinstance(claims, dict) else None
        audiences = [named] if isinstance(named, str) else named
        if not isinstance(kid, str) or not isinstance(audiences, list) or audience not in audiences:
            raise malformed
        subject, self._iss = claims.get("sub"), claims.get("iss")
        if not isinstance(subject, str) or not subject.startswith("spiffe://"):
            raise malformed
        self._iat, self._exp = claims.get("iat"), claims.get("exp")
        if not isinstance(self._iss, str | None) or not _is_time(self._exp):
            raise malformed
        try:
            self.trust_domain = TrustDomain.parse(subject.removeprefix("spiffe://").partition("/")[0])
        except BundleError:
            raise malformed from None
        self._kid = kid

    def has_expired(self, now: datetime) -> bool:
        """Tell whether its `exp` has passed."""
        return bool(self._exp <= now.timestamp())

    def is_recent(self, now: datetime) -> bool:
        """Tell whether it was issued in the last 5 minutes, by its own `iat`, and has not expired."""
        if not _is_time(self._iat) or self.has_expired(now):
            return False
        return bool(0 <= now.timestamp() - self._iat <= OLDEST.total_seconds())

    def names_key_of(self, bundle: TrustBundle) -> bool:
        """Tell whether the bundle has the JWT-SVID's `kid`."""
        return any(authority.kid == self._kid for authority in bundle.jwt_authorities)

    def confirm(self, bundle: TrustBundle, now: datetime) -> Witness:
        """Check that an authority of this bundle signed the JWT-SVID.

        Its `iat` counts only where it is recent: beyond that, some clock is wrong.

        Raises:
            SourceUnavailableError: the bundle lacks its `kid`, or has another key under it.

        """
        shown = quote(self._kid, 40)
        for authority in bundle.jwt_authorities:
            if authority.kid == self._kid:
                break
        else:
            raise SourceUnavailableError(
                self._where,
                f"the publisher's own JWT-SVID is signed by kid {shown}, which is not in the bundle",
                _DIFFERS,
            )
        try:
            self._jws.allowed_algs = [authority.key.alg]
            self._jws.verify(JWK(**dict(authority.key.members)), alg=authority.key.alg)
        except (JWException, ValueError):
            raise SourceUnavailableError(
                self._where,
                f"the publisher's own JWT-SVID is not signed by the key that the bundle has as kid {shown}",
                _DIFFERS,
            ) from None
        issued_at = datetime.fromtimestamp(self._iat, UTC) if self.is_recent(now) else None
        return Witness(iss=self._iss, kid=self._kid, issued_at=issued_at)


def _is_time(claim: Any) -> bool:
    """Tell whether a claim is a NumericDate (RFC 7519 section 2)."""
    return isinstance(claim, int | float) and not isinstance(claim, bool)
