"""The key of a JWT-SVID, held to what is published: every way to be wrong, without any network."""

import json
import time
from datetime import UTC, datetime
from typing import Any

import pytest

from publisher.bundle.public_key import PublicKey
from publisher.gcp.doctor.published import Published, look_at_key, look_at_upload
from publisher.gcp.doctor.stage import Result
from publisher.gcp.doctor.token import JwtSeen, NotJwtError
from publisher.oidc import jwks_rules
from tests.google.issuers import Issuer, new_key

NOW = datetime.now(UTC)
ISSUER = Issuer()
OTHER = Issuer(key=new_key())
SVID = JwtSeen.parse(ISSUER.token("mine", time.time()))


def published(*keys: dict[str, Any], url: str | None = "https://issuer.example") -> Published:
    read = jwks_rules.read(json.dumps({"keys": keys}).encode(), where="test")
    assert isinstance(read, tuple)
    return Published(issuer_url=url, keys=read)


def jwk(issuer: Issuer, **members: Any) -> dict[str, Any]:
    (key,) = issuer.jwks()["keys"]
    return {**key, **members}


def test_the_key_that_signed_is_fine_with_and_without_the_bundle() -> None:
    own = PublicKey.from_jwk(jwk(ISSUER), where="test")
    for bundle in (None, {}, {"key-1": own}):
        assert look_at_key(SVID, published(jwk(OTHER, kid="x"), jwk(ISSUER)), bundle, NOW).result is Result.OK


@pytest.mark.parametrize(
    ("keys", "bundle", "code", "said"),
    [
        ([jwk(ISSUER, kid="x")], None, "GCP009", "is not among the 1 keys that are published"),
        ([jwk(ISSUER, kid="x")], ISSUER, "GCP009", "the agent's bundle has it"),
        ([jwk(ISSUER, kid="x")], Issuer(kid="y"), "GCP009", "the agent's bundle lacks it, too"),
        ([jwk(ISSUER, x="AAAA")], None, "GCP010", "is published malformed"),
        ([jwk(OTHER)], ISSUER, "GCP010", "and the agent's bundle has"),
        ([jwk(OTHER)], None, "GCP010", "did not sign"),
        ([jwk(ISSUER, alg="RS256")], None, "GCP010", "is published for 'RS256'"),
    ],
)
def test_keys_that_are_wrong(keys: list[dict[str, Any]], bundle: Issuer | None, code: str, said: str) -> None:
    own = None if bundle is None else {bundle.kid: PublicKey.from_jwk(jwk(bundle), where="test")}
    seen = look_at_key(SVID, published(*keys), own, NOW)
    assert seen.finding is not None
    assert seen.finding.code == code
    assert said in seen.said
    assert seen.remedy


def test_what_is_missing_from_uploaded_keys_is_to_be_uploaded() -> None:
    seen = look_at_key(SVID, published(jwk(OTHER, kid="x"), url=None), None, NOW)
    assert "uploaded" in seen.said
    assert "wif-provider:" in seen.remedy


@pytest.mark.parametrize("uploaded", ["", "{}", '{"keys": []}'])
def test_an_upload_that_is_no_key_set(uploaded: str) -> None:
    seen, keys = look_at_upload(uploaded)
    assert seen.finding is not None
    assert seen.finding.code == "GCP008"
    assert keys.keys is None


@pytest.mark.parametrize("text", ["", "a.b", "a.b.c", "W10.W10.c", "e30.W10.c", "x" * 70_000])
def test_what_is_no_jwt_is_refused_without_being_quoted(text: str) -> None:
    with pytest.raises(NotJwtError) as refused:
        JwtSeen.parse(text)
    assert not text or text not in str(refused.value)


def test_a_jwt_svid_does_not_show_itself() -> None:
    assert SVID.token not in repr(SVID)
