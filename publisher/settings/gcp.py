"""Read the settings of the `gcp` commands: command line before environment before default, no file."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import TYPE_CHECKING, Any, TypeVar

from publisher.errors import PublisherError, UsageError
from publisher.settings.option import Option, Scope
from publisher.settings.values import BadValueError, parse

if TYPE_CHECKING:
    from publisher.settings.layers import Given

GCP_COMMANDS = ("setup", "credential-config", "token", "svid-files", "metadata-server", "doctor")
"""The commands of the group `gcp`, in the order of `--help`."""

_T = TypeVar("_T")


def gcp_options_of(command: str) -> tuple[Option, ...]:
    """Give the options of one command of the group: `OPTIONS` of its own file in `gcp_options/`."""
    module = import_module(f"publisher.settings.gcp_options.{command.replace('-', '_')}")
    options: tuple[Option, ...] = module.OPTIONS
    return options


@dataclass(frozen=True, slots=True, kw_only=True)
class GcpReader:
    """Read what was given to one run of one command.

    `command_line` has the raw value of each option that was typed, by its long name; `environment` is that of
    the process, in which an empty variable counts as absent.
    """

    command: str
    command_line: Mapping[str, object]
    environment: Mapping[str, str]

    def given(self, name: str) -> "Given | None":
        """Find the strongest value of an option; None: there is none, nor a default."""
        # Here: the options of a command import this module, and --help needs no TOML.
        from publisher.settings.layers import Given, Layer  # noqa: PLC0415

        option = self._option(name)
        if name in self.command_line:
            typed = self.command_line[name]
            return Given(layer=Layer.COMMAND_LINE, value=typed, find_place=lambda: option.flag)
        if option.scope is not Scope.OVERRIDE and self.environment.get(option.variable):
            text = self.environment[option.variable]
            return Given(layer=Layer.ENVIRONMENT, value=text, find_place=lambda: option.variable)
        if option.default is not None:
            default = option.default
            return Given(layer=Layer.DEFAULT, value=default, find_place=lambda: f"default of {option.flag}")
        return None

    def has(self, name: str) -> bool:
        """Tell whether this command has such an option."""
        return any(option.name == name for option in gcp_options_of(self.command))

    def value(self, name: str) -> Any:
        """Read the value of an option, of the type its kind parses to; None: absent, without default.

        Raises:
            UsageError: a bad value on the command line, or a required option given nowhere.
            SettingsError: a bad value in the environment.

        """
        option = self._option(name)
        given = self.given(name)
        if given is None:
            if self.command in option.required_by:
                raise UsageError(option.flag, "is required", f"give it, or set {option.variable}")
            return None
        try:
            return parse(option, given.value)
        except BadValueError as error:
            raise given.refused(error.what, error.remedy) from error

    def parsed(self, name: str, read: Callable[[str], _T]) -> _T | None:
        """Read a text through `read`, whose `BadValueError` or `PublisherError` becomes one of this option.

        Raises:
            UsageError: a bad value on the command line, or a required option given nowhere.
            SettingsError: a bad value in the environment.

        """
        text = self.value(name)
        if text is None:
            return None
        try:
            return read(text)
        except BadValueError as error:
            raise self.refused(name, error.what, error.remedy) from error
        except PublisherError as error:
            raise self.refused(name, f"{error.where} {error.what}", error.remedy) from error

    def words(self, name: str) -> tuple[str, ...]:
        """Read `a,b,c`: without white space around the words, empty ones left out; () where absent.

        Raises:
            UsageError: as `value`.
            SettingsError: likewise.

        """
        text = self.value(name) or ""
        return tuple(word for part in text.split(",") if (word := part.strip()))

    def number(self, name: str, *, smallest: int, largest: int) -> int | None:
        """Read a whole number of decimal digits within bounds; None: absent, without default.

        Raises:
            UsageError: a bad value on the command line.
            SettingsError: one in the environment.

        """

        def read(text: str) -> int:
            digits = text.isascii() and text.isdigit() and len(text) <= 18  # noqa: PLR2004
            if not digits or not smallest <= int(text) <= largest:
                raise BadValueError(
                    f"is not a whole number from {smallest} to {largest}", "write it in decimal digits"
                )
            return int(text)

        return self.parsed(name, read)

    def refused(self, name: str, what: str, remedy: str) -> PublisherError:
        """Make the error for an option that is wrong, or missing, beside others."""
        given = self.given(name)
        if given is None:
            return UsageError(self._option(name).flag, what, remedy)
        return given.refused(what, remedy)

    def _option(self, name: str) -> Option:
        return next(option for option in gcp_options_of(self.command) if option.name == name)
