"""JWT-SVIDs as a SPIRE server signs them."""

from collections.abc import Sequence
from dataclasses import dataclass

import jwt

from tests.standin.authorities import Authorities
from tests.standin.keys import algorithm


@dataclass(frozen=True, slots=True, kw_only=True)
class Minted:
    """Hold a JWT-SVID and what an agent's cache must know of it. Times are Unix seconds."""

    token: str
    kid: str
    issued_at: float
    expires_at: float


def mint(
    authorities: Authorities, spiffe_id: str, audience: Sequence[str], ttl: float | None = None
) -> Minted:
    """Sign a JWT-SVID (SPIFFE-JWT-SVID section 3) with the active authority.

    It never outlives that authority; `iss` is the server's `jwt_issuer`, verbatim, or absent; `aud` is
    an array even of one.

    Raises:
        LifeError: JWT-SVIDs are disabled.

    """
    with authorities.lock:
        signer, settings, now = authorities.signer, authorities.settings, authorities.clock.now()
    expires_at = int(min(now + (ttl or settings.svid_ttl), signer.not_after))
    claims: dict[str, object] = {
        "aud": list(audience),
        "exp": expires_at,
        "iat": int(now),
        "sub": spiffe_id,
    }
    if settings.jwt_issuer:
        claims["iss"] = settings.jwt_issuer
    header = {"kid": signer.authority_id, "typ": "JWT"}
    name = algorithm(signer.private_key.public_key())
    token = jwt.encode(claims, signer.private_key, algorithm=name, headers=header)
    return Minted(token=token, kid=signer.authority_id, issued_at=int(now), expires_at=expires_at)
