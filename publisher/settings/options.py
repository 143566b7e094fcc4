"""The whole option table: command line, environment, settings file and reference are all made from it.

This module imports nothing of weight, so that `--help` is quick.
"""

from publisher.settings.option import (
    CHECK,
    COMMANDS,
    EXPLAIN,
    PREFIX,
    PUBLISH,
    RENDER,
    WATCH,
    Kind,
    Option,
    Scope,
)
from publisher.settings.publication_options import PUBLICATION_OPTIONS
from publisher.settings.run_options import RUN_OPTIONS

__all__ = [
    "CHECK",
    "COMMANDS",
    "EXPLAIN",
    "OPTIONS",
    "PREFIX",
    "PUBLISH",
    "RENDER",
    "WATCH",
    "Kind",
    "Option",
    "Scope",
    "named",
    "options_of",
]

OPTIONS = (*PUBLICATION_OPTIONS, *RUN_OPTIONS)
"""Every option, in the order of `--help`."""


def options_of(command: str) -> tuple[Option, ...]:
    """Give the options of one command."""
    return tuple(option for option in OPTIONS if command in option.commands)


def named(name: str) -> Option:
    """Give the option of that long name; one that is not in the table is a mistake in this program."""
    return next(option for option in OPTIONS if option.name == name)
