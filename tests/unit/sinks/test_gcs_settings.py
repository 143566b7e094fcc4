"""The bucket sink before it sends anything: names, URLs, credentials, and what it remarks on them."""

import base64
import json
import sys
import threading
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from google.auth.exceptions import RefreshError

from publisher.errors import SettingsError, SinkError, SinkSettingsError, SinkUnavailableError
from publisher.findings import Severity
from publisher.ports import Deadline
from publisher.publication.document_set import Document
from publisher.sinks.gcs import GcsSink, open_client
from publisher.sinks.gcs_library import Client
from tests.doubles import StoppedClock
from tests.emulator.clock import RealClock, soon
from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.token_server import TokenServer, running_token_server
from tests.peers.certificates import write_certificates

ISSUER = "https://issuer.example"
CREDENTIALS = "GOOGLE_APPLICATION_CREDENTIALS"


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Iterator[Client]:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    opened = open_client()
    yield opened
    opened.close()


@pytest.fixture
def tokens(monkeypatch: pytest.MonkeyPatch) -> Iterator[TokenServer]:
    """Credentials are exchanged here, and no emulator makes them needless."""
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    with running_token_server() as server:
        yield server


def sink_of(client: Client, bucket: str, prefix: str = "") -> GcsSink:
    return GcsSink(client=client, bucket=bucket, prefix=prefix, issuer=ISSUER)


def jwt(payload: object) -> str:
    parts = (json.dumps(part).encode() for part in ({"alg": "RS256"}, payload))
    return ".".join([*(base64.urlsafe_b64encode(part).rstrip(b"=").decode() for part in parts), "c2ln"])


@pytest.mark.parametrize(
    ("bucket", "prefix", "urls"),
    [
        ("a-b", "", ("https://storage.googleapis.com/a-b", "https://a-b.storage.googleapis.com")),
        ("abc", "x/y", ("https://storage.googleapis.com/abc/x/y", "https://abc.storage.googleapis.com/x/y")),
        ("keys.example.com", "", ("https://storage.googleapis.com/keys.example.com",)),
        ("a.b", "v1", ("https://storage.googleapis.com/a.b/v1",)),
    ],
)
def test_a_place_has_googles_urls(client: Client, bucket: str, prefix: str, urls: tuple[str, ...]) -> None:
    sink = sink_of(client, bucket, prefix)
    assert sink.public_urls == urls
    assert sink.location == f"gs://{bucket}/{prefix}".removesuffix("/")


@pytest.mark.parametrize("name", ["a" * 63, "1_2", ".".join(["a" * 63, "b" * 63, "c" * 63])])
def test_unusual_names_of_buckets_are_names(client: Client, name: str) -> None:
    assert sink_of(client, name).location == f"gs://{name}"


@pytest.mark.parametrize(
    "name",
    [
        *("", "ab", "a" * 64, "Abc", "-abc", "abc-", "a..b", ".abc", "abc.", "a/b", "a b", "a\nb", "ä" * 3),
        *(".".join(["a" * 60] * 4), "a?b", "abc\n"),
    ],
)
def test_other_names_are_refused(client: Client, name: str) -> None:
    with pytest.raises(SettingsError, match="no name that a bucket can have"):
        sink_of(client, name)


@pytest.mark.parametrize(
    "prefix", ["/a", "a/", "a//b", ".", "..", "a/../b", "a b", "a%20b", "a\n", "x" * 513, "?"]
)
def test_other_prefixes_are_refused(client: Client, prefix: str) -> None:
    with pytest.raises(SettingsError, match="no path that an issuer can have"):
        sink_of(client, "bucket", prefix)


def test_an_emulator_needs_a_scheme(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "127.0.0.1:4443")
    with pytest.raises(SinkSettingsError, match="no scheme"):
        open_client()


def test_missing_credentials_are_a_matter_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv(CREDENTIALS, str(tmp_path / "missing.json"))
    with pytest.raises(SinkSettingsError, match="gcloud auth application-default login"):
        open_client()


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"type": "external_account"}'])
def test_broken_credentials_are_a_matter_of_settings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    (tmp_path / "credentials.json").write_text(content)
    monkeypatch.delenv("STORAGE_EMULATOR_HOST", raising=False)
    monkeypatch.setenv(CREDENTIALS, str(tmp_path / "credentials.json"))
    with pytest.raises(SinkSettingsError):
        open_client()


def opened_with(
    tokens: TokenServer, folder: Path, source: dict[str, Any], environment: pytest.MonkeyPatch
) -> Client:
    environment.setenv(CREDENTIALS, str(tokens.credential_file(folder, source)))
    return open_client()


def token_file(folder: Path, token: str) -> dict[str, Any]:
    (folder / "token").write_text(token)
    return {"file": str(folder / "token")}


@pytest.mark.parametrize(
    "payload_or_token",
    [{"iss": "https://elsewhere.example"}, {"iss": 7}, {}, [], "no token", "a.b.c", "a.e30x.c", ""],
)
def test_credentials_of_another_issuer_are_no_finding(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, payload_or_token: object
) -> None:
    token = payload_or_token if isinstance(payload_or_token, str) else jwt(payload_or_token)
    client = opened_with(tokens, tmp_path, token_file(tmp_path, token), monkeypatch)
    assert sink_of(client, "bucket").findings() == ()
    client.close()


