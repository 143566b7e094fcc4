"""Google's credential services that are down for a while, and those that say no; each kind of credential."""

import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from google.auth import _exponential_backoff
from google.auth.compute_engine import _metadata

from publisher.errors import SinkSettingsError, SinkUnavailableError
from publisher.ports import Deadline
from publisher.sinks.gcs import GcsSink, open_client
from tests import keys
from tests.doubles import StoppedClock
from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.token_server import TokenServer, running_token_server

TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
IMPERSONATION = "/v1/projects/-/serviceAccounts/publisher@project.example:generateAccessToken"
METADATA = "/computeMetadata/v1/instance/service-accounts/"
PATHS = {"metadata": METADATA, "exchange": "/v1/token", "impersonation": IMPERSONATION, "key": "/v1/token"}


@pytest.fixture
def services(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[TokenServer]:
    """Nobody but these services has credentials to give."""
    for name in ("STORAGE_EMULATOR_HOST", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    # Google's library sleeps up to 15 s between its own attempts.
    monkeypatch.setattr(_exponential_backoff, "time", SimpleNamespace(sleep=lambda _seconds: None))
    with running_token_server() as server:
        yield server


@pytest.fixture(params=PATHS)
def path(
    request: pytest.FixtureRequest, services: TokenServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> str:
    """Set the environment to one kind of credential; give the path at which its service is asked."""
    kind: str = request.param
    (tmp_path / "token").write_text(TOKEN)
    source = {"file": str(tmp_path / "token")}
    match kind:
        case "metadata":
            monkeypatch.setenv("GCE_METADATA_IP", services.host)
            monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", services.host)  # read when it was imported
        case "exchange":
            file = services.credential_file(tmp_path, source)
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        case "impersonation":
            url = f"http://{services.host}{IMPERSONATION}"
            file = services.credential_file(tmp_path, source, service_account_impersonation_url=url)
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
        case _:
            private = keys.private_key("google", "RS256")
            pem = private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            account = {
                "type": "service_account",
                "client_email": "publisher@project.example",
                "token_uri": services.url,
                "private_key": pem.decode(),
                "private_key_id": "one",
            }
            (tmp_path / "key.json").write_text(json.dumps(account))
            monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "key.json"))
    return PATHS[kind]


def read(deadline: Deadline, bucket: str = "bucket") -> object:
    """Read by a new client, which finds the credentials anew."""
    client = open_client()
    try:
        return GcsSink(client=client, bucket=bucket, prefix="", issuer="https://issuer").read(
            "keys", deadline
        )
    finally:
        client.close()


def once() -> Deadline:
    return Deadline(StoppedClock(), 0.1)


def google(status: int, name: str) -> bytes:
    error = {"code": status, "message": "told to", "status": name}
    return json.dumps({"error": error}, indent=2).encode()


@pytest.mark.parametrize("status", [500, 502, 503, 504])
@pytest.mark.parametrize(
    "body",
    [
        b'{"error":"temporarily_unavailable","error_description":"try later"}',
        b'{"error":"internal_failure"}',
        b"<html><title>Service Unavailable</title></html>",
        google(503, "UNAVAILABLE"),
        b"",
    ],
    ids=["later", "internal", "html", "google", "empty"],
)
def test_a_service_that_is_down_may_come_back(
    services: TokenServer, path: str, status: int, body: bytes
) -> None:
    services.faults[path] = status, body
    with pytest.raises(SinkUnavailableError, match="no access token: ") as refusal:
        read(once())
    assert "run again" in refusal.value.remedy
    assert "eyJ" not in str(refusal.value)


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (400, b'{"error":"invalid_grant","error_description":"refused"}'),
        (400, b'{"error":"invalid_target"}'),
        (400, b'{"error":"invalid_request"}'),
        (401, b'{"error":"invalid_client"}'),
        (401, b'{"error":"unauthorized_client"}'),
        (403, b'{"error":"access_denied"}'),
        (403, google(403, "PERMISSION_DENIED")),
        (404, google(404, "NOT_FOUND")),
        (404, b"<html><title>Error 404 (Not Found)!!1</title></html>"),
        (403, b"<html><h1>403 Forbidden</h1></html>"),
    ],
)
def test_a_service_that_says_no_is_a_matter_of_settings(
    services: TokenServer, path: str, status: int, body: bytes
) -> None:
    services.faults[path] = status, body
    with pytest.raises(SinkSettingsError, match=r"no access token: .*Application Default Credentials"):
        read(Deadline(StoppedClock(), 30))


def test_as_soon_as_it_is_back_the_run_goes_on(
    services: TokenServer,
    path: str,
    monkeypatch: pytest.MonkeyPatch,
    fault_proxy: FaultProxy,
    bucket: str,
) -> None:
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", fault_proxy.url)
    services.faults[path] = 503, b"<html>"
    clock = StoppedClock(while_sleeping=services.faults.clear)
    assert read(Deadline(clock, 30), bucket) is None
    assert len(clock.slept) == 1


def test_nobody_at_the_services_address_may_pass(services: TokenServer, path: str) -> None:
    services.shutdown()
    services.server_close()
    if path == METADATA:
        # Then nothing shows that this is a machine of Google's.
        with pytest.raises(SinkSettingsError, match="run on a machine with a service account"):
            open_client()
        return
    with pytest.raises(SinkUnavailableError, match="no access token: cannot connect: connection refused"):
        read(once())


@pytest.mark.parametrize("path", ["metadata"], indirect=True)
def test_a_metadata_server_that_is_down_from_the_start_may_come_back(
    services: TokenServer, path: str
) -> None:
    services.faults["/computeMetadata/"] = 503, b""
    assert path.startswith("/computeMetadata/")
    with pytest.raises(SinkUnavailableError, match=r"no access token: .*status: 503"):
        open_client()


@pytest.mark.parametrize("content", [None, "", "{}"])
def test_a_subject_token_that_is_not_there_is_a_matter_of_settings(
    services: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str | None
) -> None:
    source = {"file": str(tmp_path / "token"), "format": {"type": "text"}}
    if content is not None:
        (tmp_path / "token").write_text(content)
        if content:
            source["format"] = {"type": "json", "subject_token_field_name": "token"}
    file = services.credential_file(tmp_path, source)
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    with pytest.raises(SinkSettingsError, match=r"no access token: .*(not found|subject_token)"):
        read(once())
    assert services.exchanges == 0
