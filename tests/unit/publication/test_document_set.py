import hashlib
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.errors import BundleError
from publisher.oidc.issuer import Issuer
from publisher.publication import document_set
from publisher.publication.document_set import Document, Headers, PublicationSettings, StoredObject
from tests import keys

SETTINGS = PublicationSettings(issuer=Issuer.parse("https://example.org/a"), authorization_endpoint=None)


def test_the_two_documents_belong_together() -> None:
    documents = document_set.build(keys.bundle("a"), SETTINGS)
    configuration = json.loads(documents.configuration.body)
    assert configuration["jwks_uri"] == f"{configuration['issuer']}/{documents.jwks.path}"
    assert documents.configuration.path == ".well-known/openid-configuration"
    assert [key["kid"] for key in json.loads(documents.jwks.body)["keys"]] == ["a"]


def test_each_document_has_its_type_and_its_max_age() -> None:
    documents = document_set.build(keys.bundle("a"), SETTINGS)
    assert documents.jwks.headers == Headers(
        content_type="application/json", cache_control="public, max-age=60"
    )
    assert documents.configuration.headers.cache_control == "public, max-age=300"
    longer = replace(
        SETTINGS, jwks_max_age=timedelta(minutes=2), configuration_max_age=timedelta(hours=1, milliseconds=1)
    )
    documents = document_set.build(keys.bundle("a"), longer)
    assert documents.jwks.headers.cache_control == "public, max-age=120"
    assert documents.configuration.headers.cache_control == "public, max-age=3600"


def test_equal_bundle_equal_bytes() -> None:
    one = document_set.build(keys.bundle("a", "b", sequence_number=1), SETTINGS)
    assert document_set.build(keys.bundle("b", "a", refresh_hint=5), SETTINGS) == one
    other = document_set.build(keys.bundle("b", "c"), SETTINGS)
    assert other.jwks.sha256 != one.jwks.sha256
    assert other.configuration == one.configuration


def test_narrowed_algorithms_count_for_both_documents() -> None:
    narrowed = replace(SETTINGS, algorithms=("RS256",))
    documents = document_set.build(keys.bundle(keys.authority("a", "RS256")), narrowed)
    listed = json.loads(documents.configuration.body)["id_token_signing_alg_values_supported"]
    assert listed == ["RS256"]
    with pytest.raises(BundleError, match="signs with ES256"):
        document_set.build(keys.bundle("a"), narrowed)


def test_jwks_first_configuration_second_manifest_last() -> None:
    assert replace(SETTINGS, jwks_path="openid/v1/jwks").paths == (
        "openid/v1/jwks",
        ".well-known/openid-configuration",
        ".well-known/spire-oidc-publication.json",
    )


DOCUMENT = Document.of("keys", b"{}", max_age=timedelta(seconds=60))
STORED = StoredObject(path="keys", body=b"{}", generation="1", headers=DOCUMENT.headers)


def test_digests_are_those_of_the_body() -> None:
    assert DOCUMENT.sha256 == STORED.sha256 == hashlib.sha256(b"{}").hexdigest()


def test_a_stored_object_is_like_a_document_of_the_same_bytes_and_headers() -> None:
    assert STORED.is_like(DOCUMENT)
    assert replace(STORED, headers=None).is_like(DOCUMENT)
    assert not replace(STORED, body=b"{ }").is_like(DOCUMENT)


@pytest.mark.parametrize(
    "headers",
    [
        {"content_type": "application/octet-stream"},
        {"content_type": None},
        {"cache_control": "public, max-age=3600"},
        {"cache_control": None},
        {"content_encoding": "gzip"},
    ],
    ids=str,
)
def test_a_stored_object_of_other_headers_is_not_like_the_document(headers: dict[str, str | None]) -> None:
    assert not replace(STORED, headers=replace(DOCUMENT.headers, **headers)).is_like(DOCUMENT)