def test_credentials_of_the_issuer_itself_are_a_finding(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = opened_with(tokens, tmp_path, token_file(tmp_path, jwt({"iss": ISSUER})), monkeypatch)
    (finding,) = sink_of(client, "bucket").findings()
    assert (finding.code, finding.severity) == ("GCS001", Severity.WARNING)
    assert "locks it out" in finding.what
    assert "eyJ" not in str(finding)
    assert tokens.exchanges == 0
    client.close()


def test_an_executable_is_asked_only_after_it_worked(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault_proxy: FaultProxy, bucket: str
) -> None:
    answer = {
        "version": 1,
        "success": True,
        "token_type": "urn:ietf:params:oauth:token-type:jwt",
        "id_token": jwt({"iss": ISSUER}),
        "expiration_time": 4102444800,
    }
    program = tmp_path / "program.py"
    program.write_text(f"print({json.dumps(answer)!r})")
    source = {"executable": {"command": f"{sys.executable} {program}", "timeout_millis": 10000}}
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", fault_proxy.url)
    client = opened_with(tokens, tmp_path, source, monkeypatch)
    sink = sink_of(client, bucket)
    assert sink.findings() == ()
    assert sink.read("keys", soon()) is None
    assert [finding.code for finding in sink.findings()] == ["GCS001"]
    client.close()


def test_many_sinks_share_one_access_token(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault_proxy: FaultProxy, bucket: str
) -> None:
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", fault_proxy.url)
    client = opened_with(tokens, tmp_path, token_file(tmp_path, jwt({})), monkeypatch)
    errors: list[SinkError] = []

    def publish(number: int) -> None:
        sink = GcsSink(client=client, bucket=bucket, prefix=f"p{number}", issuer=ISSUER)
        document = Document.of("keys", b"%d" % number, max_age=timedelta(seconds=60))
        try:
            assert sink.read("keys", soon()) is None
            assert sink.write(document, None, soon()) == sink.read("keys", soon())
        except SinkError as error:
            errors.append(error)

    threads = [threading.Thread(target=publish, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    client.close()
    assert errors == []
    assert tokens.exchanges == 1
    assert len(fault_proxy.requests) == 3 * len(threads)
    assert fault_proxy.connections <= len(threads)


def test_a_thread_does_not_wait_beyond_its_deadline_for_anothers_token(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault_proxy: FaultProxy, bucket: str
) -> None:
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", fault_proxy.url)
    client = opened_with(tokens, tmp_path, token_file(tmp_path, jwt({})), monkeypatch)
    tokens.held.clear()
    first = threading.Thread(target=sink_of(client, bucket).read, args=("keys", soon()))
    first.start()
    assert tokens.asked.wait(timeout=20)
    with pytest.raises(SinkUnavailableError, match="another thread's access token"):
        sink_of(client, bucket).read("keys", Deadline(RealClock(), 0.2))
    tokens.held.set()
    first.join(timeout=20)
    assert tokens.exchanges == 1
    client.close()


def test_a_refused_token_is_a_matter_of_settings_and_is_not_shown(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault_proxy: FaultProxy, bucket: str
) -> None:
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", fault_proxy.url)
    token = jwt({"sub": "x"})
    tokens.status, tokens.answer = 400, {"error": "invalid_grant", "error_description": f"refused: {token}"}
    client = opened_with(tokens, tmp_path, token_file(tmp_path, token), monkeypatch)
    with pytest.raises(SinkSettingsError, match=r"no access token.*invalid_grant") as refusal:
        sink_of(client, bucket).read("keys", Deadline(StoppedClock(), 30))
    assert "eyJ" not in str(refusal.value)
    assert fault_proxy.requests == []
    client.close()


def test_a_token_server_that_is_away_may_come_back(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault_proxy: FaultProxy, bucket: str
) -> None:
    monkeypatch.setenv("API_ENDPOINT_OVERRIDE", fault_proxy.url)
    client = opened_with(tokens, tmp_path, token_file(tmp_path, jwt({})), monkeypatch)
    tokens.shutdown()
    tokens.server_close()
    with pytest.raises(SinkUnavailableError, match="no access token"):
        sink_of(client, bucket).read("keys", Deadline(StoppedClock(), 5))
    client.close()


def test_a_clients_certificate_is_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    certificates = write_certificates(tmp_path)
    workload = {"cert_path": str(certificates.chain), "key_path": str(certificates.key)}
    (tmp_path / "certificate_config.json").write_text(json.dumps({"cert_configs": {"workload": workload}}))
    monkeypatch.setenv("GOOGLE_API_USE_CLIENT_CERTIFICATE", "true")
    monkeypatch.setenv("GOOGLE_API_CERTIFICATE_CONFIG", str(tmp_path / "certificate_config.json"))
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "https://127.0.0.1:9")
    client = open_client()
    assert client._http.is_mtls
    assert type(client._http.get_adapter("https://127.0.0.1:9")).__name__ == "_MutualTlsAdapter"
    client.close()
    (tmp_path / "certificate_config.json").write_text("{}")
    with pytest.raises(SinkSettingsError):
        open_client()


def test_an_untrusted_server_is_told_from_a_silent_one(
    emulator: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    clock = StoppedClock()
    client = open_client()
    with pytest.raises(SinkUnavailableError, match="CA bundle"):
        sink_of(client, bucket).read("keys", Deadline(clock, 30))
    assert clock.slept == []
    client.close()


def test_an_address_that_is_none_is_a_matter_of_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://")
    client = open_client()
    with pytest.raises(SinkSettingsError, match="STORAGE_EMULATOR_HOST"):
        sink_of(client, "bucket").read("keys", Deadline(StoppedClock(), 30))
    client.close()


def test_a_credential_that_cannot_say_its_token_is_no_finding(
    tokens: TokenServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    client = opened_with(tokens, tmp_path, {"file": str(tmp_path / "missing")}, monkeypatch)
    assert sink_of(client, "bucket").findings() == ()
    with pytest.raises(RefreshError):
        client._http.credentials.retrieve_subject_token(None)
    client.close()
