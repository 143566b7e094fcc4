import json
from datetime import UTC, datetime
from typing import Any

import jwt
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from joserfc import jwt as joserfc_jwt
from joserfc.jwk import KeySet

from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import BundleError
from publisher.oidc import jwks
from publisher.oidc.configuration import ALGORITHMS
from tests import keys

ALGS = st.sampled_from(["ES256", "ES384", "RS256"])
KIDS = st.text(st.characters(exclude_categories=["C", "Z"]), min_size=1, max_size=40).filter(str.isprintable)
BUNDLES = st.dictionaries(KIDS, ALGS, min_size=1, max_size=6).map(
    lambda algs: keys.bundle(
        *(keys.authority(kid, alg, seed=str(number % 3)) for number, (kid, alg) in enumerate(algs.items()))
    )
)


def _built(bundle: TrustBundle) -> bytes:
    return jwks.build(bundle, algorithms=ALGORITHMS)


def test_a_jwk_has_what_relying_parties_need_and_nothing_more() -> None:
    ec = jwks.published_jwk(keys.authority("a", expires_at=datetime(2026, 1, 1, tzinfo=UTC), tainted=True))
    assert ec == {**keys.jwk("a"), "use": "sig", "alg": "ES256"}
    assert ec.keys() == {"kty", "kid", "use", "alg", "crv", "x", "y"}
    rsa = jwks.published_jwk(keys.authority("b", "RS256"))
    assert rsa.keys() == {"kty", "kid", "use", "alg", "n", "e"}
    assert rsa["alg"] == "RS256"


def test_keys_are_ordered_by_kid_and_the_document_is_canonical() -> None:
    built = _built(keys.bundle("b", "a", keys.authority("c", "RS256")))
    assert [key["kid"] for key in json.loads(built)["keys"]] == ["a", "b", "c"]
    assert built == json.dumps(json.loads(built), sort_keys=True, separators=(",", ":")).encode()


def test_expired_and_tainted_authorities_are_mirrored_and_every_source_gives_the_same_bytes() -> None:
    expired = keys.authority("a", expires_at=datetime(2000, 1, 1, tzinfo=UTC), tainted=True)
    told = keys.bundle(expired, "b", sequence_number=7, refresh_hint=300)
    assert _built(told) == _built(keys.bundle("a", "b"))


def test_a_key_whose_algorithm_is_narrowed_away_is_refused_by_name() -> None:
    bundle = keys.bundle("a", keys.authority("b", "ES384"))
    with pytest.raises(BundleError, match=r"kid 'b': signs with ES384, .*; add ES384 to --signing-alg"):
        jwks.build(bundle, algorithms=("RS256", "ES256"))


def test_the_largest_bundle_fits_the_limit_of_a_document() -> None:
    one = keys.authority("k", "RS256")
    many = [type(one)(kid=f"{number:032}", key=one.key) for number in range(2000)]
    assert len(_built(keys.bundle(*many))) < 4 * 1024 * 1024


@given(BUNDLES)
@settings(max_examples=50)
def test_pyjwt_and_joserfc_load_every_key_and_agree_on_its_thumbprint(bundle: TrustBundle) -> None:
    document: Any = json.loads(_built(bundle))
    wanted = {one.kid: one.key.thumbprint for one in bundle.jwt_authorities}
    key_set = KeySet.import_key_set(document)
    assert {key.kid: key.thumbprint() for key in key_set.keys} == wanted
    pyjwt = jwt.PyJWKSet.from_dict(document)
    assert {key.key_id: key.algorithm_name for key in pyjwt.keys} == {
        one.kid: one.key.alg for one in bundle.jwt_authorities
    }


@pytest.mark.parametrize("alg", ["ES256", "ES384", "RS256"])
def test_pyjwt_and_joserfc_verify_a_token_with_the_published_key(alg: str) -> None:
    document: Any = json.loads(_built(keys.bundle("other", keys.authority("a", alg))))
    token = keys.token("a", {"sub": "spiffe://example.org/app"}, alg)
    key = jwt.PyJWKSet.from_dict(document)["a"]
    assert jwt.decode(token, key, algorithms=[alg])["sub"] == "spiffe://example.org/app"
    decoded = joserfc_jwt.decode(token, KeySet.import_key_set(document), algorithms=[alg])
    assert decoded.claims["sub"] == "spiffe://example.org/app"
