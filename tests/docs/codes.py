"""Read from the source, without running it, which finding codes exist and of which severity they are."""

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
CODE = re.compile(r"[A-Z]{3}[0-9]{3}")


def severities_by_code() -> dict[str, set[str]]:
    """Give every code that some module makes a finding of, with the severities it may have."""
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted((ROOT / "publisher").rglob("*.py")):
        for code, severities in _Module(ast.parse(path.read_text())).findings():
            found[code] |= severities
    return dict(found)


def titles_by_code() -> dict[str, str]:
    """Give the titles that modules state for their codes in a `CODES` table."""
    titles: dict[str, str] = {}
    for path in sorted((ROOT / "publisher").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if _is_code(key) and isinstance(value, ast.Constant):
                        titles[_text(key)] = str(value.value)
    return titles


class _Module:
    """Follow, within one module, names to codes and severities. Only what is written here is understood."""

    def __init__(self, tree: ast.Module) -> None:
        self._tree = tree
        self._constants = {
            name: code for node in tree.body if isinstance(node, ast.Assign) for name, code in _pairs(node)
        }
        self._functions = {node.name: node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}

    def findings(self) -> Iterator[tuple[str, set[str]]]:
        for function in self._functions.values():
            local = self._local(function)
            for node in ast.walk(function):
                arguments = _arguments(node)
                for code in (code for item in arguments for code in self._codes(item, local)):
                    severities = self._severities(node, arguments, local)
                    if severities:
                        yield code, severities

    def _local(self, function: ast.FunctionDef) -> dict[str, list[ast.expr]]:
        local: dict[str, list[ast.expr]] = defaultdict(list)
        for node in ast.walk(function):
            if isinstance(node, ast.Assign):
                for target in node.targets:
                    if isinstance(target, ast.Name):
                        local[target.id].append(node.value)
                    elif isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        for name, value in zip(target.elts, node.value.elts, strict=True):
                            if isinstance(name, ast.Name):
                                local[name.id].append(value)
        return local

    def _codes(self, item: ast.expr, local: dict[str, list[ast.expr]]) -> Iterator[str]:
        if _is_code(item):
            yield _text(item)
        elif isinstance(item, ast.IfExp):
            yield from self._codes(item.body, local)
            yield from self._codes(item.orelse, local)
        elif isinstance(item, ast.Name):
            for value in local.get(item.id, []):
                yield from self._codes(value, {})
            if item.id in self._constants:
                yield self._constants[item.id]

    def _severities(
        self, node: ast.AST, arguments: list[ast.expr], local: dict[str, list[ast.expr]]
    ) -> set[str]:
        values = [
            value
            for item in arguments
            for value in (local.get(item.id, []) if isinstance(item, ast.Name) else [item])
        ]
        named = {found for value in values for found in _severity_attributes(value)}
        if named or not isinstance(node, ast.Call | ast.Tuple):
            return named
        # Not said here: the function that is called has it built in; a tuple gets it where it is unpacked.
        name = node.func.id if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) else "judge"
        body = self._functions.get(name)
        if body is None and name == "error":  # imported from publication.rules, and named for its severity
            return {"error"}
        return set(_severity_attributes(body)) if body else set()


def _pairs(node: ast.Assign) -> Iterator[tuple[str, str]]:
    target, value = node.targets[0], node.value
    if isinstance(target, ast.Name) and _is_code(value):
        yield target.id, _text(value)
    elif isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for name, item in zip(target.elts, value.elts, strict=True):
            if isinstance(name, ast.Name) and _is_code(item):
                yield name.id, _text(item)


def _arguments(node: ast.AST) -> list[ast.expr]:
    if isinstance(node, ast.Call):
        return [*node.args, *(keyword.value for keyword in node.keywords)]
    if isinstance(node, ast.Yield) and isinstance(node.value, ast.Tuple):
        return []
    return list(node.elts) if isinstance(node, ast.Tuple) else []


def _severity_attributes(node: ast.AST) -> Iterator[str]:
    for inner in ast.walk(node):
        match inner:
            case ast.Attribute(value=ast.Name(id="Severity"), attr=name) if name.isupper():
                yield name.lower()


def _is_code(node: ast.AST | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and bool(CODE.fullmatch(node.value))


def _text(node: ast.AST | None) -> str:
    assert isinstance(node, ast.Constant)
    return str(node.value)
