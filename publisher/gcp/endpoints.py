"""Say where Google's APIs are, and let gcloud's own environment variables say otherwise."""

import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Self
from urllib.parse import urlsplit

from publisher.errors import SettingsError
from publisher.quoting import quote

OVERRIDES = "CLOUDSDK_API_ENDPOINT_OVERRIDES_"
"""What gcloud's variables begin with; `STS_MTLS`, which gcloud has not, is in their manner."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoints:
    """Hold the origin of each API, `https://host[:port]` without a final slash."""

    sts: str = "https://sts.googleapis.com"
    sts_mtls: str = "https://sts.mtls.googleapis.com"
    iam: str = "https://iam.googleapis.com"
    iamcredentials: str = "https://iamcredentials.googleapis.com"
    cloudresourcemanager: str = "https://cloudresourcemanager.googleapis.com"
    storage: str = "https://storage.googleapis.com"

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> Self:
        """Take `CLOUDSDK_API_ENDPOINT_OVERRIDES_STS`, `_STS_MTLS`, `_IAM` and so on; empty is absent.

        Raises:
            SettingsError: a URL that is not https (http is taken for the loopback alone), or has a user, a
                path, a query or a fragment.

        """
        found = {}
        for field in fields(cls):
            variable = OVERRIDES + field.name.upper()
            if environment.get(variable):
                found[field.name] = _origin(variable, environment[variable])
        return cls(**found)


def _origin(variable: str, text: str) -> str:
    def refused(what: str) -> SettingsError:
        shown = quote(text) if "@" not in text else "(not shown: it may hold a password)"
        return SettingsError(
            f"{variable} {shown}", what, "write https://host or https://host:port, or unset it"
        )

    if not text.isascii() or not text.isprintable() or " " in text:
        raise refused("is no URL")
    try:
        parts = urlsplit(text)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise refused("is no URL") from error
    if parts.scheme not in {"https", "http"} or not host:
        raise refused("must be https and name a host")
    if "@" in parts.netloc or parts.path not in {"", "/"} or "?" in text or "#" in text:
        raise refused("must have neither user nor path, query or fragment")
    if parts.scheme == "http" and not _is_loopback(host):
        raise refused("must be https: tokens go there")
    return f"{parts.scheme}://{parts.netloc}"


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
