"""The TOML file: defaults at the top, one `[[publication]]` table for each publication."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from publisher.errors import SettingsError
from publisher.quoting import quote
from publisher.settings.options import OPTIONS, Kind, Option, Scope

LARGEST = 1024 * 1024
"""The most bytes of a settings file."""

TABLES = "publication"
"""The array of tables that makes several publications."""

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_MEMBERS = {option.member: option for option in OPTIONS if option.scope in (Scope.PUBLICATION, Scope.RUN)}
_PLACES = {
    Scope.RUN: "belongs to the top of the file: it is about the whole run",
    Scope.CALL: "is given on the command line or in the environment only",
    Scope.OVERRIDE: "is given on the command line only, for one run",
}
_TYPES: dict[Kind, tuple[tuple[type, ...], str]] = {
    Kind.TEXT: ((str,), "a string"),
    Kind.PATH: ((str,), "a string"),
    Kind.CHOICE: ((str,), "a string"),
    Kind.FLAG: ((bool,), "true or false"),
    Kind.PAIR: ((bool,), "true or false"),
    Kind.DURATION: ((int, str), "whole seconds or a string like 15m"),
    Kind.LIST: ((list, str), "an array of strings"),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Hold one table of the file: its name (None: the top level) and its members.

    `line_of` gives the line, from 1, of a member, or of the table itself (None). Only an error asks.
    """

    name: str | None
    members: Mapping[str, Any]
    line_of: Callable[[str | None], int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingsFile:
    """Hold a settings file whose members are all known and of the right types."""

    path: Path
    top: Table
    tables: tuple[Table, ...]

    @classmethod
    def parse(cls, path: Path, data: bytes) -> Self:
        """Read a settings file (TOML 1.0).

        Raises:
            SettingsError: not TOML, an unknown member, a wrong type, a publication without a name of its
                own. It names the line.

        """
        return cls(path=path, **_Reader(path, data).tables())

    def place(self, line: int) -> str:
        """Name a line of this file for a person."""
        return f"{quote(str(self.path))} line {line}"


class _Reader:
    """Read one file; an error is raised at its line."""

    def __init__(self, path: Path, data: bytes) -> None:
        self.shown = quote(str(path))
        if len(data) > LARGEST:
            raise SettingsError(
                self.shown, f"{len(data)} bytes are more than the limit of {LARGEST}", "split it"
            )
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            line = data.count(b"\n", 0, error.start) + 1
            raise SettingsError(f"{self.shown} line {line}", "is not UTF-8", "TOML is UTF-8") from error
        try:
            self.content = tomllib.loads(text)
        except ValueError as error:  # TOMLDecodeError, or an integer of more digits than Python takes
            raise SettingsError(
                self.shown, f"is not TOML: {quote(str(error))}", "mend the line that it names"
            ) from error
        except RecursionError as error:
            raise SettingsError(self.shown, "is nested too deeply", "settings have two levels") from error
        self.text_lines = text.split("\n")  # str.splitlines would break at more than TOML does

    def tables(self) -> dict[str, Any]:
        """Check every member, then give the parts of a `SettingsFile`."""
        top = {name: value for name, value in self.content.items() if name != TABLES}
        for name, value in top.items():
            self._check(name, value, self._top_line, {Scope.PUBLICATION, Scope.RUN})
        tables = self.content.get(TABLES)
        if tables is not None and not (
            isinstance(tables, list) and tables and all(isinstance(table, dict) for table in tables)
        ):
            raise self._error(
                self._top_line(TABLES),
                f"{TABLES} is no array of tables",
                "write [[publication]] above each one",
            )
        return {
            "top": Table(name=None, members=top, line_of=self._top_line),
            "tables": self._named([self._table(number, table) for number, table in enumerate(tables or ())]),
        }

    def _top_line(self, name: str | None) -> int:
        return 1 if name is None else self._line(lambda content: name in content)

    def _table(self, number: int, members: dict[str, Any]) -> Table:
        def inside(content: dict[str, Any]) -> dict[str, Any] | None:
            tables = content.get(TABLES, [])
            return tables[number] if len(tables) > number else None

        def line_of(name: str | None) -> int:
            if name is None:
                return self._line(lambda content: inside(content) is not None)
            return self._line(lambda content: name in (inside(content) or {}))

        for name, value in members.items():
            if name != "name":
                self._check(name, value, line_of, {Scope.PUBLICATION})
        own = members.get("name")
        if not isinstance(own, str) or not _NAME.fullmatch(own):
            what = "has no name" if own is None else f"name {quote(own, 40)} is not a name"
            raise self._error(
                line_of(None),
                f"publication {what}",
                'write name = "..." of up to 64 letters, digits, dots and dashes',
            )
        return Table(name=own, members=members, line_of=line_of)

    def _named(self, tables: list[Table]) -> tuple[Table, ...]:
        seen: dict[str | None, Table] = {}
        for table in tables:
            if table.name in seen:
                first = seen[table.name].line_of(None)
                raise self._error(
                    table.line_of(None),
                    f"publication {table.name!r} has the name of the one at line {first}",
                    "give each its own name",
                )
            seen[table.name] = table
        return tuple(tables)

    def _check(
        self, name: str, value: object, line_of: Callable[[str | None], int], scopes: set[Scope]
    ) -> None:
        option = _MEMBERS.get(name)
        if option is None or option.scope not in scopes:
            raise self._error(line_of(name), *_misplaced(name))
        types, spelled = _TYPES[option.kind]
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            raise self._error(line_of(name), f"{name} is of the wrong type", f"write {spelled}")

    def _line(self, present: Callable[[dict[str, Any]], bool]) -> int:
        """Find the line on which something begins to be there.

        `tomllib` tells no lines. But the first lines of a TOML text are TOML whenever they end between
        two statements, and what is present in them stays: so the shortest such head that has it is found
        by halving.
        """
        low, high = 0, len(self.text_lines)  # the head of `low` lines lacks it, that of `high` has it
        while high - low > 1:
            middle, head = (low + high) // 2, None
            while middle > low and (head := self._head(middle)) is None:
                middle -= 1
            if head is None:  # one statement from `low` to the middle and beyond: look from above
                middle = (low + high) // 2 + 1
                while middle < high and (head := self._head(middle)) is None:
                    middle += 1
                if middle >= high:
                    break
            if head is not None and present(head):
                high = middle
            else:
                low = middle
        return low + 1  # blank lines and comments end between statements, so `low` is behind them

    def _head(self, lines: int) -> dict[str, Any] | None:
        try:
            return tomllib.loads("\n".join(self.text_lines[:lines]))
        except tomllib.TOMLDecodeError:
            return None

    def _error(self, line: int, what: str, remedy: str) -> SettingsError:
        return SettingsError(f"{self.shown} line {line}", what, remedy)


def _misplaced(name: str) -> tuple[str, str]:
    option: Option | None = next((option for option in OPTIONS if option.member == name), None)
    if option is not None:
        return f"{name} {_PLACES[option.scope]}", "take it out of here"
    if name == "name":
        return "name belongs to a [[publication]] table", "write [[publication]] above it"
    near = _nearest(name)
    return f"unknown member {quote(name, 40)}", f"did you mean {near}?" if near else "see docs/settings.md"


def _nearest(name: str) -> str | None:
    import difflib  # noqa: PLC0415 (only on the way to an error)

    return next(iter(difflib.get_close_matches(name, [*_MEMBERS, TABLES, "name"], n=1)), None)
