import json

from publisher.oidc import configuration
from publisher.oidc.issuer import Issuer

REQUIRED = {  # OIDC Discovery 1.0 section 3
    "issuer",
    "authorization_endpoint",
    "jwks_uri",
    "response_types_supported",
    "subject_types_supported",
    "id_token_signing_alg_values_supported",
}


def _built(url: str = "https://example.org", endpoint: str | None = "https://example.org/authorize") -> bytes:
    return configuration.build(
        issuer=Issuer.parse(url),
        jwks_path="keys",
        authorization_endpoint=endpoint,
        algorithms=configuration.ALGORITHMS,
    )


def test_every_required_member_is_there_and_only_one_more() -> None:
    assert json.loads(_built()).keys() == REQUIRED | {"claims_supported"}


def test_the_issuer_is_verbatim_and_the_jwks_lies_below_it() -> None:
    for url in ("https://example.org", "https://example.org/", "https://example.org:8443/a/b/"):
        document = json.loads(_built(url))
        assert document["issuer"] == url
        assert document["jwks_uri"] == f"{url.removesuffix('/')}/keys"


def test_the_algorithms_are_stable_and_hold_rs256() -> None:
    document = json.loads(_built())
    assert document["id_token_signing_alg_values_supported"] == ["RS256", "ES256", "ES384"]


def test_an_authorization_endpoint_can_be_left_out() -> None:
    assert json.loads(_built(endpoint=None)).keys() == REQUIRED - {"authorization_endpoint"} | {
        "claims_supported"
    }


def test_narrowed_algorithms_are_listed_as_given() -> None:
    built = configuration.build(
        issuer=Issuer.parse("https://example.org"),
        jwks_path="openid/v1/jwks",
        authorization_endpoint=None,
        algorithms=("RS256",),
    )
    document = json.loads(built)
    assert document["id_token_signing_alg_values_supported"] == ["RS256"]
    assert document["jwks_uri"] == "https://example.org/openid/v1/jwks"


def test_the_document_is_canonical() -> None:
    built = _built()
    assert built == json.dumps(json.loads(built), sort_keys=True, separators=(",", ":")).encode()
    assert built == _built()
