import json

import pytest

from publisher.bundle.fetched import Witness
from publisher.errors import SourceUnavailableError
from publisher.sources.witness import AUDIENCE, Testimony
from tests import keys
from tests.unit.sources.grpc_peer import own_token


def part(value: object) -> str:
    return keys.encode(value if isinstance(value, bytes) else json.dumps(value).encode())


def tampered(token: str, *, header: object = None, payload: object = None) -> str:
    parts = token.split(".")
    return ".".join([part(header) if header else parts[0], part(payload) if payload else parts[1], parts[2]])


@pytest.mark.parametrize("alg", ["ES256", "ES384", "RS256"])
def test_a_token_of_each_algorithm_is_confirmed(alg: str) -> None:
    claims = {"sub": "spiffe://example.org/p", "aud": AUDIENCE, "iss": "https://issuer"}
    testimony = Testimony(keys.token("one", claims, alg), audience=AUDIENCE, where="there")
    assert testimony.trust_domain == keys.EXAMPLE_ORG
    assert testimony.confirm(keys.bundle(keys.authority("one", alg), "two")) == Witness(iss="https://issuer")


@pytest.mark.parametrize(
    "token",
    [
        "",
        "secret",
        "secret.secret",
        "secret.secret.secret",
        "secret.secret.secret.secret",
        "ü.secret.secret",
        json.dumps({"payload": "secret", "signatures": [".", "."]}),
        own_token() + "a" * 20_000,
        own_token(aud=["spiffe://other"]),
        own_token(aud=None),
        own_token(sub=None),
        own_token(sub="somebody"),
        own_token(sub="spiffe://Example.org/p"),
        tampered(own_token(), payload={"sub": "spiffe://example.org/p", "aud": AUDIENCE, "iss": ["x"]}),
        keys.token("", {"sub": "spiffe://example.org/p", "aud": [1]}),
        tampered(own_token(), payload=["not", "an", "object"]),
        tampered(own_token(), payload=b'{"aud":1,"aud":2}'),
        tampered(own_token(), payload=b"\xff"),
        tampered(own_token(), header=b"\xff"),
        tampered(own_token(), header={"alg": "ES256"}),
        tampered(own_token(), header={"alg": "ES256", "kid": 1}),
        tampered(own_token(), header={"kid": "one"}),
    ],
)
def test_a_malformed_token_proves_nothing_and_is_not_shown(token: str) -> None:
    with pytest.raises(SourceUnavailableError) as caught:
        Testimony(token, audience=AUDIENCE, where="there").confirm(keys.bundle("one"))
    assert "JWT-SVID" in caught.value.what
    assert caught.value.__cause__ is None
    assert not any(len(shown) > 3 and shown in str(caught.value) for shown in token.split("."))


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "RS256"])
def test_an_algorithm_that_is_not_the_keys_proves_nothing(alg: str) -> None:
    token = tampered(own_token(), header={"alg": alg, "kid": "one"})
    with pytest.raises(SourceUnavailableError, match=r"JWT-SVID is (malformed|not signed by the key)"):
        Testimony(token, audience=AUDIENCE, where="there").confirm(keys.bundle("one"))
