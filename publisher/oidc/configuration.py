from collections.abc import Sequence

from publisher import strict_json
from publisher.oidc.issuer import Issuer

ALGORITHMS = ("RS256", "ES256", "ES384")
"""The JWS algorithms of the keys that SPIRE makes, in the order they are listed."""


def build(
    *, issuer: Issuer, jwks_path: str, authorization_endpoint: str | None, algorithms: Sequence[str]
) -> bytes:
    """Build the configuration document (OIDC Discovery 1.0 section 3).

    `algorithms` is what the issuer may ever sign with, not what today's keys are: some relying parties
    read this document once, at their start. `authorization_endpoint` is required by the standard although
    nothing is authorized here; None leaves it out.
    """
    metadata: dict[str, object] = {
        "issuer": issuer.url,
        "jwks_uri": issuer.document_url(jwks_path),
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": list(algorithms),
        "claims_supported": ["aud", "exp", "iat", "iss", "sub"],
    }
    if authorization_endpoint is not None:
        metadata["authorization_endpoint"] = authorization_endpoint
    return strict_json.dumps(metadata)
