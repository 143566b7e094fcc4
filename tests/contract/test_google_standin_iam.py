"""Hold the stand-in for IAM, impersonation and storage to what Google documents."""

import json
from typing import Any

import jwt
import pytest
import requests

from tests.google import fixtures
from tests.google.asking import ACCOUNT, ISSUER, USER, credentials, refresh
from tests.google.google import CLOUD_PLATFORM, SUBJECT, Google, GoogleError
from tests.google.issuers import Authority

google, google_process = fixtures.google, fixtures.google_process
pool, provider, session = fixtures.pool, fixtures.provider, fixtures.session


def test_id_tokens(google: Google, provider: str, session: requests.Session) -> None:
    google.create_service_account(ACCOUNT)
    google.bind(ACCOUNT, USER, f"principalSet://iam.googleapis.com/{provider.partition('/providers/')[0]}/*")
    made = credentials(google, provider, ISSUER.token(google.audience(provider), google.now()))
    url = google.impersonation_url(ACCOUNT).replace("generateAccessToken", "generateIdToken")
    bearer = {"Authorization": f"Bearer {refresh(made, session)}"}
    body = {"audience": "https://service.example", "includeEmail": True}
    token = session.post(url, json=body, headers=bearer, timeout=20).json()["token"]
    keys = jwt.PyJWKSet.from_dict(session.get(google.certs_url, timeout=20).json())
    key = keys[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="https://service.example")
    assert claims["iss"] == "https://accounts.google.com"
    assert claims["email"] == ACCOUNT


@pytest.mark.parametrize("lifetime", ["0s", "3601s", "1h", 3600])
def test_lifetimes_that_are_refused(google: Google, session: requests.Session, lifetime: Any) -> None:
    google.create_service_account(ACCOUNT)
    google.bind(ACCOUNT, "roles/iam.serviceAccountTokenCreator", "user:me@example.com")
    bearer = {"Authorization": f"Bearer {google.token('user:me@example.com')}"}
    url = google.impersonation_url(ACCOUNT)
    body = {"scope": [CLOUD_PLATFORM], "lifetime": lifetime}
    answer = session.post(url, json=body, headers=bearer, timeout=20)
    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_delegates(google: Google, session: requests.Session) -> None:
    creator, middle = "roles/iam.serviceAccountTokenCreator", "middle@my-project.iam.gserviceaccount.com"
    for account in (ACCOUNT, middle):
        google.create_service_account(account)
    google.bind(middle, creator, "user:me@example.com")
    bearer = {"Authorization": f"Bearer {google.token('user:me@example.com')}"}
    body = {"scope": [CLOUD_PLATFORM], "delegates": [f"projects/-/serviceAccounts/{middle}"]}
    url = google.impersonation_url(ACCOUNT)
    assert session.post(url, json=body, headers=bearer, timeout=20).status_code == 403
    google.bind(ACCOUNT, creator, f"serviceAccount:{middle}")
    assert session.post(url, json=body, headers=bearer, timeout=20).status_code == 200


def test_providers_by_the_api(google: Google, pool: str, session: requests.Session) -> None:
    session.headers["Authorization"] = f"Bearer {google.administrator_token()}"
    base = f"{google.iam_url}/v1/{pool}/providers"
    body = {"attributeMapping": SUBJECT, "oidc": {"issuerUri": ISSUER.url}}
    begun = session.post(f"{base}?workloadIdentityPoolProviderId=by-api", json=body, timeout=20).json()
    assert "done" not in begun
    polled = [session.get(f"{google.iam_url}/v1/{begun['name']}", timeout=20).json() for _ in range(2)]
    assert [one.get("done", False) for one in polled] == [False, True]
    again = session.post(f"{base}?workloadIdentityPoolProviderId=by-api", json=body, timeout=20)
    assert (again.status_code, again.json()["error"]["status"]) == (409, "ALREADY_EXISTS")
    url = f"{base}/by-api"
    change = {"oidc": {"jwksJson": json.dumps(ISSUER.jwks())}}
    assert session.patch(url, json=change, timeout=20).status_code == 400
    assert session.patch(f"{url}?updateMask=oidc.jwksJson", json=change, timeout=20).status_code == 200
    shown = session.get(url, timeout=20).json()
    assert json.loads(shown["oidc"]["jwksJson"]) == ISSUER.jwks()
    assert shown["oidc"]["issuerUri"] == ISSUER.url
    assert session.get(f"{base}/other", timeout=20).status_code == 404
    assert session.delete(url, timeout=20).status_code == 403
    assert session.get(base, timeout=20).json()["workloadIdentityPoolProviders"] == [shown]
    session.headers["Authorization"] = f"Bearer {google.token('user:nobody@example.com')}"
    assert session.get(url, timeout=20).status_code == 403
    session.headers["Authorization"] = "Bearer nonsense"
    assert session.get(url, timeout=20).status_code == 401


