"""The options of `gcp svid-files`.

This module imports nothing of weight, so that `--help` is quick.
"""

import os
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Self

from publisher.gcp.identity_choice import Choice
from publisher.gcp.provider_name import Provider
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.audience import audience
from publisher.settings.gcp_options.identity import (
    identity_options,
    read_choice,
    read_workload_api,
    workload_api_option,
)
from publisher.settings.option import Kind, Option, Scope

NAME = "svid-files"
JWT, X509 = "jwt", "x509"

OPTIONS = (
    Option(
        "folder",
        Kind.PATH,
        Scope.RUN,
        (NAME,),
        "Where the files are kept; made if its parent is there. Nobody else may write in it.",
        metavar="FOLDER",
        required_by=(NAME,),
    ),
    Option(
        "svids",
        Kind.LIST,
        Scope.RUN,
        (NAME,),
        "Which SVIDs to keep: jwt,x509 or one of them.",
        default="jwt,x509",
        metavar="LIST",
        choices=(JWT, X509),
    ),
    Option(
        "audience",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "What the JWT-SVID is for.",
        absent="the default audience of --provider",
        metavar="AUDIENCE",
    ),
    Option(
        "provider",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "The provider that the JWT-SVID is for, in place of --audience.",
        absent="none",
        metavar="NAME",
    ),
    Option("watch", Kind.FLAG, Scope.RUN, (NAME,), "Keep them fresh until told to stop.", default="false"),
    *identity_options(NAME),
    Option(
        "group",
        Kind.TEXT,
        Scope.RUN,
        (NAME,),
        "A group, by name or number, that may read the files: the workload's, where it is another user.",
        absent="none: only this process's user",
        metavar="GROUP",
    ),
    Option(
        "seen-at",
        Kind.PATH,
        Scope.RUN,
        (NAME,),
        "The absolute path of --folder as the workload sees it, e.g. in its container.",
        absent="the same path",
        metavar="FOLDER",
    ),
    workload_api_option(NAME),
    Option(
        "timeout",
        Kind.DURATION,
        Scope.RUN,
        (NAME,),
        "How long a one-shot run may take; with --watch, one request.",
        default="30s",
        metavar="TIME",
        bounds=("1s", "1h"),
    ),
    Option(
        "verbose",
        Kind.FLAG,
        Scope.RUN,
        (NAME,),
        "Log every step to standard error; stronger than --quiet.",
        default="false",
        short="-v",
    ),
    Option("quiet", Kind.FLAG, Scope.RUN, (NAME,), "Log errors only.", default="false", short="-q"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SvidFilesSettings:
    """Hold what to keep where. `audience` is None where no JWT-SVID is wanted; `timeout` is in seconds."""

    folder: str
    audience: str | None
    x509: bool
    watch: bool
    choice: Choice
    group: str | None
    seen_at: str | None
    workload_api: str
    timeout: int

    @classmethod
    def read(cls, reader: GcpReader) -> Self:
        """Read the settings.

        Raises:
            UsageError: a bad value on the command line, or a required option given nowhere.
            SettingsError: a bad value in the environment.

        """
        wanted = reader.value("svids")
        return cls(
            folder=os.path.abspath(reader.value("folder")),  # noqa: PTH100 (`resolve` would follow a link)
            audience=_audience(reader) if JWT in wanted else None,
            x509=X509 in wanted,
            watch=reader.value("watch"),
            choice=read_choice(reader),
            group=reader.value("group"),
            seen_at=_seen_at(reader),
            workload_api=read_workload_api(reader),
            timeout=reader.value("timeout"),
        )


def _audience(reader: GcpReader) -> str:
    given = reader.parsed("audience", audience)
    provider = reader.parsed("provider", Provider.parse)
    if given is not None:
        return given
    if provider is None:
        raise reader.refused(
            "audience", "is required for a JWT-SVID", "give it or --provider, or leave jwt out of --svids"
        )
    return provider.audience


def _seen_at(reader: GcpReader) -> str | None:
    path = reader.value("seen-at")
    if path is None:
        return None
    if not PurePosixPath(path).is_absolute():
        raise reader.refused("seen-at", "is not an absolute path", "write it from / on")
    return str(path)
