"""Whole documents of one fixed bundle.

The `.json` files are the documents as a person reads them; `published.sha256` has the SHA-256 and the
size of the very bytes that are published. Both change together with the documents, by hand: a change
here makes every publication of every user write again.
"""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest

from publisher.bundle import formats
from publisher.oidc.issuer import Issuer
from publisher.publication import document_set
from publisher.publication.document_set import PublicationSettings
from tests.keys import EXAMPLE_ORG

HERE = Path(__file__).parent
SUMS = {
    name: (digest, int(size))
    for digest, size, name in map(str.split, (HERE / "published.sha256").read_text().splitlines())
}
SETTINGS = PublicationSettings(
    issuer=Issuer.parse("https://storage.googleapis.com/example-bucket"),
    authorization_endpoint="https://storage.googleapis.com/example-bucket/authorize",
)
FINAL_SLASH = replace(
    SETTINGS,
    issuer=Issuer.parse("https://oidc.example.org/"),
    jwks_path="openid/v1/jwks",
    authorization_endpoint=None,
)


def _published() -> dict[str, bytes]:
    data = (HERE / "spiffe_bundle.json").read_bytes()
    bundle, findings = formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="spiffe_bundle.json")
    assert not findings
    documents = document_set.build(bundle, SETTINGS)
    rs256 = replace(
        bundle, jwt_authorities=tuple(one for one in bundle.jwt_authorities if one.key.alg == "RS256")
    )
    narrowed = document_set.build(rs256, replace(FINAL_SLASH, algorithms=("RS256",)))
    return {
        "configuration.json": documents.configuration.body,
        "configuration_final_slash.json": narrowed.configuration.body,
        "jwks.json": documents.jwks.body,
    }


def test_every_golden_document_has_its_digest() -> None:
    assert SUMS.keys() == _published().keys()
    assert {path.name for path in HERE.glob("*.json")} == SUMS.keys() | {"spiffe_bundle.json"}


@pytest.mark.parametrize("name", SUMS)
def test_a_document_says_what_the_golden_one_says(name: str) -> None:
    assert json.loads(_published()[name]) == json.loads((HERE / name).read_bytes())


@pytest.mark.parametrize("name", SUMS)
def test_a_document_has_the_golden_bytes(name: str) -> None:
    body = _published()[name]
    assert (hashlib.sha256(body).hexdigest(), len(body)) == SUMS[name]
