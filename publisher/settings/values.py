"""Read one value, however it was given, into the type that the program works with."""

import re
from collections.abc import Callable
from pathlib import Path
from urllib.parse import urlsplit

from publisher.quoting import quote
from publisher.settings.options import Kind, Option

_DURATION = re.compile(r"([0-9]{1,9})([smhd]?)", re.ASCII)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_TRUTHS = {"true": True, "yes": True, "on": True, "1": True}
_FALSEHOODS = {"false": False, "no": False, "off": False, "0": False}
_LONGEST_PATH = 4096


class BadValueError(ValueError):
    """Say what is wrong with a value, and what would be right. `Layers` adds where it came from."""

    def __init__(self, what: str, remedy: str) -> None:
        super().__init__(what)
        self.what = what
        self.remedy = remedy


def parse(option: Option, value: object) -> object:
    """Read a value as the option's kind says.

    Returns str, bool, int (seconds), tuple of str, or Path.

    Raises:
        BadValueError: of another type, not spelled so, or out of bounds.

    """
    return _PARSERS[option.kind](option, value)


def duration(text: str) -> int:
    """Read `60`, `60s`, `15m`, `1h` or `7d` into whole seconds.

    Raises:
        BadValueError: for anything else.

    """
    match = _DURATION.fullmatch(text)
    if match is None:
        raise BadValueError(
            f"{quote(text, 40)} is not a duration", "write whole seconds, or a number with s, m, h or d"
        )
    return int(match[1]) * _SECONDS[match[2]]


def https_url(text: str) -> str:
    """Check an https URL that is only announced: a host, no user, no fragment, printable ASCII.

    Raises:
        BadValueError: for anything else.

    """
    try:
        parts = urlsplit(text)
        host, user, _ = parts.hostname, parts.username, parts.port
    except ValueError:
        host = user = None
    if not text.startswith("https://") or not host or user is not None or "#" in text:
        raise BadValueError(
            f"{quote(text)} is not an https URL without user and fragment", "write https://host/path"
        )
    if not text.isascii() or not text.isprintable() or " " in text or len(text) > 512:  # noqa: PLR2004
        raise BadValueError(
            f"{quote(text)} is not at most 512 printable ASCII characters", "write https://host/path"
        )
    return text


def _text(option: Option, value: object) -> str:
    if not isinstance(value, str):
        raise BadValueError(f"is {_kind(value)}, not a string", f"write {option.member} as a string")
    if not value:
        raise BadValueError("is empty", f"give {option.name} a value or leave it out")
    return value


def _boolean(option: Option, value: object) -> bool:
    if isinstance(value, bool):
        return value
    if isinstance(value, str) and value.lower() in _TRUTHS | _FALSEHOODS:
        return value.lower() in _TRUTHS
    raise BadValueError(
        f"{quote(value, 40)} is neither true nor false", f"set {option.name} to true or false"
    )


def _duration(option: Option, value: object) -> int:
    if type(value) is int and value >= 0:
        value = str(value)
    seconds = duration(_text(option, value))
    smallest, largest = option.bounds
    if not duration(smallest) <= seconds <= duration(largest):
        raise BadValueError(
            f"{quote(value, 40)} is out of bounds", f"set {option.name} between {smallest} and {largest}"
        )
    return seconds


def _list(option: Option, value: object) -> tuple[str, ...]:
    names = value.split(",") if isinstance(value, str) else value
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise BadValueError("is no list of strings", f"write {option.name} as {','.join(option.choices)}")
    wanted = [name.strip() for name in names]
    remedy = f"set {option.name} to one or more of {','.join(option.choices)}"
    if wanted in ([], [""]):
        raise BadValueError("is an empty list", remedy)
    if unknown := [name for name in wanted if name not in option.choices]:
        raise BadValueError(f"has the unknown name {quote(unknown[0], 60)}", remedy)
    if twice := [name for name in option.choices if wanted.count(name) > 1]:
        raise BadValueError(f"has {twice[0]} more than once", remedy)
    # In the table's order, whatever order was typed: equal settings give equal bytes.
    return tuple(name for name in option.choices if name in wanted)


def _choice(option: Option, value: object) -> str:
    if value not in option.choices:
        raise BadValueError(
            f"{quote(value, 40)} is not one of {', '.join(option.choices)}",
            f"set {option.name} to one of them",
        )
    return str(value)


def _path(option: Option, value: object) -> Path:
    return checked_path(_text(option, value))


def checked_path(text: str) -> Path:
    """Read a path of this machine; relative ones count from the working directory.

    Raises:
        BadValueError: empty, with a NUL byte, or longer than any file system takes.

    """
    if not text or "\0" in text or len(text) > _LONGEST_PATH:
        raise BadValueError(f"{quote(text, 40)} is not a path", "write a path of this machine")
    return Path(text)


def _kind(value: object) -> str:
    names = {bool: "a boolean", int: "an integer", float: "a number", list: "an array", dict: "a table"}
    return names.get(type(value), f"a {type(value).__name__}")


_PARSERS: dict[Kind, Callable[[Option, object], object]] = {
    Kind.TEXT: _text,
    Kind.FLAG: _boolean,
    Kind.PAIR: _boolean,
    Kind.DURATION: _duration,
    Kind.LIST: _list,
    Kind.CHOICE: _choice,
    Kind.PATH: _path,
}
