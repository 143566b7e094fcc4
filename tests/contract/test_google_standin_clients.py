"""Use the stand-in for Google by Google's own clients, over TLS with and without certificates."""

import base64
import json
import os
import ssl
import subprocess
import sys
from pathlib import Path

import jwt
import pytest
import requests
from google.auth import exceptions, identity_pool

from tests.google import fixtures
from tests.google.asking import ACCOUNT, ISSUER, JWT, MTLS, USER, credentials, form_of, refresh, refusal
from tests.google.google import CLOUD_PLATFORM, Google
from tests.google.issuers import Authority

google, google_process = fixtures.google, fixtures.google_process
pool, provider, session = fixtures.pool, fixtures.provider, fixtures.session


def test_google_auth_exchanges_and_impersonates(
    google: Google, provider: str, session: requests.Session
) -> None:
    token = ISSUER.token(google.audience(provider), google.now())
    google.create_service_account(ACCOUNT)
    subject = f"principal://iam.googleapis.com/{google.pool(provider)['name'].partition('/providers/')[0]}"
    google.bind(ACCOUNT, USER, f"{subject}/subject/spiffe://example.org/app")
    federated = credentials(google, provider, token)
    assert google.who_am_i(refresh(federated, session))["principal"].endswith(
        "/subject/spiffe://example.org/app"
    )
    url = google.impersonation_url(ACCOUNT)
    impersonated = credentials(google, provider, token, service_account_impersonation_url=url)
    bearer = {"Authorization": f"Bearer {refresh(impersonated, session)}"}
    told = session.get(f"{google.url}/whoami", headers=bearer, timeout=20).json()
    assert told["principal"] == f"serviceAccount:{ACCOUNT}"
    assert told["scopes"] == [CLOUD_PLATFORM]
    exchanged = google.journal("/v1/token")
    assert [entry.detail["subject"] for entry in exchanged] == ["spiffe://example.org/app"] * 2
    assert exchanged[1].detail["scope"] == "https://www.googleapis.com/auth/iam"
    assert "source/programmatic" in exchanged[0].api_client
    assert token not in json.dumps([entry.detail for entry in google.journal()])


def test_without_binding_impersonation_is_refused(
    google: Google, provider: str, session: requests.Session
) -> None:
    google.create_service_account(ACCOUNT)
    token = ISSUER.token(google.audience(provider), google.now())
    url = google.impersonation_url(ACCOUNT)
    refused = credentials(google, provider, token, service_account_impersonation_url=url)
    with pytest.raises(exceptions.RefreshError, match=r"iam\.serviceAccounts\.getAccessToken"):
        refresh(refused, session)


def test_mutual_tls_with_google_auth(
    google: Google,
    pool: str,
    session: requests.Session,
    tmp_path: Path,
) -> None:
    root = Authority()
    between = Authority(name="intermediate", issuer=root)
    name = google.create_x509_provider(pool, anchors=[root.pem])
    certificate, key = between.svid(tmp_path)
    chain = tmp_path / "chain.pem"
    chain.write_text(certificate.read_text() + between.pem)
    configuration = tmp_path / "certificate_config.json"
    paths = {"cert_path": str(certificate), "key_path": str(key)}
    configuration.write_text(json.dumps({"cert_configs": {"workload": paths}}))
    source = {"certificate_config_location": str(configuration), "trust_chain_path": str(chain)}
    made = identity_pool.Credentials(  # type: ignore[no-untyped-call]  # google-auth is half typed
        audience=google.audience(name),
        subject_token_type=MTLS,
        token_url=google.sts_mtls_url,
        credential_source={"certificate": source},
        scopes=[CLOUD_PLATFORM],
    )
    if not google.accepts_any_client_certificate:
        pytest.skip("this Python's OpenSSL cannot be told to take any client certificate")
    assert google.who_am_i(refresh(made, session))["principal"].endswith("/subject/spiffe://example.org/app")
    assert google.journal("/v1/token")[0].client_certificate


