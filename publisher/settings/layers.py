"""Command line before environment before file before default: which value holds, and whose fault it is."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from publisher.errors import PublisherError, SettingsError, UsageError
from publisher.settings.options import Option, Scope, named, options_of
from publisher.settings.settings_file import SettingsFile, Table
from publisher.settings.values import BadValueError, parse


class Layer(Enum):
    """Rank the places a value may come from, the strongest first."""

    COMMAND_LINE = 1
    ENVIRONMENT = 2
    FILE = 3
    DEFAULT = 4


_UNSET = len(Layer) + 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """Hold one value as it was given: its layer, the raw value, and how to find its place for a person."""

    layer: Layer
    value: Any
    find_place: Callable[[], str]

    @property
    def place(self) -> str:
        """Name the place. In a file it takes a search for the line, so only errors ask."""
        return self.find_place()

    def refused(self, what: str, remedy: str) -> PublisherError:
        """Make the error for this value: a usage error only if it was typed for this run."""
        kind = UsageError if self.layer is Layer.COMMAND_LINE else SettingsError
        return kind(self.place, what, remedy)


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """Hold everything that was given to one run of one command.

    `command_line` has the raw value of each option that was typed, by its long name; `environment` is
    that of the process.
    """

    command: str
    command_line: Mapping[str, object]
    environment: Mapping[str, str]
    file: SettingsFile | None = None

    def given(self, option: Option, table: Table | None = None) -> Given | None:
        """Find the strongest value of an option for one publication; None: there is none, nor a default.

        An empty environment variable counts as absent: that is how a unit file takes one back.
        """
        if option.name in self.command_line:
            typed = self.command_line[option.name]
            return Given(layer=Layer.COMMAND_LINE, value=typed, find_place=lambda: option.flag)
        if option.scope is not Scope.OVERRIDE and self.environment.get(option.variable):
            text = self.environment[option.variable]
            return Given(layer=Layer.ENVIRONMENT, value=text, find_place=lambda: option.variable)
        if self.file is not None:
            for level in (table, self.file.top):
                if level is not None and option.member in level.members:
                    return self._given_in(self.file, level, option.member)
        if option.default is not None:
            default = option.default
            return Given(layer=Layer.DEFAULT, value=default, find_place=lambda: f"default of {option.flag}")
        return None

    def _given_in(self, file: SettingsFile, table: Table, member: str) -> Given:
        return Given(
            layer=Layer.FILE,
            value=table.members[member],
            find_place=lambda: f"{file.place(table.line_of(member))}: {member}",
        )

    def typed(self, scope: Scope) -> Given | None:
        """Find an option of that scope that was given on the command line or in the environment."""
        for option in options_of(self.command):
            if option.scope is scope:
                given = self.given(option)
                if given is not None and given.layer in (Layer.COMMAND_LINE, Layer.ENVIRONMENT):
                    return given
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reader:
    """Read the values that hold for one publication (`table`), or for the run (None)."""

    layers: Layers
    table: Table | None = None

    def given(self, name: str) -> Given | None:
        """Find the value of an option, and where it came from."""
        return self.layers.given(named(name), self.table)

    def value(self, name: str) -> Any:
        """Read the value of an option, of the type its kind parses to; None: absent, without default.

        Raises:
            UsageError: a bad value on the command line, or a required option given nowhere.
            SettingsError: a bad value in the environment or the file, or a table that lacks one.

        """
        option = named(name)
        given = self.layers.given(option, self.table)
        if given is None:
            if self.layers.command in option.required_by:
                raise self.lacks([option])
            return None
        try:
            return parse(option, given.value)
        except BadValueError as error:
            raise given.refused(error.what, error.remedy) from error

    def refused(self, name: str, what: str, remedy: str) -> PublisherError:
        """Make the error for an option whose value only shows to be wrong beside others."""
        given = self.given(name)
        assert given is not None
        return given.refused(what, remedy)

    def closest(self, *names: str) -> str:
        """Choose the option that was set closest to this run: of several at odds, the one to correct."""
        return min(names, key=lambda name: given.layer.value if (given := self.given(name)) else _UNSET)

    def missing(self) -> list[Option]:
        """Find the required options that are given nowhere."""
        command = self.layers.command
        required = (option for option in options_of(command) if command in option.required_by)
        return sorted(
            (option for option in required if self.layers.given(option, self.table) is None),
            key=lambda option: option.name,
        )

    def lacks(self, options: Sequence[Option]) -> PublisherError:
        """Make the error for required options that are given nowhere, all at once."""
        several = len(options) > 1
        it = "them" if several else "it"
        members = " and ".join(option.member for option in options)
        if self.table is None or self.layers.file is None:
            return UsageError(
                " and ".join(option.flag for option in options),
                "are required" if several else "is required",
                f"give {it}, or set {' and '.join(option.variable for option in options)},"
                f" or {members} in --config",
            )
        return SettingsError(
            f"{self.layers.file.place(self.table.line_of(None))}: publication {self.table.name}",
            f"has no {members.replace(' and ', ' and no ')}",
            f"add {it} to the table, or above all tables",
        )
