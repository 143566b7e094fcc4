"""Write the credential configuration of a workload: the external-account file of Google's libraries.

It holds no secret, only where the SVID is to be had and where it is exchanged. Members and their meanings are
those of google-auth's `external_account` modules, whose Node sibling reads the same file.
"""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Any, Final

from publisher.errors import SettingsError
from publisher.gcp.endpoints import Endpoints
from publisher.gcp.executable_token import JWT
from publisher.gcp.provider_name import Provider
from publisher.gcp.svid_names import CERTIFICATE_CONFIG, JWT_SVID, TRUST_CHAIN
from publisher.quoting import quote

UNIVERSE: Final = "googleapis.com"
MTLS: Final = "urn:ietf:params:oauth:token-type:mtls"
ACCOUNT_TYPE: Final = "external_account"

_PLAIN = re.compile(r"[A-Za-z0-9_@%+=:,./-]+", re.ASCII)
_QUOTABLE = re.compile(r"[^\"\\\x00-\x1f\x7f]*")


class Way(StrEnum):
    """Say how Google's libraries get the SVID."""

    EXECUTABLE = "executable"  # they run `gcp token`
    FILE = "file"  # they read the JWT-SVID that `gcp svid-files` keeps
    X509 = "x509"  # they use the X.509-SVID that `gcp svid-files` keeps, over mutual TLS


@dataclass(frozen=True, slots=True, kw_only=True)
class Impersonation:
    """Say whose access token the workload gets in place of its own, and for how many seconds (None: 3600)."""

    service_account: str
    lifetime: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Executable:
    """Say what the libraries run: its words, the seconds it may take, and the file for its answers."""

    words: tuple[str, ...]
    timeout: int
    output_file: PurePosixPath | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """Say where the workload sees the folder of `gcp svid-files`, and which of its ways it takes."""

    folder: PurePosixPath
    way: Way


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialConfig:
    """Hold what the file says."""

    provider: Provider
    source: Executable | Files
    endpoints: Endpoints
    universe: str = UNIVERSE
    impersonation: Impersonation | None = None
    quota_project: str | None = None

    @property
    def way(self) -> Way:
        """Give how the SVID is got."""
        return Way.EXECUTABLE if isinstance(self.source, Executable) else self.source.way

    def members(self) -> dict[str, Any]:
        """Give the file's JSON members.

        Raises:
            SettingsError: a word of the command that the libraries would split in different ways.

        """
        members: dict[str, Any] = {
            "type": ACCOUNT_TYPE,
            "universe_domain": self.universe,
            "audience": self.provider.audience,
            "subject_token_type": MTLS if self.way is Way.X509 else JWT,
            "token_url": f"{self._sts}/v1/token",
            "credential_source": self._source(),
        }
        if self.impersonation is not None:
            account, lifetime = self.impersonation.service_account, self.impersonation.lifetime
            origin = self._origin(self.endpoints.iamcredentials, "iamcredentials")
            members["service_account_impersonation_url"] = (
                f"{origin}/v1/projects/-/serviceAccounts/{account}:generateAccessToken"
            )
            if lifetime is not None:
                members["service_account_impersonation"] = {"token_lifetime_seconds": lifetime}
        if self.quota_project is not None:
            members["quota_project_id"] = self.quota_project
        return members

    def text(self) -> bytes:
        """Give the file: indented JSON, a line feed at its end; equal settings give equal bytes.

        Raises:
            SettingsError: as `members`.

        """
        return json.dumps(self.members(), indent=2).encode() + b"\n"

    @property
    def _sts(self) -> str:
        if self.way is Way.X509:
            return self._origin(self.endpoints.sts_mtls, "sts.mtls")
        return self._origin(self.endpoints.sts, "sts")

    def _origin(self, origin: str, name: str) -> str:
        return f"https://{name}.{self.universe}" if origin == f"https://{name}.{UNIVERSE}" else origin

    def _source(self) -> dict[str, Any]:
        if isinstance(self.source, Executable):
            executable: dict[str, Any] = {
                "command": command_line(self.source.words),
                "timeout_millis": self.source.timeout * 1000,
            }
            if self.source.output_file is not None:
                executable["output_file"] = str(self.source.output_file)
            return {"executable": executable}
        folder = self.source.folder
        if self.source.way is Way.FILE:
            return {"file": str(folder / JWT_SVID), "format": {"type": "text"}}
        certificate = {
            "certificate_config_location": str(folder / CERTIFICATE_CONFIG),
            "trust_chain_path": str(folder / TRUST_CHAIN),
        }
        return {"certificate": certificate}


def command_line(words: Sequence[str]) -> str:
    """Join words so that all libraries split them alike; no shell is involved.

    google-auth splits as a POSIX shell would, its Node sibling at white space outside double quotes and
    without any escapes, others at every space. So plain words stay as they are, and others get double quotes.

    Raises:
        SettingsError: a word with a double quote, a backslash or a control character.

    """
    return " ".join(_quoted(word) for word in words)


def _quoted(word: str) -> str:
    if _PLAIN.fullmatch(word):
        return word
    if not _QUOTABLE.fullmatch(word):
        raise SettingsError(
            f"command: {quote(word)}",
            "has a double quote, a backslash or a control character: Google's libraries differ there",
            "choose another path or value without them",
        )
    return f'"{word}"'
