"""What `gcp doctor` is to look at."""

from dataclasses import dataclass
from pathlib import Path

from publisher.gcp.credential_config import Way
from publisher.gcp.endpoints import Endpoints
from publisher.gcp.identity_choice import Choice
from publisher.gcp.provider_name import Provider


@dataclass(frozen=True, slots=True, kw_only=True)
class SvidFile:
    """Name the file of a JWT-SVID; `member` is the JSON member that holds it, None: the file is the token."""

    path: Path
    member: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class X509Files:
    """Name the `certificate_config.json` of an X.509-SVID, and the file of its intermediates."""

    certificate_config: Path
    trust_chain: Path | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """Name what Google's libraries run, and how their environment is.

    `is_ours` tells whether it is `gcp token`; `output_file` is where answers are kept. `is_allowed` tells
    whether the libraries may run programs, and `path` is the PATH; None: this process's own.
    """

    name: str
    is_ours: bool
    output_file: Path | None = None
    is_allowed: bool = False
    path: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StorageObject:
    """Name an object of Cloud Storage."""

    bucket: str
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Hold the settings of one walk.

    `way` says how the workload gets its SVID; `files` None: from the agent. `issuer` is what the provider is
    said to have, where it cannot be read; `audience` what the JWT-SVID is asked for. `call` is what is asked
    of an API in the end: an object's metadata, `project`, or None: nothing. `lifetime` is that of the service
    account's token, in seconds; None: the libraries' own. `program` is what the libraries run, by a
    configuration of the executable way; None: there is none.
    """

    provider: Provider
    way: Way
    service_account: str | None
    issuer: str | None
    audience: str
    choice: Choice
    workload_api: str
    files: SvidFile | X509Files | None
    endpoints: Endpoints
    call: StorageObject | str | None
    read_provider: bool
    ca_file: Path | None
    timeout: float
    lifetime: int | None = None
    program: Program | None = None
