"""Make click's options of the option table."""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import click

from publisher.settings.options import Kind, Option, Scope, options_of

_F = TypeVar("_F", bound=Callable[..., Any])


def settings_of(command: str) -> Callable[[_F], _F]:
    """Decorate a command with its options; the function gets their raw values, None where not typed."""
    return flags_of(options_of(command))


def flags_of(options: Sequence[Option]) -> Callable[[_F], _F]:
    """Decorate a command with these options, as `settings_of` does."""

    def decorate(function: _F) -> _F:
        for option in reversed(options):
            function = _click_option(option)(function)
        return function

    return decorate


def typed(values: dict[str, object]) -> dict[str, object]:
    """Name what was typed by long option, without what was not."""
    return {name.replace("_", "-"): value for name, value in values.items() if value is not None}


def help_of(option: Option) -> str:
    """Say what an option means, its default, and where it cannot be given."""
    text = option.meaning
    if option.required_by:
        text += "  [required]"
    elif option.kind is Kind.PAIR:
        text += f"  [default: {'on' if option.default == 'true' else 'off'}]"
    elif option.kind is not Kind.FLAG:
        text += f"  [default: {option.default or option.absent}]"
    if option.scope is Scope.OVERRIDE:
        text += "  [command line only]"
    return text


def _click_option(option: Option) -> Callable[[_F], _F]:
    # No defaults here: click would not tell a default from a typed value, and precedence is ours.
    names = [option.flag, *([option.short] if option.short else [])]
    match option.kind:
        case Kind.FLAG:
            return click.option(*names, is_flag=True, default=None, help=help_of(option))
        case Kind.PAIR:
            pair = f"--{option.name}/--no-{option.name}"
            return click.option(pair, default=None, help=help_of(option))
        case Kind.CHOICE:
            return click.option(*names, type=click.Choice(option.choices), help=help_of(option))
        case Kind.PATH:
            return click.option(*names, type=click.Path(), metavar=option.metavar, help=help_of(option))
        case Kind.TEXT | Kind.DURATION | Kind.LIST:
            return click.option(*names, type=str, metavar=option.metavar, help=help_of(option))
