"""Hold the stand-in for STS to what Google documents about tokens."""

import json
from pathlib import Path
from typing import Any

import jwt
import pytest
import requests

from tests.emulator.server import running_emulator
from tests.google import fixtures
from tests.google.asking import ISSUER, MTLS, UNREACHABLE, ask_sts, refusal
from tests.google.google import CLOUD_PLATFORM, SUBJECT, Google, GoogleError
from tests.google.issuers import Issuer, new_key
from tests.google.static_issuer import serving

google, google_process = fixtures.google, fixtures.google_process
pool, provider, session = fixtures.pool, fixtures.provider, fixtures.session


@pytest.mark.parametrize(
    ("claims", "words"),
    [
        ({"iss": "https://other.example"}, "does not match the expected ones"),
        ({"aud": "//elsewhere"}, "does not match the expected audience"),
        ({"exp": None}, "lacks exp"),
        ({"iat": None}, "lacks iat"),
        ({"sub": None}, "lacks sub"),
        ({"aud": None}, "lacks aud"),
        ({"iat_ago": 7200, "exp_in": -3600}, "is stale to sign-in"),
        ({"iat_ago": -3600, "exp_in": 4000}, "in the future"),
        ({"exp_in": 24 * 3600 + 1}, "exceeds 24 hours"),
    ],
)
def test_claims_that_sts_refuses(
    google: Google,
    provider: str,
    session: requests.Session,
    claims: dict[str, Any],
    words: str,
) -> None:
    now = int(google.now())
    given = dict(claims)
    if "iat_ago" in given:
        given["iat"] = now - given.pop("iat_ago")
    if "exp_in" in given:
        given["exp"] = now + given.pop("exp_in")
    token = ISSUER.token(google.audience(provider), now, **given)
    error, description = refusal(ask_sts(google, session, provider, token))
    assert error == "invalid_grant"
    assert words in description


def test_algorithms_and_keys(google: Google, pool: str, session: requests.Session) -> None:
    rsa = Issuer(url="https://rsa.example", algorithm="RS256", key=new_key("RS256"))
    name = google.create_oidc_provider(pool, "rsa-keys", issuer=rsa.url, jwks=rsa.jwks())
    audience, now = google.audience(name), google.now()
    assert ask_sts(google, session, name, rsa.token(audience, now)).status_code == 200
    assert (
        refusal(ask_sts(google, session, name, rsa.token(audience, now, header={"kid": "no"})))[1]
        == UNREACHABLE
    )
    forged = Issuer(url=rsa.url, algorithm="RS256", key=new_key("RS256"))
    assert "signature" in refusal(ask_sts(google, session, name, forged.token(audience, now)))[1]
    p384 = Issuer(url=rsa.url, algorithm="ES384", key=new_key("ES384"))
    assert "RS256 or ES256" in refusal(ask_sts(google, session, name, p384.token(audience, now)))[1]
    with pytest.raises(GoogleError, match="P-256"):
        google.create_oidc_provider(pool, "p384-keys", issuer=rsa.url, jwks=p384.jwks())
    pss = jwt.encode({"iss": rsa.url}, rsa.key, algorithm="PS256", headers={"kid": rsa.kid})
    assert "RS256 or ES256" in refusal(ask_sts(google, session, name, pss))[1]


def test_discovery_over_https(google: Google, pool: str, session: requests.Session, tmp_path: Path) -> None:
    issuer = Issuer(url="https://storage.googleapis.com/bucket")
    (tmp_path / "bucket").mkdir()
    issuer.write(tmp_path / "bucket")
    name = google.create_oidc_provider(pool, issuer=issuer.url)
    token = issuer.token(google.audience(name), google.now())
    assert refusal(ask_sts(google, session, name, token)) == ("invalid_grant", UNREACHABLE)
    with serving(tmp_path, tmp_path) as (place, ca_file):
        google.issuer_at("https://storage.googleapis.com", place, ca_file)
        assert ask_sts(google, session, name, token).status_code == 200
        rotated = Issuer(url=issuer.url, kid="key-2")
        late = rotated.token(google.audience(name), google.now())
        assert refusal(ask_sts(google, session, name, late)) == ("invalid_grant", UNREACHABLE)
        google.configure(cache_keys_for=100.0)
        assert ask_sts(google, session, name, token).status_code == 200
        rotated.write(tmp_path / "bucket")
        assert refusal(ask_sts(google, session, name, late)) == ("invalid_grant", UNREACHABLE)
        google.advance(101)
        assert ask_sts(google, session, name, late).status_code == 200
    google.advance(101)
    assert refusal(ask_sts(google, session, name, late)) == ("invalid_grant", UNREACHABLE)


