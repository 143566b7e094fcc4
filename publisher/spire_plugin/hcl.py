"""Read the HCL 1 of a `plugin_data`: assignments of strings, numbers, booleans and lists of them.

Kept libraries were tried: `pyhcl` takes the last of two equal members in silence, reads 1e400 as infinity and
leaves escapes as they are; `python-hcl2` reads another language (strings keep their quotes, keys may not be
quoted). A member that is read otherwise than SPIRE's operators mean it decides which keys the world trusts,
so what is not needed here, blocks, heredocs and interpolation, is refused by name.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from publisher.errors import SettingsError
from publisher.quoting import quote

LARGEST = 256 * 1024
"""The most characters of a `plugin_data`."""

MOST_MEMBERS = 1000
"""The most members, and the most elements of a list."""

PLACE = "plugin_data"
"""How errors name the text."""

Scalar = str | int | bool
Value = Scalar | list[Scalar]

_TOKEN = re.compile(
    r"""
    (?P<space>[ \t\r\n\ufeff]+)
  | (?P<comment>(?:\#|//)[^\n]*|/\*.*?\*/)
  | (?P<string>"(?:[^"\\\n]|\\[^\n])*")
  | (?P<heredoc><<-?)
  | (?P<number>-?[0-9][0-9A-Za-z.+_]*)
  | (?P<word>[A-Za-z_][A-Za-z0-9_.-]*)
  | (?P<mark>[=,\[\]{}])
    """,
    re.VERBOSE | re.DOTALL,
)
_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]{0,17})", re.ASCII)
_ESCAPE = re.compile(r"\\(?:([abfnrtv\\\"])|x([0-7][0-9A-Fa-f])|u([0-9A-Fa-f]{4})|U([0-9A-Fa-f]{8})|)")
# `\x` from 80 on is a byte to SPIRE's parser and would be a character here: refused, like octal numbers.
_MEANING = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
    '"': '"',
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """Hold one assignment and the line, from 1, on which it begins."""

    value: Value
    line: int


def at(line: int) -> str:
    """Name a line for a person."""
    return f"{PLACE} line {line}"


def parse(text: str) -> dict[str, Member]:
    """Read a `plugin_data`. SPIRE prints it anew before it hands it over, so its lines are SPIRE's.

    Raises:
        SettingsError: too long, not of this subset, or with a member twice. It names the line.

    """
    if len(text) > LARGEST:
        raise SettingsError(PLACE, f"has {len(text)} characters, more than {LARGEST}", "use config_file")
    return _Parser(text).members()


@dataclass(frozen=True, slots=True)
class _Token:
    kind: str
    text: str
    line: int


def _tokens(text: str) -> Iterator[_Token]:
    position, line = 0, 1
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise _unreadable(text[position:], line)
        kind, found = str(match.lastgroup), match[0]
        if kind == "heredoc":
            raise SettingsError(at(line), "a heredoc is not read here", 'write the value in quotes: "..."')
        if kind not in ("space", "comment"):
            yield _Token(kind, found, line)
        line += found.count("\n")
        position = match.end()
    yield _Token("end", "", line)


def _unreadable(rest: str, line: int) -> SettingsError:
    if rest.startswith('"'):
        return SettingsError(
            at(line), f"a string has no end: {quote(rest.splitlines()[0], 40)}", 'close it with "'
        )
    if rest.startswith("/*"):
        return SettingsError(at(line), "a comment has no end", "close it with */")
    return SettingsError(at(line), f"{quote(rest[0])} is not HCL", 'write member = "value"')


class _Parser:
    def __init__(self, text: str) -> None:
        self._tokens = _tokens(text)
        self._token = next(self._tokens)

    def members(self) -> dict[str, Member]:
        found: dict[str, Member] = {}
        while self._token.kind != "end":
            name, line = self._name(), self._token.line
            self._next()
            if name in found:
                raise SettingsError(
                    at(line), f"{name} is there already, at line {found[name].line}", "take one of them out"
                )
            if len(found) == MOST_MEMBERS:
                raise SettingsError(at(line), f"more than {MOST_MEMBERS} members", "use config_file")
            self._assignment(name)
            found[name] = Member(value=self._value(name), line=line)
            if self._is("mark", ","):
                self._next()
        return found

    def _name(self) -> str:
        token = self._token
        if token.kind == "word":
            return token.text
        if token.kind == "string":  # what SPIRE makes of a configuration in JSON
            return _unquoted(token)
        raise SettingsError(at(token.line), f"{quote(token.text, 40)} is no member", 'write member = "value"')

    def _assignment(self, name: str) -> None:
        token = self._token
        if self._is("mark", "{") or token.kind == "string":
            raise SettingsError(
                at(token.line),
                f"{quote(name, 40)} is a block, and there are none here",
                "write several publications as [[publication]] into a TOML file, and config_file = its path",
            )
        if not self._is("mark", "="):
            raise SettingsError(at(token.line), f"{quote(name, 40)} has no value", f'write {name} = "..."')
        self._next()

    def _value(self, name: str) -> Value:
        if not self._is("mark", "["):
            return self._scalar(name)
        self._next()
        elements: list[Scalar] = []
        while not self._is("mark", "]"):
            if len(elements) == MOST_MEMBERS:
                raise SettingsError(
                    at(self._token.line), f"{name} has more than {MOST_MEMBERS} elements", "shorten it"
                )
            elements.append(self._scalar(name))
            if self._is("mark", ","):
                self._next()
            elif not self._is("mark", "]"):
                raise SettingsError(
                    at(self._token.line), f"the list of {quote(name, 40)} has no end", 'write ["a", "b"]'
                )
        self._next()
        return elements

    def _scalar(self, name: str) -> Scalar:
        token = self._token
        value: Scalar | None = None
        if token.kind == "string":
            value = _unquoted(token)
        elif token.kind == "number":
            value = _number(token)
        elif token.kind == "word" and token.text in ("true", "false"):
            value = token.text == "true"
        if value is None:
            raise SettingsError(
                at(token.line),
                f"{quote(name, 40)} = {quote(token.text, 40)} is no string, number, boolean or list of these",
                f'write {name} = "..."',
            )
        self._next()
        return value

    def _is(self, kind: str, text: str) -> bool:
        return self._token.kind == kind and self._token.text == text

    def _next(self) -> None:
        self._token = next(self._tokens)


def _number(token: _Token) -> int:
    if not _INTEGER.fullmatch(token.text):
        raise SettingsError(
            at(token.line), f"{quote(token.text, 40)} is no whole number in decimal", "write one, or a string"
        )
    return int(token.text)


def _unquoted(token: _Token) -> str:
    inner = token.text[1:-1]
    if "${" in inner:
        raise SettingsError(
            at(token.line),
            f"{quote(inner, 40)}: nothing is interpolated here",
            "write it out, or start spire-server with -expandEnv",
        )

    def meaning(match: re.Match[str]) -> str:
        plain, *numbers = match.groups()
        if plain is not None:
            return _MEANING[plain]
        number = next((int(digits, 16) for digits in numbers if digits is not None), None)
        if number is None or number > 0x10FFFF or 0xD800 <= number <= 0xDFFF:  # noqa: PLR2004 (Unicode's)
            raise SettingsError(
                at(token.line), f"{quote(inner, 40)} has an unknown escape", r"write a backslash as \\"
            )
        return chr(number)

    return _ESCAPE.sub(meaning, inner)
