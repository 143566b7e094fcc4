"""The option table: command line, environment, settings file and reference are all made from it.

This module imports nothing of weight, so that `--help` is quick.
"""

from enum import StrEnum
from typing import NamedTuple

PREFIX = "SPIRE_OIDC_PUBLISHER_"
"""What the environment variable of every option begins with."""

PUBLISH, RENDER, CHECK = "publish", "render", "check"
COMMANDS = (PUBLISH, RENDER, CHECK)
"""The commands that take settings."""


class Kind(StrEnum):
    """Say how the value of an option is spelled."""

    TEXT = "text"
    FLAG = "flag"  # present or not
    PAIR = "pair"  # --name and --no-name
    DURATION = "duration"  # 60, 60s, 15m, 1h, 7d
    LIST = "list"  # a,b,c; in TOML an array too
    CHOICE = "choice"
    PATH = "path"


class Scope(StrEnum):
    """Say what an option is about, and with it where it may be given."""

    PUBLICATION = "publication"  # one publication: command line, environment, file, each table of it
    RUN = "run"  # the whole run: command line, environment, top level of the file
    CALL = "call"  # which file and which of its tables: command line, environment
    OVERRIDE = "override"  # one run of one publication: command line only


class Option(NamedTuple):
    """Describe one option.

    `default` is spelled as a person would type it and parsed as such; None: there is none, and
    `absent` says in words what holds then (empty: the option is required by `required_by`).
    `bounds` are the smallest and largest duration, as typed.
    """

    name: str
    kind: Kind
    scope: Scope
    commands: tuple[str, ...]
    meaning: str
    default: str | None = None
    absent: str = ""
    metavar: str = ""
    short: str = ""
    choices: tuple[str, ...] = ()
    bounds: tuple[str, str] = ("", "")
    required_by: tuple[str, ...] = ()

    @property
    def flag(self) -> str:
        """Give it as on the command line: `--jwks-path`."""
        return f"--{self.name}"

    @property
    def member(self) -> str:
        """Give it as a TOML member: `jwks_path`."""
        return self.name.replace("-", "_")

    @property
    def variable(self) -> str:
        """Give it as an environment variable: `SPIRE_OIDC_PUBLISHER_JWKS_PATH`."""
        return PREFIX + self.member.upper()


