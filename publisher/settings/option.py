"""What one option is: its spelling, its kind, where it may be given and what it is about.

This module imports nothing of weight, so that `--help` is quick.
"""

from enum import StrEnum
from typing import NamedTuple

PREFIX = "SPIRE_OIDC_PUBLISHER_"
"""What the environment variable of every option begins with."""

PUBLISH, WATCH, RENDER, CHECK, EXPLAIN = "publish", "watch", "render", "check", "explain"
SPIRE_PLUGIN = "spire-plugin"
"""The command that SPIRE starts: its settings come from SPIRE alone, not from the command line."""

COMMANDS = (PUBLISH, WATCH, RENDER, CHECK, EXPLAIN)
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