@pytest.mark.parametrize(
    ("mask", "body", "words"),
    [
        (
            "oidc.jwksJson",
            {"oidc": {"jwksJson": json.dumps({"keys": ISSUER.jwks()["keys"] * 9})}},
            "At most 8",
        ),
        ("oidc.jwksJson", {"oidc": {"jwksJson": '{"keys": []}'}}, "not in a valid json format"),
        ("oidc.jwksJson", {"oidc": {"jwksJson": '{"keys": [{"x5c": []}]}'}}, "not in a valid json format"),
        ("oidc.issuerUri", {"oidc": {"issuerUri": "http://x.example"}}, "https"),
        ("oidc.allowedAudiences", {"oidc": {"allowedAudiences": ["a"] * 11}}, "At most 10"),
        ("attributeCondition", {"attributeCondition": "'" + "a" * 4096 + "'"}, "4096"),
        ("attributeCondition", {"attributeCondition": "nonsense ("}, "CEL"),
        ("attributeMapping", {"attributeMapping": {"attribute.a": "assertion.a"}}, "google.subject"),
        ("attributeMapping", {"attributeMapping": {**SUBJECT, "a": "assertion.a"}}, "custom_attribute"),
        ("display_name", {"displayName": "a" * 33}, "32"),
        ("nonsense", {}, "update_mask"),
        ("x509", {"x509": {}}, "kind"),
    ],
)
def test_limits_of_a_provider(google: Google, provider: str, mask: str, body: Any, words: str) -> None:
    before = google.provider(provider)
    with pytest.raises(GoogleError, match=words):
        google.patch(provider, mask, body)
    assert google.provider(provider) == before


def test_limits_of_a_trust_store(google: Google, pool: str) -> None:
    root = Authority()
    with pytest.raises(GoogleError, match="1 to 3"):
        google.create_x509_provider(pool, anchors=[root.pem] * 4)
    with pytest.raises(GoogleError, match="at most 10"):
        google.create_x509_provider(pool, anchors=[root.pem], intermediates=[root.pem] * 11)
    with pytest.raises(GoogleError, match="32768"):
        google.create_x509_provider(pool, anchors=[root.pem + " " * 32768])
    with pytest.raises(GoogleError, match="only contain one CA"):
        google.create_x509_provider(pool, anchors=[root.pem + root.pem])
    for name in ("abc", "gcp-pool", "Pool"):
        with pytest.raises(GoogleError, match="4 to 32"):
            google.create_pool(pool=name)


def test_the_storage_tells_nobody_what_is_not_his(google: Google, session: requests.Session) -> None:
    google.put_object("private", "object", b"secret")
    url = f"{google.storage_url}/storage/v1/b/private/o"
    assert session.get(f"{url}/object?alt=media", timeout=20).status_code == 401
    bearer = {"Authorization": f"Bearer {google.token('user:nobody@example.com')}"}
    assert session.get(f"{url}/object", headers=bearer, timeout=20).status_code == 403
    assert session.get(f"{url}/absent", headers=bearer, timeout=20).status_code == 403
    google.bind("buckets/private", "roles/storage.objectViewer", "user:nobody@example.com")
    assert session.get(f"{url}/object?alt=media", headers=bearer, timeout=20).content == b"secret"
    assert session.get(f"{url}/absent", headers=bearer, timeout=20).status_code == 404


