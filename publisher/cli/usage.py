"""What click refuses, as an error of ours: it has read nothing but the command line by then."""

from collections.abc import Mapping, Sequence

import click

from publisher.cli.completion import PROGRAM, completion
from publisher.errors import UsageError
from publisher.logs import printable
from publisher.settings.options import COMMANDS, named

_LONGEST = 400


def translate(error: click.ClickException) -> UsageError:
    """Say it with place, rule and remedy."""
    context = getattr(error, "ctx", None)
    path = context.command_path if context else PROGRAM
    # Lists of choices come on lines of their own, sentences with a full stop.
    what = " ".join(error.format_message().split()).removesuffix(".")
    return UsageError("command line", printable(what, _LONGEST), f"see: {path} --help")


def wants_json(error: click.ClickException, arguments: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Tell whether JSON was asked for, as far as that can be told of a command line that is refused.

    The last `--output` counts, before the environment; `completion` has no such option.
    """
    context = getattr(error, "ctx", None)
    if context is not None and context.info_name == completion.name:
        return False
    option = named("output")
    wanted = environment.get(option.variable)
    for word, following in zip(arguments, (*arguments[1:], ""), strict=True):
        if word == option.flag:
            wanted = following
        elif word.startswith(f"{option.flag}="):
            wanted = word.removeprefix(f"{option.flag}=")
    return wanted == "json"


def command_in(arguments: Sequence[str]) -> str | None:
    """Find the command that is meant; None: none of ours is named."""
    return next((word for word in arguments if word in COMMANDS), None)
