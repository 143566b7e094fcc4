"""What a JWT-SVID of the publisher's own proves about the server that signed it."""

import secrets

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


def fresh_audience() -> str:
    """Name an audience that no agent has a JWT-SVID for yet, as good for nothing as `AUDIENCE`."""
    return f"{AUDIENCE}:{secrets.token_hex(8)}"


_LONGEST_TOKEN = 16 * 1024
_DIFFERS = "run again in some seconds; if this stays, the agent does not follow its server: look at its log"


class Testimony:
    """Hold a parsed JWT-SVID, before it is known to be signed by a JWT authority.

    Neither it nor any error shows the token or a part of its signature.

    Raises:
        SourceUnavailableError: not a compact JWT for this audience with a SPIFFE ID as `sub`.

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
        if not isinstance(self._iss, str | None):
            raise malformed
        try:
            self.trust_domain = TrustDomain.parse(subject.removeprefix("spiffe://").partition("/")[0])
        except BundleError:
            raise malformed from None
        self._kid = kid

    def names_key_of(self, bundle: TrustBundle) -> bool:
        """Tell whether the bundle has the JWT-SVID's `kid`."""
        return any(authority.kid == self._kid for authority in bundle.jwt_authorities)

    def confirm(self, bundle: TrustBundle) -> Witness:
        """Check that an authority of this bundle signed the JWT-SVID.

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
        return Witness(iss=self._iss)
