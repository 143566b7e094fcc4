"""The options by which `token`, `svid-files` and `credential-config` say which identity of which agent.

This module imports nothing of weight, so that `--help` is quick.
"""

import re

from publisher.errors import SettingsError
from publisher.gcp.identity_choice import Choice
from publisher.settings.gcp import GcpReader
from publisher.settings.option import Kind, Option, Scope
from publisher.settings.values import BadValueError

# SPIFFE-ID section 2: a lower-case trust domain, then a path of nonempty segments without dots alone.
_SPIFFE_ID = re.compile(r"spiffe://[a-z0-9._-]{1,255}(/(?!\.{1,2}(?:/|$))[A-Za-z0-9._-]+)*", re.ASCII)
_LONGEST_ID = 2048
_HINT = re.compile(r"[ -~]{1,1024}", re.ASCII)


def workload_api_option(command: str) -> Option:
    """Give the option that says where the agent is."""
    return Option(
        "workload-api",
        Kind.TEXT,
        Scope.RUN,
        (command,),
        "The agent's Workload API: unix:///path or tcp://IP:port.",
        absent="SPIFFE_ENDPOINT_SOCKET, else the agent's usual socket",
        metavar="ENDPOINT",
    )


def identity_options(command: str) -> tuple[Option, ...]:
    """Give the options that choose one of several identities."""
    return (
        Option(
            "spiffe-id",
            Kind.TEXT,
            Scope.RUN,
            (command,),
            "The identity to use, of a process that has several.",
            absent="the only one; several are refused",
            metavar="SPIFFE_ID",
        ),
        Option(
            "hint",
            Kind.TEXT,
            Scope.RUN,
            (command,),
            "The hint of the registration entry whose identity to use, instead of --spiffe-id.",
            absent="none",
            metavar="HINT",
        ),
    )


def read_choice(reader: GcpReader) -> Choice:
    """Read which identity is wanted.

    Raises:
        UsageError: a bad value on the command line.
        SettingsError: one in the environment.

    """
    return Choice(spiffe_id=reader.parsed("spiffe-id", _spiffe_id), hint=reader.parsed("hint", _hint))


def read_workload_api(reader: GcpReader) -> str:
    """Read where the agent is.

    Raises:
        UsageError: a bad value on the command line.
        SettingsError: one in the environment.

    """
    from publisher.settings.addresses import SourceAddress  # noqa: PLC0415 (--help stays quick)

    def place(text: str) -> str:
        return SourceAddress.parse(f"workload-api:{text}", reader.environment).place

    given = reader.parsed("workload-api", place)
    if given is not None:
        return given
    try:
        return place("")
    except BadValueError as error:
        raise SettingsError("SPIFFE_ENDPOINT_SOCKET", error.what, error.remedy) from error


def _spiffe_id(text: str) -> str:
    if len(text) > _LONGEST_ID or not _SPIFFE_ID.fullmatch(text):
        raise BadValueError("is no SPIFFE ID", "write spiffe://TRUST_DOMAIN/PATH")
    return text


def _hint(text: str) -> str:
    if not _HINT.fullmatch(text):
        raise BadValueError("is no hint", "write 1 to 1024 printable ASCII characters")
    return text
