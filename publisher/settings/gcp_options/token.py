"""The options of `gcp token`.

This module imports nothing of weight, so that `--help` is quick.
"""

from dataclasses import dataclass
from typing import Self

from publisher.errors import UsageError
from publisher.gcp.identity_choice import Choice
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.audience import audience
from publisher.settings.gcp_options.identity import (
    identity_options,
    read_choice,
    read_workload_api,
    workload_api_option,
)
from publisher.settings.option import Kind, Option, Scope

NAME = "token"

OPTIONS = (
    Option(
        "audience",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "What the JWT-SVID is for, where the provider's allowed audiences are not its default one.",
        absent="GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE",
        metavar="AUDIENCE",
    ),
    *identity_options(NAME),
    workload_api_option(NAME),
    Option(
        "timeout",
        Kind.DURATION,
        Scope.RUN,
        (NAME,),
        "How long the answer may take; below timeout_millis of the credential configuration.",
        default="20s",
        metavar="TIME",
        bounds=("1s", "119s"),
    ),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenSettings:
    """Hold what one token is asked for with; `timeout` is in seconds."""

    audience: str
    choice: Choice
    workload_api: str
    timeout: int

    @classmethod
    def read(cls, reader: GcpReader, *, asked: str | None) -> Self:
        """Read the settings; `asked` is the audience that the library names.

        Raises:
            UsageError: a bad value on the command line, or no audience at all.
            SettingsError: a bad value in the environment.

        """
        wanted = reader.parsed("audience", audience) or asked
        if not wanted:
            raise UsageError(
                "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE",
                "is not set, and --audience is not given",
                "let Google's libraries call this program, or give --audience to try it by hand",
            )
        return cls(
            audience=wanted,
            choice=read_choice(reader),
            workload_api=read_workload_api(reader),
            timeout=reader.value("timeout"),
        )
