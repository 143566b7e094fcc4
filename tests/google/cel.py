"""Evaluate attribute mappings and conditions: the part of CEL that they need, and Google's `extract`.

Documented: `startsWith`, `endsWith`, `contains`, `extract`, `in`, `==`, `!=`, `&&`, `||`, `!`, `+`,
`split`, `join`, `size`, `has`, `replace`, lists, indexes. Beyond documented facts (here for convenience;
real CEL has its own rules): `matches` uses Python's expressions instead of RE2; `lowerAscii` and `upperAscii`
change what Python calls letters.
"""

import re
from collections.abc import Callable, Mapping
from typing import Any

from tests.google.cel_parser import CelError, Tree, parse

Values = Mapping[str, Any]
"""What names stand for: `assertion`, `attribute`, `google`."""


def evaluate(expression: str, values: Values) -> Any:
    """Give the value of an expression.

    Raises:
        CelError: it is wrong, it names what is not there, or types do not fit.

    """
    return _value(parse(expression), values)


def extract(text: str, template: str) -> str:
    """Cut out what `{name}` stands for in the template; empty where the template does not fit (documented).

    What comes before must occur in the text (its first place counts); what follows ends the cut, and where
    nothing follows it goes to the end.
    """
    match = re.fullmatch(r"([^{}]*)\{\w+\}([^{}]*)", template)
    if match is None:
        raise CelError(f"extract: template {template!r} needs exactly one {{name}}")
    start = text.find(match[1])
    if start < 0:
        return ""
    start += len(match[1])
    end = text.find(match[2], start) if match[2] else len(text)
    return text[start:end] if end >= 0 else ""


def _value(tree: Tree, values: Values) -> Any:
    kind, *parts = tree
    if kind in _OPERATORS:
        left, right = (_value(part, values) for part in parts)
        try:
            return _OPERATORS[kind](left, right)
        except TypeError as error:
            raise CelError(f"no such overload: {kind}") from error
    return _NODES[kind](values, *parts)


def _name(values: Values, name: str) -> Any:
    if name not in values:
        raise CelError(f"undeclared reference to '{name}'")
    return values[name]


def _both(values: Values, left: Tree, right: Tree) -> bool:
    return _truth(_value(left, values)) and _truth(_value(right, values))


def _either(values: Values, left: Tree, right: Tree) -> bool:
    return _truth(_value(left, values)) or _truth(_value(right, values))


def _choice(values: Values, condition: Tree, first: Tree, second: Tree) -> Any:
    return _value(first if _truth(_value(condition, values)) else second, values)


def _called(values: Values, of: Tree | None, name: str, arguments: list[Tree]) -> Any:
    if of is not None:
        return _call(_value(of, values), name, [_value(argument, values) for argument in arguments])
    match name, arguments:
        case "has", [("member", held, member)]:
            inside = _value(held, values)
            return isinstance(inside, Mapping) and member in inside
        case "size", [one]:
            return len(_value(one, values))
        case "string", [one]:
            return _string(_value(one, values))
        case _:
            raise CelError(f"undeclared reference to '{name}'")


_NODES: Mapping[str, Callable[..., Any]] = {
    **dict.fromkeys(("text", "number", "truth"), lambda _values, literal: literal),
    "list": lambda values, items: [_value(item, values) for item in items],
    "name": _name,
    "member": lambda values, of, name: _member(_value(of, values), name),
    "index": lambda values, of, at: _index(_value(of, values), _value(at, values)),
    "not": lambda values, of: not _truth(_value(of, values)),
    "choice": _choice,
    "&&": _both,
    "||": _either,
    "call": _called,
}


def _sum(left: Any, right: Any) -> Any:
    if type(left) is not type(right) or not isinstance(left, str | int | list):
        raise CelError("no such overload: +")
    return left + right


def _within(item: Any, held: Any) -> bool:
    if not isinstance(held, list | Mapping):
        raise CelError("no such overload: in")
    return item in held


_OPERATORS: Mapping[str, Callable[[Any, Any], Any]] = {
    "+": _sum,
    "==": lambda left, right: type(left) is type(right) and left == right,
    "!=": lambda left, right: type(left) is not type(right) or left != right,
    "<": lambda left, right: left < right,
    "<=": lambda left, right: left <= right,
    ">": lambda left, right: left > right,
    ">=": lambda left, right: left >= right,
    "in": _within,
}

_CALLS: Mapping[str, Callable[..., Any]] = {
    "startsWith": str.startswith,
    "endsWith": str.endswith,
    "contains": lambda text, part: part in text,
    "extract": extract,
    "split": lambda text, by: text.split(by) if by else list(text),
    "replace": lambda text, old, new: text.replace(old, new),
    "lowerAscii": str.lower,
    "upperAscii": str.upper,
    "matches": lambda text, pattern: re.search(pattern, text) is not None,
    "size": len,
}


def _call(on: Any, name: str, arguments: list[Any]) -> Any:
    if name == "join" and isinstance(on, list):
        return (arguments[0] if arguments else "").join(_string(item) for item in on)
    if name == "size" and isinstance(on, list) and not arguments:
        return len(on)
    if (
        name not in _CALLS
        or not isinstance(on, str)
        or any(not isinstance(given, str) for given in arguments)
    ):
        raise CelError(f"no such overload: {name}")
    try:
        return _CALLS[name](on, *arguments)
    except (TypeError, re.error) as error:
        raise CelError(f"no such overload: {name}") from error


def _member(of: Any, name: str) -> Any:
    if not isinstance(of, Mapping) or name not in of:
        raise CelError(f"no such key: {name}")
    return of[name]


def _index(of: Any, at: Any) -> Any:
    if isinstance(of, Mapping) and isinstance(at, str):
        return _member(of, at)
    if not isinstance(of, list) or not isinstance(at, int) or not 0 <= at < len(of):
        raise CelError(f"index out of bounds: {at}")
    return of[at]


def _truth(value: Any) -> bool:
    if not isinstance(value, bool):
        raise CelError("expected a bool")
    return value


def _string(value: Any) -> str:
    if not isinstance(value, str | int):
        raise CelError("no such overload: string")
    return str(value).lower() if isinstance(value, bool) else str(value)
