"""The function's settings: the publisher's names, refused by variable, never a value of the token."""

from datetime import timedelta
from pathlib import Path

import pytest
import trustme

from publisher.errors import SettingsError
from publisher.serving.policy import StalePolicy
from publisher.settings.addresses import BucketAddress, DirectoryAddress, SourceAddress
from publisher.settings.options import OPTIONS as PUBLISHERS
from spire_oidc_function.settings import OPTIONS, Settings

PREFIX = "SPIRE_OIDC_PUBLISHER_"
BUCKET = {"SINK": "gs://my-bucket/prefix", "ISSUER": "https://issuer.example/a"}
ENDPOINT = {
    "SOURCE": "bundle-endpoint:https://spire.example:8443/",
    "ISSUER": "https://issuer.example",
    "TRUST_DOMAIN": "example.org",
}


def read(values: dict[str, str], **more: str) -> Settings:
    return Settings.read({PREFIX + name: value for name, value in (values | more).items()} | {"PATH": "/bin"})


def test_a_bucket_and_an_issuer_are_enough() -> None:
    settings = read(BUCKET)
    assert settings.place == BucketAddress(bucket="my-bucket", prefix="prefix")
    assert settings.documents.jwks_path == "keys"
    assert settings.documents.jwks_max_age == timedelta(seconds=60)
    assert settings.documents.configuration_max_age == timedelta(seconds=300)
    assert settings.refresh_interval == settings.settle_time == timedelta(seconds=30)
    assert settings.policy.when_stale is StalePolicy.SERVE
    assert settings.policy.refuse_after == timedelta(hours=24)
    assert settings.policy.due_after is settings.policy.stale_after is None, "left to the manifest"
    assert settings.terms.trust_domain is settings.status_token is None


def test_everything_can_be_set() -> None:
    settings = read(
        BUCKET,
        TRUST_DOMAIN="spiffe://example.org",
        JWKS_PATH="openid/v1/jwks",
        JWKS_MAX_AGE="2m",
        CONFIGURATION_MAX_AGE="10m",
        DUE_AFTER="5m",
        STALE_AFTER="10m",
        REFRESH_INTERVAL="10s",
        STALE_POLICY="refuse",
        REFUSE_AFTER="2h",
        STATUS_TOKEN="correct-horse",
        SETTLE_TIME="5s",
    )
    assert settings.terms.trust_domain == "example.org"
    assert settings.policy.due_after == timedelta(minutes=5)
    assert settings.policy.stale_after == timedelta(minutes=10)
    assert settings.policy.when_stale is StalePolicy.REFUSE
    assert settings.documents.jwks_path == "openid/v1/jwks"
    assert "correct-horse" not in repr(settings)


def test_a_bundle_endpoint_needs_no_bucket() -> None:
    settings = read(ENDPOINT)
    assert isinstance(settings.place, SourceAddress)
    assert settings.documents.authorization_endpoint == "https://issuer.example/authorize"
    assert read(ENDPOINT, AUTHORIZATION_ENDPOINT="none").documents.authorization_endpoint is None
    other = read(ENDPOINT, AUTHORIZATION_ENDPOINT="https://other.example/a", SIGNING_ALGORITHMS="RS256")
    assert other.documents.authorization_endpoint == "https://other.example/a"
    assert other.documents.algorithms == ("RS256",)


def test_a_directory_and_empty_variables(tmp_path: Path) -> None:
    settings = read(
        {"SINK": str(tmp_path), "ISSUER": "https://issuer.example", "SOURCE": "", "DUE_AFTER": ""}
    )
    assert settings.place == DirectoryAddress(path=str(tmp_path))


def test_a_file_of_certificates_is_looked_into_at_once(tmp_path: Path) -> None:
    good, bad = tmp_path / "ca.pem", tmp_path / "bad.pem"
    trustme.CA().cert_pem.write_to_path(str(good))
    bad.write_text("no certificate")
    assert read(ENDPOINT, CA_FILE=str(good)).ca_file == good
    with pytest.raises(SettingsError) as caught:
        read(ENDPOINT, CA_FILE=str(bad))
    assert caught.value.where == PREFIX + "CA_FILE"


def test_the_store_is_looked_at_twice_in_a_stale_period() -> None:
    assert read(BUCKET, REFRESH_INTERVAL="5m", STALE_AFTER="10m", DUE_AFTER="1m").refresh_interval
    with pytest.raises(SettingsError) as caught:
        read(BUCKET, REFRESH_INTERVAL="31m")
    assert caught.value.where == PREFIX + "REFRESH_INTERVAL"


@pytest.mark.parametrize(
    ("values", "variable"),
    [
        ({}, "ISSUER"),
        ({"ISSUER": "https://issuer.example"}, "SINK"),
        (BUCKET | {"ISSUER": "http://issuer.example"}, "ISSUER"),
        (BUCKET | {"SINK": "s3://bucket"}, "SINK"),
        (BUCKET | {"SINK": "gs://a..b"}, "SINK"),
        (BUCKET | {"SINK": "/no/such/directory"}, "SINK"),
        (ENDPOINT | {"CA_FILE": "/no/such/file"}, "CA_FILE"),
        (BUCKET | {"SOURCE": ENDPOINT["SOURCE"]}, "SOURCE"),
        (ENDPOINT | {"TRUST_DOMAIN": ""}, "TRUST_DOMAIN"),
        (ENDPOINT | {"TRUST_DOMAIN": "Not A Domain"}, "TRUST_DOMAIN"),
        (ENDPOINT | {"SOURCE": "bundle-endpoint:http://spire.example"}, "SOURCE"),
        (ENDPOINT | {"SOURCE": "workload-api:"}, "SOURCE"),
        (ENDPOINT | {"AUTHORIZATION_ENDPOINT": "http://x"}, "AUTHORIZATION_ENDPOINT"),
        (BUCKET | {"JWKS_PATH": "../keys"}, "JWKS_PATH"),
        (BUCKET | {"JWKS_PATH": "status", "ISSUER": "https://issuer.example"}, "JWKS_PATH"),
        (BUCKET | {"JWKS_MAX_AGE": "1s"}, "JWKS_MAX_AGE"),
        (BUCKET | {"REFRESH_INTERVAL": "soon"}, "REFRESH_INTERVAL"),
        (BUCKET | {"REFUSE_AFTER": "-1h"}, "REFUSE_AFTER"),
        (BUCKET | {"STALE_POLICY": "panic"}, "STALE_POLICY"),
        (BUCKET | {"DUE_AFTER": "2h"}, "STALE_AFTER"),
        (BUCKET | {"STATUS_TOKEN": "se cret"}, "STATUS_TOKEN"),
        (BUCKET | {"STATUS_TOKEN": "short"}, "STATUS_TOKEN"),
    ],
)
def test_what_is_missing_or_bad_is_named_by_its_variable(values: dict[str, str], variable: str) -> None:
    with pytest.raises(SettingsError) as caught:
        read(values)
    assert caught.value.where == PREFIX + variable
    assert caught.value.remedy
    assert str(caught.value).isprintable()
    assert values.get("STATUS_TOKEN", "no token") not in str(caught.value)


def test_a_path_of_the_status_below_an_issuers_own_path_is_free() -> None:
    assert read(BUCKET, JWKS_PATH="status").documents.jwks_path == "status"


def test_what_the_publisher_has_too_is_the_publishers_own_option() -> None:
    for option in PUBLISHERS:
        assert OPTIONS.get(option.name, option) is option
