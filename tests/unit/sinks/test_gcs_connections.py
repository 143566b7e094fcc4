"""The bucket sink's connections: what the environment says about them, and whom they trust."""

from pathlib import Path
from typing import Any

import pytest
import requests
import trustme

from publisher.errors import SinkSettingsError, SinkUnavailableError
from publisher.ports import Deadline
from publisher.publication.document_set import StoredObject
from publisher.sinks.gcs import GcsSink, open_client
from publisher.sinks.gcs_connections import prepare
from tests.conformance.static_server import serve
from tests.doubles import StoppedClock
from tests.peers.certificates import Certificates

ISSUER = "https://issuer.example"


def read(bucket: str, path: str = "keys") -> StoredObject | None:
    """Read with a new client, which looks at the environment as it is now."""
    client = open_client()
    try:
        sink = GcsSink(client=client, bucket=bucket, prefix="", issuer=ISSUER)
        return sink.read(path, Deadline(StoppedClock(), 5))
    finally:
        client.close()


@pytest.mark.parametrize("variable", ["REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"])
def test_a_ca_bundle_that_is_not_there_is_a_matter_of_settings(
    variable: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "https://127.0.0.1:9")
    monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
    monkeypatch.setenv(variable, "/nowhere.pem")
    with pytest.raises(SinkSettingsError, match=r"nowhere.*REQUESTS_CA_BUNDLE"):
        open_client()


@pytest.mark.parametrize("authorities", ["the usual ones", "an empty folder", "the right file"])
def test_the_authorities_that_are_named_are_the_ones_that_are_trusted(
    authorities: str, emulator: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    monkeypatch.delenv("CURL_CA_BUNDLE", raising=False)
    match authorities:
        case "the usual ones":
            monkeypatch.delenv("REQUESTS_CA_BUNDLE", raising=False)
        case "an empty folder":
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(tmp_path))
        case _:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(emulator.ca_file))
            assert read(bucket) is None
            return
    with pytest.raises(SinkUnavailableError, match="CA bundle"):
        read(bucket)


def test_a_certificate_for_another_host_is_not_trusted(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    authority = trustme.CA()
    issued = authority.issue_cert("elsewhere.example")
    files = Certificates(
        ca=tmp_path / "ca.pem",
        chain=tmp_path / "chain.pem",
        key=tmp_path / "key.pem",
        chain_and_key=tmp_path / "both.pem",
    )
    authority.cert_pem.write_to_path(str(files.ca))
    issued.private_key_pem.write_to_path(str(files.key))
    issued.cert_chain_pems[0].write_to_path(str(files.chain))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(files.ca))
    with serve(tmp_path, files) as server:
        monkeypatch.setenv("STORAGE_EMULATOR_HOST", server.issuer)
        with pytest.raises(SinkUnavailableError, match="CA bundle"):
            read("bucket")
    assert server.log == []


def test_a_proxy_is_heeded_unless_the_host_is_exempt(
    emulator: Any, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(emulator.ca_file))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    monkeypatch.setenv("no_proxy", "elsewhere.example")
    monkeypatch.setenv("NO_PROXY", "elsewhere.example")
    with pytest.raises(SinkUnavailableError, match="through the proxy: cannot connect: connection refused"):
        read(bucket)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    assert read(bucket) is None


def test_a_proxy_that_speaks_tls_is_verified_too(
    emulator: Any, bucket: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", emulator.url)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(emulator.ca_file))
    authority = trustme.CA()
    issued = authority.issue_cert("127.0.0.1")
    names = ("ca", "chain", "key", "chain_and_key")
    files = Certificates(**{name: tmp_path / name for name in names})
    issued.private_key_pem.write_to_path(str(files.key))
    issued.cert_chain_pems[0].write_to_path(str(files.chain))
    with serve(tmp_path, files) as server:
        for name in ("https_proxy", "HTTPS_PROXY"):
            monkeypatch.setenv(name, server.issuer.replace("localhost", "127.0.0.1"))
        for name in ("no_proxy", "NO_PROXY"):
            monkeypatch.setenv(name, "elsewhere.example")
        with pytest.raises(SinkUnavailableError):
            read(bucket)
    assert server.log == []


def test_a_password_in_netrc_never_takes_the_place_of_the_access_token(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "netrc").write_text("machine storage.googleapis.com login me password secret")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    request = requests.Request("GET", "https://storage.googleapis.com/bucket/keys")
    with requests.Session() as session:
        assert "Authorization" in session.prepare_request(request).headers, "the library would do it"
        prepare(session, "http://storage.googleapis.com")
        assert "Authorization" not in session.prepare_request(request).headers
