import re
from dataclasses import dataclass
from ipaddress import IPv6Address
from typing import Self
from urllib.parse import urlsplit

from publisher.errors import PublisherError
from publisher.quoting import quote

CONFIGURATION_PATH = ".well-known/openid-configuration"
"""Where a relying party looks below the issuer (OIDC Discovery 1.0 section 4)."""

MANIFEST_PATH = ".well-known/spire-oidc-publication.json"
"""Where our own third object lies, beside the configuration document."""

_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+")
_HOST = re.compile(
    r"(?:[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?\.)*[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?|\[[0-9a-f:.]+\]"
)
"""A name of labels of at most 63 characters (RFC 1035 section 2.3.4), an IPv4 or a bracketed IPv6 address."""

_LONGEST_HOST, _LONGEST_URL, _LONGEST_PATH = 253, 512, 200
_REMEDY = "set --issuer to the exact iss of your JWT-SVIDs (jwt_issuer in SPIRE's server.conf)"


class IssuerError(PublisherError):
    """Refuse an issuer or a path below it. The edge says whose fault it is, and the exit status."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Issuer:
    """Hold an issuer identifier (OIDC Discovery 1.0 section 3): compared byte for byte, never repaired."""

    url: str

    @classmethod
    def parse(cls, url: str) -> Self:
        """Check an issuer: https, a lower-case ASCII host, no userinfo, query or fragment, a plain path.

        A final slash is part of the identifier and stays. A path may have the characters
        `A-Z a-z 0-9 . _ ~ -` only: percent-encoding has several spellings and an issuer one.

        Raises:
            IssuerError: for anything else.

        """

        def refused(what: str) -> IssuerError:
            shown = quote(url) if "@" not in url else "(not shown: it may hold a password)"
            return IssuerError(f"issuer {shown}", what, _REMEDY)

        if not url.isascii() or not url.isprintable() or " " in url or len(url) > _LONGEST_URL:
            raise refused(f"must be at most {_LONGEST_URL} printable ASCII characters without spaces")
        try:
            parts = urlsplit(url)
            port = parts.port
            if parts.netloc.startswith("["):  # urlsplit itself looks only since Python 3.11.4
                IPv6Address(parts.hostname or "")
        except ValueError as error:
            raise refused("is not a URL") from error
        if not url.startswith("https://"):
            raise refused("must be https")
        if parts.username is not None or parts.password is not None:
            raise refused("must not hold a user or password")
        if "?" in url or "#" in url:
            raise refused("must have no query and no fragment")
        host = parts.netloc.removesuffix(f":{port}") if port else parts.netloc
        if not _HOST.fullmatch(host) or len(host) > _LONGEST_HOST:  # port 0 stays in it
            raise refused("must have a host of lower-case letters, digits, dots and dashes")
        path = parts.path.removesuffix("/")
        if path and not _plain(path.removeprefix("/")):
            raise refused(
                "must have a path of letters, digits and . _ ~ - only, without empty or dot segments"
            )
        return cls(url=url)

    def document_url(self, path: str) -> str:
        """Give the URL of a path below the issuer; a final slash is not doubled (section 4.1)."""
        return f"{self.url.removesuffix('/')}/{path}"

    def __str__(self) -> str:
        return self.url


def parse_jwks_path(path: str) -> str:
    """Check the JWKS document's path below the issuer, e.g. `keys` or `openid/v1/jwks`.

    Raises:
        IssuerError: an absolute path, more than 200 characters, empty or dot segments, other characters, or
            a path that is, lies below or holds one of our two other documents.

    """
    remedy = "set --jwks-path to something like keys"
    if len(path) > _LONGEST_PATH or not _plain(path):
        what = f"must be relative, of up to {_LONGEST_PATH} letters, digits and . _ ~ -, without dot segments"
        raise IssuerError(f"JWKS path {quote(path)}", what, remedy)
    # In a directory a document cannot lie below another: `.well-known` alone would take the others' folder.
    if any(_within(path, other) or _within(other, path) for other in (CONFIGURATION_PATH, MANIFEST_PATH)):
        raise IssuerError(f"JWKS path {quote(path)}", "is taken by the other documents", remedy)
    return path


def _within(path: str, folder: str) -> bool:
    return f"{path}/".startswith(f"{folder}/")


def _plain(path: str) -> bool:
    return all(_SEGMENT.fullmatch(part) and part not in {".", ".."} for part in path.split("/"))
