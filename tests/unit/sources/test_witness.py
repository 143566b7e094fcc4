import json
from datetime import timedelta

import pytest

from publisher.bundle.fetched import Witness
from publisher.errors import SourceUnavailableError
from publisher.sources.witness import AUDIENCE, Testimony, audience_of_the_time
from tests import keys
from tests.doubles import NOON
from tests.unit.sources.grpc_peer import own_token


def part(value: object) -> str:
    return keys.encode(value if isinstance(value, bytes) else json.dumps(value).encode())


def tampered(token: str, *, header: object = None, payload: object = None) -> str:
    parts = token.split(".")
    return ".".join([part(header) if header else parts[0], part(payload) if payload else parts[1], parts[2]])


@pytest.mark.parametrize("alg", ["ES256", "ES384", "RS256"])
def test_a_token_of_each_algorithm_is_confirmed(alg: str) -> None:
    claims = {"sub": "spiffe://example.org/p", "aud": AUDIENCE, "iss": "https://issuer", "exp": 1}
    testimony = Testimony(keys.token("one", claims, alg), audience=AUDIENCE, where="there")
    assert testimony.trust_domain == keys.EXAMPLE_ORG
    assert testimony.confirm(keys.bundle(keys.authority("one", alg), "two"), NOON) == Witness(
        iss="https://issuer", kid="one"
    )


@pytest.mark.parametrize(
    ("ago", "known"),
    [(0, True), (17, True), (300, True), (301, False), (-1, False), (None, False), (1e99, False)],
)
def test_when_it_was_signed_is_known_unless_a_clock_is_wrong(ago: float | None, known: bool) -> None:
    noon = NOON.timestamp()
    claims = {} if ago is None else {"iat": noon - ago}
    own = {"sub": "spiffe://example.org/p", "aud": AUDIENCE, "exp": noon + 60, **claims}
    testimony = Testimony(keys.token("one", own), audience=AUDIENCE, where="there")
    told = testimony.confirm(keys.bundle("one"), NOON).issued_at
    assert told == (NOON - timedelta(seconds=ago or 0) if known else None)


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
        own_token(exp=None),
        own_token(exp=True),
        tampered(own_token(), payload={"sub": "spiffe://example.org/p", "aud": AUDIENCE, "exp": "4"}),
        tampered(
            own_token(), payload={"sub": "spiffe://example.org/p", "aud": AUDIENCE, "iss": ["x"], "exp": 4}
        ),
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
        Testimony(token, audience=AUDIENCE, where="there").confirm(keys.bundle("one"), NOON)
    assert "JWT-SVID" in caught.value.what
    assert caught.value.__cause__ is None
    assert not any(len(shown) > 3 and shown in str(caught.value) for shown in token.split("."))


@pytest.mark.parametrize(
    ("iat", "exp", "recent", "expired"),
    [
        (0, 60, True, False),
        (-299, 60, True, False),
        (-300, 60, True, False),
        (-301, 3600, False, False),
        (-86400, 86400, False, False),
        (1, 60, False, False),  # a server whose clock is ahead would otherwise live on for that long
        (-60.5, 60, True, False),
        (-60, 0, False, True),
        (-600, -300, False, True),
        (None, 60, False, False),
        ("0", 60, False, False),
    ],
)
def test_a_token_has_an_age(iat: object, exp: float, *, recent: bool, expired: bool) -> None:
    start = NOON.timestamp()
    issued = start + iat if isinstance(iat, int | float) else iat
    token = tampered(
        own_token(),
        payload={"sub": "spiffe://example.org/p", "aud": AUDIENCE, "exp": start + exp}
        | ({} if issued is None else {"iat": issued}),
    )
    testimony = Testimony(token, audience=AUDIENCE, where="there")
    assert (testimony.is_recent(NOON), testimony.has_expired(NOON)) == (recent, expired)


def test_the_audience_of_the_time_lasts_five_minutes_and_no_longer() -> None:
    assert NOON.timestamp() % 300 == 0
    during = {audience_of_the_time(NOON + timedelta(seconds=passed)) for passed in (0, 1, 150, 299.9)}
    assert len(during) == 1
    assert during.isdisjoint(
        {audience_of_the_time(NOON + timedelta(seconds=passed)) for passed in (-0.1, 300)}
    )
    assert all(audience.startswith(f"{AUDIENCE}:") for audience in during)


@pytest.mark.parametrize("alg", ["none", "HS256", "ES384", "RS256"])
def test_an_algorithm_that_is_not_the_keys_proves_nothing(alg: str) -> None:
    token = tampered(own_token(), header={"alg": alg, "kid": "one"})
    with pytest.raises(SourceUnavailableError, match=r"JWT-SVID is (malformed|not signed by the key)"):
        Testimony(token, audience=AUDIENCE, where="there").confirm(keys.bundle("one"), NOON)
