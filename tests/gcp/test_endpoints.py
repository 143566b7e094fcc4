"""Where Google's APIs are looked for."""

import pytest

from publisher.errors import SettingsError
from publisher.gcp.endpoints import OVERRIDES, Endpoints


def test_they_are_googles_own() -> None:
    endpoints = Endpoints.read({"CLOUDSDK_API_ENDPOINT_OVERRIDES_STS": "", "HOME": "x"})
    assert endpoints == Endpoints()
    assert endpoints.sts_mtls == "https://sts.mtls.googleapis.com"


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("https://sts.example/", "https://sts.example"),
        ("https://sts.example:8443", "https://sts.example:8443"),
        ("http://127.0.0.1:80/", "http://127.0.0.1:80"),
        ("http://[::1]:80", "http://[::1]:80"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_gclouds_variables_name_others(text: str, origin: str) -> None:
    endpoints = Endpoints.read({f"{OVERRIDES}STS": text, f"{OVERRIDES}IAMCREDENTIALS": text})
    assert (endpoints.sts, endpoints.iamcredentials) == (origin, origin)
    assert endpoints.iam == "https://iam.googleapis.com"


@pytest.mark.parametrize(
    "text",
    [
        "sts.example",
        "ftp://sts.example",
        "https://",
        "http://sts.example",
        "http://127.0.0.1.attacker.example",
        "http://10.0.0.1",
        "https://sts.example/v1",
        "https://sts.example?x",
        "https://sts.example#x",
        "https://sts.example:x",
        "https://sts. example",
        "https://sts.example\n",
        "https://\u00e9.example",
        "https://[::1",
    ],
)
def test_others_are_refused(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM "):
        Endpoints.read({f"{OVERRIDES}IAM": text})


def test_a_password_is_not_shown() -> None:
    with pytest.raises(SettingsError) as refused:
        Endpoints.read({f"{OVERRIDES}IAM": "https://user:geheim@sts.example"})
    assert "geheim" not in str(refused.value)
