"""Parse the small part of CEL (Common Expression Language) that mappings and conditions here are written in.

A tree is nested tuples: ("text", "x"), ("number", 1), ("name", "assertion"), ("member", tree, "sub"),
("index", tree, tree), ("call", tree or None, "startsWith", [trees]), ("list", [trees]), ("not", tree),
("choice", tree, tree, tree), (operator, tree, tree). Left out, and refused as unknown though real CEL has
it: macros but `has`, maps, floats, bytes, raw and triple-quoted strings, arithmetic but `+`.
"""

import re
from typing import Any

Tree = tuple[Any, ...]

_TOKEN = re.compile(
    r"""\s*(?:(?P<text>'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*")|(?P<number>-?\d+)|(?P<name>[A-Za-z_]\w*)
    |(?P<sign>&&|\|\||==|!=|<=|>=|[-+<>!.,()\[\]?:]))""",
    re.VERBOSE,
)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "'": "'", '"': '"', "`": "`"}
_COMPARISONS = ("==", "!=", "<=", ">=", "<", ">", "in")
_DEEPEST = 50


class CelError(Exception):
    """Report an expression that is wrong, or beyond what this understands; or a value that it cannot have."""


def parse(expression: str) -> Tree:
    """Parse the whole expression.

    Raises:
        CelError: it is not of the part of CEL that this knows.

    """
    parser = _Parser(expression)
    tree = parser.choice()
    parser.end()
    return tree


class _Parser:
    def __init__(self, expression: str) -> None:
        self._tokens = list(_tokens(expression))
        self._at = 0
        self._depth = 0

    def end(self) -> None:
        if self._at < len(self._tokens):
            raise CelError(f"unexpected {self._tokens[self._at][1]!r}")

    def choice(self) -> Tree:
        self._depth += 1
        if self._depth > _DEEPEST:
            raise CelError("nested too deeply")
        condition = self._either()
        if self._take("?"):
            first = self.choice()
            self._need(":")
            condition = ("choice", condition, first, self.choice())
        self._depth -= 1
        return condition

    def _either(self) -> Tree:
        tree = self._both()
        while self._take("||"):
            tree = ("||", tree, self._both())
        return tree

    def _both(self) -> Tree:
        tree = self._comparison()
        while self._take("&&"):
            tree = ("&&", tree, self._comparison())
        return tree

    def _comparison(self) -> Tree:
        tree = self._sum()
        while self._peek() in _COMPARISONS:
            operator = self._next()[1]
            tree = (operator, tree, self._sum())
        return tree

    def _sum(self) -> Tree:
        tree = self._unary()
        while self._take("+"):
            tree = ("+", tree, self._unary())
        return tree

    def _unary(self) -> Tree:
        return ("not", self._unary()) if self._take("!") else self._chain()

    def _chain(self) -> Tree:
        tree = self._primary()
        while True:
            if self._take("."):
                kind, name = self._next()
                if kind != "name":
                    raise CelError(f"no member {name!r}")
                tree = ("call", tree, name, self._items(")")) if self._take("(") else ("member", tree, name)
            elif self._take("["):
                tree = ("index", tree, self.choice())
                self._need("]")
            else:
                return tree

    def _primary(self) -> Tree:
        kind, token = self._next()
        match kind, token:
            case "text", _:
                return ("text", _unescape(token[1:-1]))
            case "number", _:
                return ("number", int(token))
            case "name", ("true" | "false"):
                return ("truth", token == "true")
            case "name", _:
                return ("call", None, token, self._items(")")) if self._take("(") else ("name", token)
            case "sign", "(":
                tree = self.choice()
                self._need(")")
                return tree
            case "sign", "[":
                return ("list", self._items("]"))
            case _:
                raise CelError(f"unexpected {token!r}")

    def _items(self, closing: str) -> list[Tree]:
        items: list[Tree] = []
        while not self._take(closing):
            if items:
                self._need(",")
            items.append(self.choice())
        return items

    def _peek(self) -> str | None:
        return self._tokens[self._at][1] if self._at < len(self._tokens) else None

    def _next(self) -> tuple[str, str]:
        if self._at == len(self._tokens):
            raise CelError("unexpected end")
        self._at += 1
        return self._tokens[self._at - 1]

    def _take(self, token: str) -> bool:
        here = self._tokens[self._at] if self._at < len(self._tokens) else None
        self._at += (taken := here == ("sign", token))
        return taken

    def _need(self, token: str) -> None:
        if not self._take(token):
            raise CelError(f"expected {token!r}")


def _tokens(expression: str) -> list[tuple[str, str]]:
    found, at, end = [], 0, len(expression.rstrip())
    while at < end:
        match = _TOKEN.match(expression, at)
        if match is None or match.lastgroup is None:
            raise CelError(f"token recognition error at position {at}")
        found.append((match.lastgroup, match[match.lastgroup]))
        at = match.end()
    return found


def _unescape(text: str) -> str:
    def replace(match: re.Match[str]) -> str:
        if match[1] not in _ESCAPES:
            raise CelError(f"unknown escape \\{match[1]}")
        return _ESCAPES[match[1]]

    return re.sub(r"\\(.)", replace, text)
