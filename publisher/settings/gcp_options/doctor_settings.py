"""Read the settings of `gcp doctor`: its options before what the credential configuration says."""

import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from publisher import strict_json
from publisher.errors import UsageError
from publisher.gcp.credential_config import Way
from publisher.gcp.doctor.credential_file import CredentialFile, is_external
from publisher.gcp.doctor.regular_file import read_regular
from publisher.gcp.doctor.target import Program, StorageObject, SvidFile, Target, X509Files
from publisher.gcp.endpoints import Endpoints
from publisher.gcp.identity_choice import Choice
from publisher.gcp.provider_name import Provider
from publisher.gcp.svid_names import CERTIFICATE_CONFIG, JWT_SVID, TRUST_CHAIN
from publisher.oidc.issuer import Issuer
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.audience import audience
from publisher.settings.gcp_options.identity import read_choice, read_workload_api
from publisher.settings.values import BadValueError

_EMAIL = re.compile(r"[A-Za-z0-9._+-]{1,100}@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+", re.ASCII)
_OBJECT = re.compile(r"gs://([a-z0-9][a-z0-9._-]{1,220})/([ -~]{1,1024})", re.ASCII)
_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_ALLOWED = "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES"


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorSettings:
    """Hold what to look at, and how to say it."""

    target: Target
    as_json: bool

    @classmethod
    def read(cls, reader: GcpReader) -> Self:
        """Read the settings.

        Raises:
            UsageError: a bad value on the command line, or no provider at all.
            SettingsError: a bad value in the environment, or a configuration that is none.

        """
        config = _configuration(reader)
        provider = reader.parsed("provider", Provider.parse) or (config.provider if config else None)
        if provider is None:
            raise UsageError("--provider", "is required", "give it, or --credential-config")
        given = reader.value("way")
        way = Way(given) if given else (config.way if config else Way.EXECUTABLE)
        files = _files(reader, way) if given or config is None else config.files
        words = dict(config.words) if config else {}
        own = read_choice(reader)
        account = config.service_account if config else None
        target = Target(
            provider=provider,
            way=way,
            service_account=reader.parsed("service-account", _email) or account,
            issuer=issuer.url if (issuer := reader.parsed("issuer", Issuer.parse)) else None,
            audience=reader.parsed("audience", audience) or words.get("audience") or provider.audience,
            choice=Choice(
                spiffe_id=own.spiffe_id or words.get("spiffe-id"), hint=own.hint or words.get("hint")
            ),
            workload_api=_workload_api(reader, words.get("workload-api")),
            files=files,
            endpoints=Endpoints.read({**reader.environment, **(config.endpoints if config else {})}),
            call=reader.parsed("call", _call),
            read_provider=reader.value("read-provider"),
            ca_file=_ca_file(reader),
            timeout=reader.value("timeout"),
            lifetime=config.lifetime if config else None,
            program=_program(reader, config) if config and way is Way.EXECUTABLE else None,
        )
        return cls(target=target, as_json=reader.value("output") == "json")


def _configuration(reader: GcpReader) -> CredentialFile | None:
    path: Path | None = reader.value("credential-config")
    if path is not None:
        return CredentialFile.read(path)
    usual = reader.environment.get(_VARIABLE)
    if not usual or reader.given("provider") is not None:
        return None
    try:
        content = read_regular(Path(usual), strict_json.LARGEST)
        external = is_external(strict_json.loads(content, where=_VARIABLE))
    except (OSError, strict_json.MalformedError):
        external = True  # so that it is said what is wrong with it
    return CredentialFile.read(Path(usual)) if external else None


def _program(reader: GcpReader, config: CredentialFile) -> Program | None:
    if config.program is None:
        return None
    environment = reader.environment
    return replace(
        config.program, is_allowed=environment.get(_ALLOWED) == "1", path=environment.get("PATH") or None
    )


def _files(reader: GcpReader, way: Way) -> SvidFile | X509Files | None:
    folder: Path | None = reader.value("folder")
    if way is Way.FILE:
        if folder is None:
            raise reader.refused("folder", "is required with --way file", "give that of gcp svid-files")
        return SvidFile(path=folder / JWT_SVID)
    if folder is None:
        return None
    if way is Way.EXECUTABLE:
        raise reader.refused("folder", "means nothing with --way executable", "leave it out, or choose a way")
    return X509Files(certificate_config=folder / CERTIFICATE_CONFIG, trust_chain=folder / TRUST_CHAIN)


def _workload_api(reader: GcpReader, said: str | None) -> str:
    if said and reader.given("workload-api") is None:
        return said
    return read_workload_api(reader)


def _ca_file(reader: GcpReader) -> Path | None:
    path: Path | None = reader.value("ca-file")
    if path is not None and not path.is_file():
        raise reader.refused("ca-file", "is not a file", "give a file of PEM certificates")
    return path


def _email(text: str) -> str:
    return _matching(_EMAIL, text, "service account's e-mail address").group()


def _call(text: str) -> StorageObject | str:
    if text == "project":
        return text
    match = _matching(_OBJECT, text, "gs://BUCKET/OBJECT, nor project")
    return StorageObject(bucket=match[1], name=match[2])


def _matching(pattern: re.Pattern[str], text: str, kind: str) -> re.Match[str]:
    match = pattern.fullmatch(text)
    if match is None:
        raise BadValueError(f"is no {kind}", "correct it")
    return match
