import pytest

from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError


@pytest.mark.parametrize("text", ["example.org", "spiffe://example.org"])
def test_a_trust_domain_is_read_with_and_without_scheme(text: str) -> None:
    assert str(TrustDomain.parse(text)) == "example.org"


@pytest.mark.parametrize("name", ["a", "prod_1.example-org", "10.0.0.1", "a" * 255])
def test_every_character_of_the_standard_is_taken(name: str) -> None:
    assert TrustDomain.parse(name).name == name


REFUSED = {
    "empty": "",
    "scheme alone": "spiffe://",
    "upper case": "Example.org",
    "scheme in upper case": "SPIFFE://example.org",
    "path": "spiffe://example.org/app",
    "final slash": "example.org/",
    "port": "example.org:8443",
    "userinfo": "me@example.org",
    "query": "example.org?x",
    "scheme twice": "spiffe://spiffe://example.org",
    "another scheme": "https://example.org",
    "percent": "ex%61mple.org",
    "space": " example.org",
    "final line break": "example.org\n",
    "beyond ASCII": "exämple.org",
    "digits beyond ASCII": "\u0661.org",
    "256 characters": "a" * 256,
    "10 kB": "\x1b" * 10_000,
}


@pytest.mark.parametrize("text", REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused(text: str) -> None:
    with pytest.raises(BundleError, match="must be 1 to 255 of the characters a-z") as refused:
        TrustDomain.parse(text)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400