def test_certificates_that_sts_refuses(
    google: Google,
    pool: str,
    session: requests.Session,
    tmp_path: Path,
) -> None:
    if not google.accepts_any_client_certificate:
        pytest.skip("this Python's OpenSSL cannot be told to take any client certificate")
    root, other = Authority(), Authority(name="other")
    name = google.create_x509_provider(pool, anchors=[root.pem])
    good, foreign = root.svid(tmp_path), other.svid(tmp_path, name="foreign")
    long_lived = root.svid(tmp_path, days=20, name="long")

    def exchange(shown: tuple[Path, Path], told: Path) -> requests.Response:
        der = ssl.PEM_cert_to_DER_cert(told.read_text())
        form = json.dumps([base64.b64encode(der).decode()])
        session.cert = (str(shown[0]), str(shown[1]))
        data = form_of(name, form, subject_token_type=MTLS)
        try:
            return session.post(google.sts_mtls_url, data=data, headers={"Connection": "close"}, timeout=20)
        finally:
            session.close()

    assert exchange(good, good[0]).status_code == 200
    assert "is not the client certificate" in refusal(exchange(good, long_lived[0]))[1]
    assert "does not chain" in refusal(exchange(foreign, foreign[0]))[1]
    google.advance(2 * 86400)
    assert "does not chain" in refusal(exchange(good, good[0]))[1]
    assert exchange(long_lived, long_lived[0]).status_code == 200
    session.cert = None
    with pytest.raises(requests.exceptions.ConnectionError):
        session.post(google.sts_mtls_url, timeout=20)


UNCHANGED = """
import json, sys
import google.auth
from google.auth import identity_pool, impersonated_credentials
from google.auth.transport.requests import Request
from google.cloud import storage
file, scope, account = sys.argv[1:]
made, _ = google.auth.load_credentials_from_file(file, scopes=[scope])
client = storage.Client(project="my-project", credentials=made)
print(client.bucket("private").blob("a/b.txt").download_as_bytes().decode())
with open(file) as opened:
    info = json.load(opened)
del info["service_account_impersonation_url"]
source = identity_pool.Credentials.from_info(info, scopes=[scope])
target = impersonated_credentials.Credentials(source, account, [scope])
told = impersonated_credentials.IDTokenCredentials(target, "https://service.example", include_email=True)
told.refresh(Request())
print(told.token)
"""


def test_unchanged_clients_through_the_proxy(google: Google, provider: str, tmp_path: Path) -> None:
    """With Google's own addresses in the file: the environment alone leads to the stand-in."""
    google.create_service_account(ACCOUNT)
    pool_name = provider.partition("/providers/")[0]
    google.bind(ACCOUNT, USER, f"principalSet://iam.googleapis.com/{pool_name}/*")
    google.put_object("private", "a/b.txt", b"for the account only")
    google.bind("buckets/private", "roles/storage.objectViewer", f"serviceAccount:{ACCOUNT}")
    svid = tmp_path / "svid"
    svid.write_text(ISSUER.token(google.audience(provider), google.now()))
    path = f"projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"
    file = tmp_path / "credentials.json"
    configuration = {
        "type": "external_account",
        "audience": google.audience(provider),
        "subject_token_type": JWT,
        "token_url": "https://sts.googleapis.com/v1/token",
        "service_account_impersonation_url": f"https://iamcredentials.googleapis.com/v1/{path}",
        "credential_source": {"file": str(svid)},
    }
    file.write_text(json.dumps(configuration))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(tmp_path),
        "DISABLE_GCS_PYTHON_CLIENT_OTEL_BUCKET_METADATA": "true",
        **google.proxied_environment,
    }
    command = [sys.executable, "-c", UNCHANGED, str(file), CLOUD_PLATFORM, ACCOUNT]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=60, check=False)
    assert done.returncode == 0, done.stderr[-1000:]
    content, id_token = done.stdout.split("\n")[:2]
    assert content == "for the account only"
    assert jwt.decode(id_token, options={"verify_signature": False})["email"] == ACCOUNT
    hosts = {entry.host for entry in google.journal("CONNECT")}
    assert {"sts.googleapis.com", "iamcredentials.googleapis.com", "storage.googleapis.com"} <= hosts


def test_mutual_tls_through_the_proxy(
    google: Google, pool: str, session: requests.Session, tmp_path: Path
) -> None:
    root = Authority()
    name = google.create_x509_provider(pool, anchors=[root.pem])
    certificate, key = root.svid(tmp_path)
    session.proxies, session.cert = {"https": google.proxy_url}, (str(certificate), str(key))
    der = ssl.PEM_cert_to_DER_cert(certificate.read_text())
    form = form_of(name, json.dumps([base64.b64encode(der).decode()]), subject_token_type=MTLS)
    url = "https://sts.mtls.googleapis.com/v1/token"
    assert session.post(url, data=form, timeout=20).json()["token_type"] == "Bearer"
    assert google.journal("POST sts.mtls.googleapis.com")[0].client_certificate
    with pytest.raises(requests.exceptions.ProxyError):
        session.get("https://example.org", timeout=20)
