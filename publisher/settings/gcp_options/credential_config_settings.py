"""Read the settings of `gcp credential-config`."""

import hashlib
import os
import re
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Self

from publisher.gcp.credential_config import CredentialConfig, Executable, Files, Impersonation, Way
from publisher.gcp.endpoints import Endpoints
from publisher.gcp.provider_name import Provider
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.audience import audience
from publisher.settings.gcp_options.identity import read_choice, read_workload_api
from publisher.settings.values import BadValueError

PROGRAM = "spire-oidc-publisher"

_EMAIL = re.compile(r"[A-Za-z0-9._+-]{1,100}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", re.ASCII)
_PROJECT = re.compile(r"[a-z0-9.:-]{1,100}", re.ASCII)
_FOLDER_ONLY = ("folder",)
_EXECUTABLE_ONLY = ("program", "output-file", "executable-timeout", "spiffe-id", "hint", "workload-api")


@dataclass(frozen=True, slots=True, kw_only=True)
class CredentialConfigSettings:
    """Hold the configuration, where it goes (None: standard output), and the audience of the JWT-SVID.

    `project_id` is that of the workload, which has no place in the file; None: not given.
    """

    config: CredentialConfig
    write_to: Path | None
    audience: str
    project_id: str | None

    @classmethod
    def read(cls, reader: GcpReader) -> Self:
        """Read the settings.

        Raises:
            UsageError: a bad value on the command line, or a required option given nowhere.
            SettingsError: a bad value in the environment.

        """
        way = Way(reader.value("way"))
        for name in _EXECUTABLE_ONLY if way is not Way.EXECUTABLE else _FOLDER_ONLY:
            if name in reader.command_line:
                raise reader.refused(
                    name, f"means nothing with --way {way}", "leave it out, or choose another way"
                )
        provider = reader.parsed("provider", Provider.parse)
        assert provider is not None  # required: absent raises
        wanted = reader.parsed("audience", audience)
        if wanted is not None and way is Way.X509:
            raise reader.refused("audience", "means nothing with --way x509", "leave it out")
        config = CredentialConfig(
            provider=provider,
            source=_executable(reader, provider, wanted) if way is Way.EXECUTABLE else _files(reader, way),
            endpoints=Endpoints.read(reader.environment),
            universe=reader.parsed("universe-domain", _matching(_DOMAIN, "domain")) or "",
            impersonation=_impersonation(reader),
            quota_project=reader.parsed("quota-project", _matching(_PROJECT, "project")),
        )
        return cls(
            config=config,
            write_to=reader.value("write-to"),
            audience=wanted or provider.audience,
            project_id=reader.parsed("project-id", _matching(_PROJECT, "id of a project")),
        )


def call_seconds(timeout: int) -> int:
    """Give the seconds that `gcp token` takes at most, so that it answers before the libraries kill it.

    The rest is for the interpreter's start on a busy machine: a sixth, at least 2 s.
    """
    return timeout - max(2, timeout // 6)


def _impersonation(reader: GcpReader) -> Impersonation | None:
    account = reader.parsed("service-account", _matching(_EMAIL, "service account's e-mail address"))
    lifetime = reader.value("token-lifetime")
    if account is None:
        if lifetime is not None:
            raise reader.refused(
                "token-lifetime",
                "is that of a service account's tokens",
                "give --service-account, or leave it out",
            )
        return None
    return Impersonation(service_account=account, lifetime=lifetime)


def _files(reader: GcpReader, way: Way) -> Files:
    folder = reader.value("folder")
    if folder is None:
        raise reader.refused("folder", f"is required with --way {way}", "give that of gcp svid-files")
    return Files(folder=_absolute(reader, "folder"), way=way)


def _executable(reader: GcpReader, provider: Provider, wanted: str | None) -> Executable:
    timeout = reader.value("executable-timeout")
    words = [str(_program(reader)), "gcp", "token", "--timeout", f"{call_seconds(timeout)}s"]
    choice = read_choice(reader)
    socket = read_workload_api(reader) if reader.given("workload-api") is not None else None
    for name, value in (
        ("audience", wanted),
        ("spiffe-id", choice.spiffe_id),
        ("hint", choice.hint),
        ("workload-api", socket),
    ):
        if value is not None:
            words += [f"--{name}", value]
    account = reader.value("service-account") or ""
    output_file = _output_file(reader, (provider.audience, account, *words[5:]))
    return Executable(words=tuple(words), timeout=timeout, output_file=output_file)


def _output_file(reader: GcpReader, told_apart: tuple[str, ...]) -> PurePosixPath | None:
    """Give the file for the answers; in a folder, one by a name that no other configuration has.

    The libraries look at the path alone: with one file for two, each would take the other's SVID to Google.
    """
    given = reader.given("output-file")
    if given is None:
        return None
    path = _absolute(reader, "output-file")
    if not str(given.value).endswith("/"):
        return path
    digest = hashlib.sha256("\0".join(told_apart).encode()).hexdigest()
    return path / f"gcp-token-{digest[:16]}.json"


def _absolute(reader: GcpReader, name: str) -> PurePosixPath:
    path = PurePosixPath(reader.value(name))
    if not path.is_absolute():
        # The workload's working directory is another one, and nobody knows which.
        raise reader.refused(name, "is not an absolute path", "write it from / on")
    return path


def _program(reader: GcpReader) -> PurePosixPath:
    if reader.given("program") is not None:
        return _absolute(reader, "program")
    own = Path(os.path.abspath(sys.argv[0]))  # noqa: PTH100 (links stay: an upgrade moves what they point to)
    if own.name != PROGRAM or not os.access(own, os.X_OK):
        found = shutil.which(PROGRAM)
        if found is None:
            raise reader.refused(
                "program", "is required: this program is not on the PATH", "give its absolute path"
            )
        own = Path(found).absolute()
    return PurePosixPath(own)


def _matching(pattern: re.Pattern[str], kind: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise BadValueError(f"is no {kind}", "correct it")
        return text

    return read
