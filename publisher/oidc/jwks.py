from collections.abc import Collection

from publisher import strict_json
from publisher.bundle.jwt_authority import JwtAuthority
from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import BundleError
from publisher.quoting import quote


def published_jwk(authority: JwtAuthority) -> dict[str, str]:
    """Give the JWK (RFC 7517 section 4) a relying party reads: `kid`, `use: sig`, `alg`, key members.

    `use` is `sig` because most libraries refuse SPIFFE's `jwt-svid`, some of them the whole set with it.
    """
    return {**dict(authority.key.members), "kid": authority.kid, "use": "sig", "alg": authority.key.alg}


def build(bundle: TrustBundle, *, algorithms: Collection[str]) -> bytes:
    """Build the JWKS document: every authority of the bundle, expired ones included, ordered by `kid`.

    Raises:
        BundleError: a key whose `alg` is not among `algorithms`, which the configuration lists.

    """
    for authority in bundle.jwt_authorities:
        if authority.key.alg not in algorithms:
            raise BundleError(
                f"kid {quote(authority.kid, 40)}",
                f"signs with {authority.key.alg}, which --signing-algorithms leaves out",
                f"add {authority.key.alg} to --signing-algorithms",
            )
    return strict_json.dumps({"keys": [published_jwk(authority) for authority in bundle.jwt_authorities]})