def test_audiences(google: Google, provider: str, session: requests.Session) -> None:
    default, now = google.audience(provider), google.now()
    assert ask_sts(google, session, provider, ISSUER.token(f"https:{default}", now)).status_code == 200
    google.patch(provider, "oidc.allowedAudiences", {"oidc": {"allowedAudiences": ["ours"]}})
    assert ask_sts(google, session, provider, ISSUER.token(["x", "ours"], now)).status_code == 200
    assert "audience" in refusal(ask_sts(google, session, provider, ISSUER.token(default, now)))[1]


def test_targets_that_are_not_there(google: Google, provider: str, session: requests.Session) -> None:
    token = ISSUER.token(google.audience(provider), google.now())
    pool_name = provider.partition("/providers/")[0]
    for resource, undo in ((provider, google.enable), (pool_name, google.enable)):
        google.disable(resource)
        assert refusal(ask_sts(google, session, provider, token))[0] == "invalid_target"
        undo(resource)
    google.delete(pool_name)
    assert refusal(ask_sts(google, session, provider, token))[0] == "invalid_target"
    google.undelete(pool_name)
    assert ask_sts(google, session, provider, token).status_code == 200
    assert refusal(ask_sts(google, session, provider, token, audience="x"))[0] == "invalid_request"
    assert refusal(ask_sts(google, session, provider, token, scope=None))[0] == "invalid_request"
    assert refusal(ask_sts(google, session, provider, token, subject_token_type=MTLS))[0] == "invalid_request"


@pytest.mark.parametrize(
    ("expression", "subject"),
    [
        ("assertion.sub", "spiffe://example.org/ns/app"),
        ("assertion.sub.split('/')[3]", "ns"),
        ("assertion.sub.extract('spiffe://example.org/{path}')", "ns/app"),
        ("'x-' + assertion.sub.extract('/ns/{app}') + \"-y\"", "x-app-y"),
        ("assertion.sub.startsWith('spiffe://example.org/') ? 'ours' : 'theirs'", "ours"),
        ("assertion['sub']", "spiffe://example.org/ns/app"),
    ],
)
def test_attribute_mapping(
    google: Google,
    provider: str,
    session: requests.Session,
    expression: str,
    subject: str,
) -> None:
    google.patch(provider, "attributeMapping", {"attributeMapping": {"google.subject": expression}})
    token = ISSUER.token(google.audience(provider), google.now(), sub="spiffe://example.org/ns/app")
    answer = ask_sts(google, session, provider, token).json()
    assert google.who_am_i(answer["access_token"])["principal"].endswith(f"/subject/{subject}")


def test_the_subject_has_at_most_127_bytes(google: Google, provider: str, session: requests.Session) -> None:
    for length, accepted in ((127, True), (128, False)):
        sub = "spiffe://example.org/" + "a" * (length - 21)
        answer = ask_sts(
            google, session, provider, ISSUER.token(google.audience(provider), google.now(), sub=sub)
        )
        assert (answer.status_code == 200) is accepted
    assert "127 bytes" in refusal(answer)[1]


