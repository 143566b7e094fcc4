"""Names of providers, and what IAM calls those who come through them."""

import pytest

from publisher.errors import PublisherError
from publisher.gcp.provider_name import Provider, ProviderNameError

NAME = "projects/123456789/locations/global/workloadIdentityPools/spire-pool/providers/spire"
POOL = "projects/123456789/locations/global/workloadIdentityPools/spire-pool"


@pytest.mark.parametrize("before", ["", "//iam.googleapis.com/", "https://iam.googleapis.com/"])
def test_a_name_is_read_with_and_without_its_host(before: str) -> None:
    provider = Provider.parse(before + NAME)
    assert (provider.project_number, provider.pool_id, provider.provider_id) == (
        "123456789",
        "spire-pool",
        "spire",
    )
    assert (provider.name, str(provider), provider.pool) == (NAME, NAME, POOL)
    assert provider.audience == f"//iam.googleapis.com/{NAME}"
    assert Provider.parse(provider.audience) == provider


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is no provider's name"),
        (POOL, "is no provider's name"),
        (NAME + "/", "is no provider's name"),
        (NAME + "/operations/x", "is no provider's name"),
        ("http://iam.googleapis.com/" + NAME, "is no provider's name"),
        ("//attacker.example/" + NAME, "is no provider's name"),
        (NAME.replace("global", "europe-west1"), "is no provider's name"),
        (NAME.replace("123456789", "my-project"), "is not the number of a project"),
        (NAME.replace("123456789", "0123"), "is not the number of a project"),
        (NAME.replace("123456789", "\u0661"), "is not the number of a project"),
        (NAME.replace("spire-pool", "abc"), "is no id that Google takes"),
        (NAME.replace("spire-pool", "x" * 33), "is no id that Google takes"),
        (NAME.replace("spire-pool", "Spire"), "is no id that Google takes"),
        (NAME.replace("spire-pool", ".."), "is no id that Google takes"),
        (NAME.replace("spire-pool", "gcp-pool"), "is no id that Google takes"),
        (NAME.replace("providers/spire", "providers/gcp-spire"), "is no id that Google takes"),
        (NAME.replace("providers/spire", "providers/a?b=c"), "is no id that Google takes"),
        (NAME + "\n", "is no id that Google takes"),
    ],
)
def test_anything_else_is_refused(text: str, said: str) -> None:
    with pytest.raises(PublisherError, match=said):
        Provider.parse(text)


def test_members() -> None:
    provider = Provider.parse(NAME)
    subject = "spiffe://example.org/web"
    assert provider.principal(subject) == f"principal://iam.googleapis.com/{POOL}/subject/{subject}"
    assert provider.principal_set("namespace", "prod") == (
        f"principalSet://iam.googleapis.com/{POOL}/attribute.namespace/prod"
    )
    assert provider.everybody == f"principalSet://iam.googleapis.com/{POOL}/*"
    assert provider.principal("x" * 127).endswith("/" + "x" * 127)
    assert provider.principal_set("trust_domain", "x" * 255).endswith("/" + "x" * 255)


@pytest.mark.parametrize("value", ["", "x" * 128, "a\nb", "\x7f", "\u00e9" * 64, "\ud800" * 128])
def test_a_subject_of_no_token_has_no_member(value: str) -> None:
    with pytest.raises(ProviderNameError, match="1 to 127 printable bytes"):
        Provider.parse(NAME).principal(value)


@pytest.mark.parametrize(
    ("attribute", "value"), [("", "x"), ("Name", "x"), ("a/b", "x"), ("name", ""), ("a", "x" * 256)]
)
def test_an_attribute_of_no_token_has_no_member(attribute: str, value: str) -> None:
    with pytest.raises(ProviderNameError):
        Provider.parse(NAME).principal_set(attribute, value)