OPTIONS = (
    Option(
        "source",
        Kind.TEXT,
        Scope.PUBLICATION,
        (PUBLISH, RENDER),
        "Where the trust bundle is fetched: workload-api:[unix:///path or tcp://IP:port] (nothing behind the"
        " colon: SPIFFE_ENDPOINT_SOCKET, else the agent's usual socket), server-api:[unix:///path],"
        " bundle-endpoint:https://..., file:PATH, file:- for standard input.",
        default="workload-api:",
        metavar="URI",
    ),
    Option(
        "sink",
        Kind.TEXT,
        Scope.PUBLICATION,
        (PUBLISH,),
        "Where the documents are written: gs://bucket[/prefix], directory:PATH or a plain path.",
        metavar="URI",
        required_by=(PUBLISH,),
    ),
    Option(
        "issuer",
        Kind.TEXT,
        Scope.PUBLICATION,
        (PUBLISH, RENDER, CHECK),
        "The exact https URL in the iss of the JWT-SVIDs (jwt_issuer in SPIRE's server.conf).",
        metavar="URL",
        required_by=(PUBLISH, RENDER, CHECK),
    ),
    Option(
        "trust-domain",
        Kind.TEXT,
        Scope.PUBLICATION,
        (PUBLISH, RENDER),
        "The trust domain to publish; required when the source cannot tell it or offers several.",
        absent="the only one offered",
        metavar="NAME",
    ),
    Option(
        "jwks-path",
        Kind.TEXT,
        Scope.PUBLICATION,
        (PUBLISH, RENDER),
        "Where the JWKS document lies below the issuer.",
        default="keys",
        metavar="PATH",
    ),
    Option(
        "jwks-max-age",
        Kind.DURATION,
        Scope.PUBLICATION,
        (PUBLISH,),
        "How long caches may keep the JWKS document; this delays every rotation and every revocation.",
        default="60s",
        metavar="TIME",
        bounds=("10s", "7d"),
    ),
    Option(
        "configuration-max-age",
        Kind.DURATION,
        Scope.PUBLICATION,
        (PUBLISH,),
        "How long caches may keep the configuration document.",
        default="300s",
        metavar="TIME",
        bounds=("10s", "7d"),
    ),
    Option(
        "due-after",
        Kind.DURATION,
        Scope.PUBLICATION,
        (PUBLISH,),
        "When, after its last confirmation, the publication is due to be confirmed again.",
        default="15m",
        metavar="TIME",
        bounds=("1s", "365d"),
    ),
    Option(
        "stale-after",
        Kind.DURATION,
        Scope.PUBLICATION,
        (PUBLISH,),
        "When, after its last confirmation, the publication is stale; later than --due-after.",
        default="1h",
        metavar="TIME",
        bounds=("2s", "365d"),
    ),
    Option(
        "bucket-url",
        Kind.TEXT,
        Scope.PUBLICATION,
        (PUBLISH,),
        "The https URL at which the sink, bucket and prefix, is read through a domain of its own.",
        absent="Google's two forms",
        metavar="URL",
    ),
    Option(
        "authorization-endpoint",
        Kind.TEXT,
        Scope.PUBLICATION,
        (PUBLISH, RENDER),
        "The authorization_endpoint to announce, an https URL, or none. The standard requires one although"
        " nothing answers there.",
        absent="the issuer + /authorize",
        metavar="URL|none",
    ),
    Option(
        "signing-algorithms",
        Kind.LIST,
        Scope.PUBLICATION,
        (PUBLISH, RENDER),
        "The algorithms to announce. A key of another one is refused, never dropped.",
        default="RS256,ES256,ES384",
        metavar="A,B",
        choices=("RS256", "ES256", "ES384"),
    ),
    Option(
        "state-file",
        Kind.PATH,
        Scope.PUBLICATION,
        (PUBLISH,),
        "Where this publisher remembers what it wrote last, beside the manifest at the sink.",
        absent="nothing is remembered",
        metavar="PATH",
    ),
    Option(
        "verify-url",
        Kind.PAIR,
        Scope.PUBLICATION,
        (PUBLISH,),
        "Read the public URL afterwards, as a relying party does.",
        default="true",
    ),
    Option(
        "ca-file",
        Kind.PATH,
        Scope.PUBLICATION,
        (PUBLISH, RENDER, CHECK),
        "A PEM file of the certificate authorities to trust for https, for a private CA.",
        absent="the system's",
        metavar="PATH",
    ),
    Option(
        "timeout",
        Kind.DURATION,
        Scope.RUN,
        (PUBLISH, RENDER, CHECK),
        "How long the whole run may take, all publications together.",
        default="30s",
        metavar="TIME",
        bounds=("1s", "1h"),
    ),
    Option(
        "dry-run",
        Kind.FLAG,
        Scope.RUN,
        (PUBLISH,),
        "Write nothing; report, and exit, as the run would.",
        default="false",
    ),
    Option(
        "accept-disjoint-keys",
        Kind.FLAG,
        Scope.OVERRIDE,
        (PUBLISH,),
        "For this run, replace published keys by a bundle that shares none with them.",
        default="false",
    ),
    Option(
        "accept-lower-sequence",
        Kind.FLAG,
        Scope.OVERRIDE,
        (PUBLISH,),
        "For this run, replace a publication by a bundle of a lower sequence number.",
        default="false",
    ),
    Option(
        "document",
        Kind.CHOICE,
        Scope.RUN,
        (RENDER,),
        "Print the exact bytes of this one document and nothing else.",
        absent="both, for a person to read",
        choices=("configuration", "jwks"),
    ),
    Option(
        "require-manifest",
        Kind.FLAG,
        Scope.RUN,
        (CHECK,),
        "Report an absent manifest as an error, not as a remark.",
        default="false",
    ),
    Option(
        "fail-on",
        Kind.CHOICE,
        Scope.RUN,
        (CHECK,),
        "Exit with 1 from findings of this severity up.",
        default="warning",
        choices=("info", "warning", "error"),
    ),
    Option(
        "config",
        Kind.PATH,
        Scope.CALL,
        (PUBLISH, RENDER, CHECK),
        "A TOML file of settings; its [[publication]] tables make several publications.",
        absent="no file is read",
        metavar="PATH",
    ),
    Option(
        "publication",
        Kind.TEXT,
        Scope.CALL,
        (PUBLISH, RENDER, CHECK),
        "Take only this one of the file's publications.",
        absent="all of them",
        metavar="NAME",
    ),
    Option(
        "output",
        Kind.CHOICE,
        Scope.RUN,
        (PUBLISH, RENDER, CHECK),
        "Print for a person, or stable JSON.",
        default="text",
        choices=("text", "json"),
    ),
    Option(
        "verbose",
        Kind.FLAG,
        Scope.RUN,
        (PUBLISH, RENDER, CHECK),
        "Log every step to standard error; stronger than --quiet.",
        default="false",
        short="-v",
    ),
    Option(
        "quiet",
        Kind.FLAG,
        Scope.RUN,
        (PUBLISH, RENDER, CHECK),
        "Log errors only. publish then prints no report either; a dry run and JSON are printed all the same.",
        default="false",
        short="-q",
    ),
)
"""Every option, in the order of `--help`."""


def options_of(command: str) -> tuple[Option, ...]:
    """Give the options of one command."""
    return tuple(option for option in OPTIONS if command in option.commands)


def named(name: str) -> Option:
    """Give the option of that long name; one that is not in the table is a mistake in this program."""
    return next(option for option in OPTIONS if option.name == name)