@pytest.mark.parametrize(
    ("condition", "met"),
    [
        ("assertion.sub.startsWith('spiffe://example.org/')", True),
        ("assertion.sub.startsWith('spiffe://example.com/')", False),
        ("google.subject == 'spiffe://example.org/app' && attribute.path == 'app'", True),
        ("attribute.path in ['web', 'db']", False),
        ("attribute.path in ['web', 'app'] || false", True),
        ("assertion.missing == 'x'", False),
    ],
)
def test_attribute_condition(
    google: Google,
    pool: str,
    session: requests.Session,
    condition: str,
    met: bool,
) -> None:
    mapping = {**SUBJECT, "attribute.path": "assertion.sub.extract('example.org/{path}')"}
    name = google.create_oidc_provider(
        pool, issuer=ISSUER.url, jwks=ISSUER.jwks(), mapping=mapping, condition=condition
    )
    answer = ask_sts(google, session, name, ISSUER.token(google.audience(name), google.now()))
    if met:
        members = google.who_am_i(answer.json()["access_token"])["members"]
        assert f"principalSet://iam.googleapis.com/{pool}/attribute.path/app" in members
    else:
        assert refusal(answer)[0] == "unauthorized_client"


def test_json_is_taken_as_well(google: Google, provider: str, session: requests.Session) -> None:
    body = {
        "grantType": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": google.audience(provider),
        "scope": CLOUD_PLATFORM,
        "requestedTokenType": "urn:ietf:params:oauth:token-type:access_token",
        "subjectTokenType": "urn:ietf:params:oauth:token-type:id_token",
        "subjectToken": ISSUER.token(google.audience(provider), google.now()),
    }
    answer = session.post(google.sts_url, json=body, timeout=20).json()
    assert answer["token_type"] == "Bearer"
    assert answer["expires_in"] == 3600


def test_a_change_spreads_late_where_told(google: Google, provider: str, session: requests.Session) -> None:
    google.configure(propagation=5.0)
    google.advance(10)
    other = Issuer(kid="key-2")
    google.patch(provider, "oidc.jwksJson", {"oidc": {"jwksJson": json.dumps(other.jwks())}})
    token = other.token(google.audience(provider), google.now())
    assert refusal(ask_sts(google, session, provider, token))[1] == UNREACHABLE
    google.advance(6)
    assert ask_sts(google, session, provider, token).status_code == 200


def test_discovery_from_the_emulator_of_cloud_storage(
    google: Google, pool: str, session: requests.Session, tmp_path: Path
) -> None:
    issuer = Issuer(url="https://storage.googleapis.com/published")
    name = google.create_oidc_provider(pool, issuer=issuer.url)
    with running_emulator(tmp_path) as emulator:
        emulator.make_bucket("published")
        well_known = ".well-known/openid-configuration"
        for path, document in ((well_known, issuer.configuration()), ("keys", issuer.jwks())):
            emulator.upload_by_hand("published", path, json.dumps(document).encode(), "application/json")
        google.issuer_at(
            "https://storage.googleapis.com", emulator.url.removeprefix("https://"), emulator.ca_file
        )
        token = issuer.token(google.audience(name), google.now())
        assert ask_sts(google, session, name, token).status_code == 200


def test_an_issuer_that_is_redirected_wrong_or_no_json(
    google: Google, pool: str, session: requests.Session, tmp_path: Path
) -> None:
    issuer = Issuer(url="https://issuer.example")
    name = google.create_oidc_provider(pool, issuer=issuer.url)
    token = issuer.token(google.audience(name), google.now())
    document = tmp_path / ".well-known/openid-configuration"
    with serving(tmp_path, tmp_path) as (place, ca_file):
        google.issuer_at(issuer.url, place, ca_file)
        issuer.write(tmp_path)
        good = issuer.configuration()
        wrong: list[Any] = [
            {**good, "issuer": f"{issuer.url}/"},
            {**good, "jwks_uri": "http://issuer.example/keys"},
            {**good, "jwks_uri": f"{issuer.url}/.well-known"},
            {**good, "jwks_uri": 1},
            [],
        ]
        for bad in wrong:
            document.write_text(json.dumps(bad))
            assert refusal(ask_sts(google, session, name, token)) == ("invalid_grant", UNREACHABLE)
        document.write_text("<html>")
        assert refusal(ask_sts(google, session, name, token)) == ("invalid_grant", UNREACHABLE)
        document.write_text(json.dumps(good))
        assert ask_sts(google, session, name, token).status_code == 200
        google.issuer_at(issuer.url, place, google.ca_file)
        assert refusal(ask_sts(google, session, name, token)) == ("invalid_grant", UNREACHABLE)