def test_tokens_run_out(google: Google, session: requests.Session) -> None:
    bearer = {"Authorization": f"Bearer {google.token(lifetime=60)}"}
    assert session.get(f"{google.url}/whoami", headers=bearer, timeout=20).status_code == 200
    google.advance(61)
    assert session.get(f"{google.url}/whoami", headers=bearer, timeout=20).status_code == 401


def test_policies_of_an_account(google: Google, session: requests.Session) -> None:
    google.create_project()
    google.create_service_account(ACCOUNT)
    google.bind("projects/123456789", "roles/iam.serviceAccountAdmin", "user:admin@example.com")
    session.headers["Authorization"] = f"Bearer {google.token()}"
    url = f"{google.iam_url}/v1/projects/my-project/serviceAccounts/{ACCOUNT}"
    assert session.get(url, timeout=20).json()["email"] == ACCOUNT
    policy = session.post(f"{url}:getIamPolicy", json={}, timeout=20).json()
    assert "bindings" not in policy
    condition = {"title": "never", "expression": "false"}
    bindings = [
        {"role": USER, "members": ["user:me@example.com"]},
        {"role": USER, "members": ["user:other@example.com"], "condition": condition},
    ]
    wanted = {**policy, "version": 3, "bindings": bindings}
    written = session.post(f"{url}:setIamPolicy", json={"policy": wanted}, timeout=20).json()
    assert written["bindings"] == bindings
    assert google.bindings() >= {(ACCOUNT, USER, "user:me@example.com")}
    late = session.post(f"{url}:setIamPolicy", json={"policy": wanted}, timeout=20)
    assert (late.status_code, late.json()["error"]["status"]) == (409, "ABORTED")


def test_scopes_are_needed(google: Google, pool: str, session: requests.Session) -> None:
    google.administrator_token()
    narrow = google.token(scopes=["https://www.googleapis.com/auth/devstorage.read_only"])
    answer = session.get(
        f"{google.iam_url}/v1/{pool}", headers={"Authorization": f"Bearer {narrow}"}, timeout=20
    )
    assert answer.status_code == 403
    assert answer.json()["error"]["details"][0]["reason"] == "ACCESS_TOKEN_SCOPE_INSUFFICIENT"


def test_an_operation_may_fail(google: Google, provider: str, session: requests.Session) -> None:
    google.configure(operation_polls=0)
    google.fail_operations(13, "told to")
    session.headers["Authorization"] = f"Bearer {google.administrator_token()}"
    url, before = f"{google.iam_url}/v1/{provider}?updateMask=displayName", google.provider(provider)
    failed = session.patch(url, json={"displayName": "new"}, timeout=20).json()
    assert failed["done"]
    assert failed["error"] == {"code": 13, "message": "told to"}
    assert google.provider(provider) == before
    assert session.patch(url, json={"displayName": "new"}, timeout=20).json()["response"]
    assert google.provider(provider) == {**before, "displayName": "new"}


def test_tokens_of_a_disabled_pool(google: Google, provider: str, session: requests.Session) -> None:
    token = ISSUER.token(google.audience(provider), google.now())
    bearer = {"Authorization": f"Bearer {refresh(credentials(google, provider, token), session)}"}
    pool_name = provider.partition("/providers/")[0]
    for resource, status in ((provider, 200), (pool_name, 401)):
        google.disable(resource)
        assert session.get(f"{google.url}/whoami", headers=bearer, timeout=20).status_code == status
    google.enable(pool_name)
    assert session.get(f"{google.url}/whoami", headers=bearer, timeout=20).status_code == 200


def test_projects_tell_their_id(google: Google, pool: str, session: requests.Session) -> None:
    bearer = {"Authorization": f"Bearer {google.token()}"}
    url = f"{google.resource_manager_url}/v1/projects/123456789"
    assert session.get(url, headers=bearer, timeout=20).status_code == 403
    google.bind("projects/123456789", "roles/browser", "user:admin@example.com")
    assert session.get(url, headers=bearer, timeout=20).json()["projectId"] == "my-project"
