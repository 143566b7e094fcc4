"""Read the settings of `gcp metadata-server`."""

import ipaddress
import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from publisher.gcp.endpoints import Endpoints
from publisher.gcp.identity_choice import Choice
from publisher.gcp.metadata_server.identities_file import checked_account
from publisher.gcp.metadata_server.machine import Machine
from publisher.gcp.provider_name import Provider
from publisher.quoting import quote
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.audience import audience
from publisher.settings.gcp_options.identity import read_choice, read_workload_api
from publisher.settings.values import BadValueError

ADMIN_SOCKET: Final = "unix:///tmp/spire-agent/private/admin.sock"
"""Where SPIRE's documentation has the admin socket."""

_METADATA_ADDRESS = "169.254.169.254"
_PROJECT = re.compile(r"[a-z0-9.:-]{1,100}", re.ASCII)
_NUMBER = re.compile(r"[1-9][0-9]{0,18}", re.ASCII)
_WORD = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)
_NAME = re.compile(r"[A-Za-z0-9.-]{1,253}", re.ASCII)
_DOMAIN = re.compile(r"[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})+", re.ASCII)
_SCOPE = re.compile(r"[!#-+\--\[\]-~]{1,512}", re.ASCII)
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_LAST_PORT = 65535
_ONE_ONLY = ("service-account", "spiffe-id", "hint", "workload-api")
_LISTEN = f"write 127.0.0.1:PORT, [::1]:PORT or {_METADATA_ADDRESS}:80: nobody else may ask for tokens"


@dataclass(frozen=True, slots=True, kw_only=True)
class OneIdentity:
    """Answer everybody as this process; `service_account` None is the federated identity itself."""

    workload_api: str
    choice: Choice
    service_account: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManyIdentities:
    """Answer each process as itself."""

    admin_socket: str
    identities: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class MetadataServerSettings:
    """Hold what the server is made of; `timeout` is in seconds."""

    provider: Provider
    endpoints: Endpoints
    machine: Machine
    identity: OneIdentity | ManyIdentities
    audience: str
    listen: tuple[str, int]
    timeout: int

    @classmethod
    def read(cls, reader: GcpReader) -> Self:
        """Read the settings.

        Raises:
            UsageError: a bad value on the command line, or a required option given nowhere.
            SettingsError: a bad value in the environment.

        """
        provider = reader.parsed("provider", Provider.parse)
        listen = reader.parsed("listen", _listen)
        assert provider is not None and listen is not None  # noqa: PT018 (required; has a default)
        return cls(
            provider=provider,
            endpoints=Endpoints.read(reader.environment),
            machine=_machine(reader, provider),
            identity=_identity(reader),
            audience=reader.parsed("audience", audience) or provider.audience,
            listen=listen,
            timeout=reader.value("timeout"),
        )


def _identity(reader: GcpReader) -> OneIdentity | ManyIdentities:
    file = reader.value("identities")
    if file is not None:
        for name in _ONE_ONLY:
            if name in reader.command_line:
                raise reader.refused(name, "means nothing with --identities", "leave one of them out")
        return ManyIdentities(identities=file, admin_socket=reader.value("admin-socket") or ADMIN_SOCKET)
    if "admin-socket" in reader.command_line:
        raise reader.refused("admin-socket", "means nothing without --identities", "give that, too")
    return OneIdentity(
        workload_api=read_workload_api(reader),
        choice=read_choice(reader),
        service_account=reader.parsed("service-account", _account),
    )


def _machine(reader: GcpReader, provider: Provider) -> Machine:
    scopes = reader.words("scopes")
    if not scopes or not all(_SCOPE.fullmatch(scope) for scope in scopes):
        raise reader.refused("scopes", "is no list of scopes", "write them with commas between")
    return Machine(
        project_id=reader.parsed("project-id", _matching(_PROJECT, "id of a project")),
        project_number=reader.parsed("project-number", _matching(_NUMBER, "number of a project"))
        or provider.project_number,
        scopes=tuple(sorted(set(scopes))),
        universe_domain=reader.parsed("universe-domain", _matching(_DOMAIN, "domain")) or "googleapis.com",
        instance_id=reader.parsed("instance-id", _matching(_NUMBER, "number")),
        name=reader.parsed("instance-name", _matching(_NAME, "name of a machine")),
        zone=reader.parsed("instance-zone", _matching(_WORD, "zone")),
    )


def _account(text: str) -> str:
    try:
        return checked_account(text)
    except ValueError as error:
        raise BadValueError(str(error), "write name@project.iam.gserviceaccount.com") from error


def _listen(text: str) -> tuple[str, int]:
    host, colon, port = text.rpartition(":")
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(inner)
    except ValueError as error:
        raise BadValueError(f"{quote(text)} is not an IP address and a port", _LISTEN) from error
    if not colon or not _PORT.fullmatch(port) or not 0 < int(port) <= _LAST_PORT:
        raise BadValueError(f"{quote(text)} has no port from 1 to {_LAST_PORT}", _LISTEN)
    if (":" in inner) is (inner == host) or not (address.is_loopback or str(address) == _METADATA_ADDRESS):
        raise BadValueError(f"{quote(text)} can be reached by other machines", _LISTEN)
    return inner, int(port)


def _matching(pattern: re.Pattern[str], kind: str) -> Callable[[str], str]:
    def read(text: str) -> str:
        if not pattern.fullmatch(text):
            raise BadValueError(f"{quote(text)} is no {kind}", "correct it")
        return text

    return read
