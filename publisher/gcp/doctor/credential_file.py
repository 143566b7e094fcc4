"""Read a credential configuration: the chain that a workload's libraries go along."""

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from publisher import strict_json
from publisher.errors import PublisherError, SettingsError
from publisher.gcp.credential_config import ACCOUNT_TYPE, Way
from publisher.gcp.doctor.regular_file import read_regular
from publisher.gcp.doctor.target import Program, SvidFile, X509Files
from publisher.gcp.endpoints import OVERRIDES
from publisher.gcp.provider_name import Provider
from publisher.quoting import quote

_IMPERSONATION = re.compile(
    r"/v1/projects/-/serviceAccounts/([A-Za-z0-9@._-]{1,320}):generateAccessToken", re.ASCII
)
_DEFAULT_CONFIG = Path("~/.config/gcloud/certificate_config.json")
_LARGEST = 256 * 1024
_OURS = ("audience", "spiffe-id", "hint", "workload-api")
_REMEDY = "write one by spire-oidc-publisher gcp credential-config"


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialFile:
    """Hold what a configuration says. `words` are the options of its `gcp token`, by long name.

    `endpoints` are the environment variables that its URLs stand for. `program` is that of the executable
    way, without what the environment says of it; None: of another way. `lifetime` is that of the service
    account's token, in seconds; None: the libraries' own.
    """

    provider: Provider
    way: Way
    service_account: str | None
    files: SvidFile | X509Files | None
    words: Mapping[str, str]
    endpoints: Mapping[str, str]
    program: Program | None = None
    lifetime: int | None = None

    @classmethod
    def read(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            SettingsError: it cannot be read, or is no configuration of a workload with SVIDs.

        """
        where = f"credential configuration {quote(str(path))}"
        try:
            members = strict_json.loads(read_regular(path, _LARGEST), where=where)
        except OSError as error:
            raise SettingsError(where, f"cannot be read ({quote(error.strerror)})", _REMEDY) from error
        except strict_json.MalformedError as error:
            raise SettingsError(where, error.what, _REMEDY) from error
        if not is_external(members):
            raise SettingsError(where, f"is not of type {ACCOUNT_TYPE}", _REMEDY)
        try:
            return cls._parse(members)
        except PublisherError as error:
            raise SettingsError(where, f"{error.where} {error.what}", error.remedy) from error
        except (LookupError, TypeError, AttributeError, ValueError) as error:
            raise SettingsError(
                where, "lacks members that it must have, or is of a way of others", _REMEDY
            ) from error

    @classmethod
    def _parse(cls, members: Mapping[str, Any]) -> Self:
        source = members["credential_source"]
        way, words = Way.EXECUTABLE, {}
        program: Program | None = None
        files: SvidFile | X509Files | None = None
        if "executable" in source:
            command = shlex.split(source["executable"]["command"])
            is_ours = ("gcp", "token") in pairwise(command)
            words = _options(command) if is_ours else {}
            kept = source["executable"].get("output_file")
            program = Program(name=command[0], is_ours=is_ours, output_file=Path(kept) if kept else None)
        elif "file" in source:
            form = source.get("format", {})
            member = form["subject_token_field_name"] if form.get("type") == "json" else None
            way, files = Way.FILE, SvidFile(path=Path(source["file"]), member=member)
        else:
            certificate = source["certificate"]
            chain = certificate.get("trust_chain_path")
            config = Path(certificate.get("certificate_config_location") or _DEFAULT_CONFIG).expanduser()
            way = Way.X509
            files = X509Files(certificate_config=config, trust_chain=Path(chain) if chain else None)
        endpoints = {
            f"{OVERRIDES}{'STS_MTLS' if way is Way.X509 else 'STS'}": _origin(
                members["token_url"], "/v1/token"
            )
        }
        account = None
        if impersonation := members.get("service_account_impersonation_url"):
            match = _IMPERSONATION.fullmatch(urlsplit(impersonation).path)
            if match is None:
                raise ValueError("the impersonation URL is another")
            account = match[1]
            endpoints[f"{OVERRIDES}IAMCREDENTIALS"] = _origin(impersonation, match[0])
        return cls(
            provider=Provider.parse(members["audience"]),
            way=way,
            service_account=account,
            files=files,
            words=words,
            endpoints=endpoints,
            program=program,
            lifetime=_lifetime(members.get("service_account_impersonation") or {}),
        )


def is_external(members: object) -> bool:
    """Tell whether these are the members of an external account's configuration."""
    return isinstance(members, Mapping) and members.get("type") == ACCOUNT_TYPE


def _lifetime(members: Mapping[str, Any]) -> int | None:
    seconds = members.get("token_lifetime_seconds")
    return None if seconds is None else int(seconds)


def _origin(url: str, path: str) -> str:
    parts = urlsplit(url)
    if parts.path != path or parts.query or parts.fragment:
        raise ValueError("the URL is another")
    return f"{parts.scheme}://{parts.netloc}"


def _options(command: Sequence[str]) -> dict[str, str]:
    """Find the options of `gcp token` that say which SVID: `--name value` or `--name=value`."""
    found: dict[str, str] = {}
    for word, following in zip(command, [*command[1:], ""], strict=True):
        name, equals, value = word.removeprefix("--").partition("=")
        if word.startswith("--") and name in _OURS:
            found[name] = value if equals else following
    return found
