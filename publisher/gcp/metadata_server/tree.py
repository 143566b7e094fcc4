"""The values of a metadata server as a tree: one value, a listing, or everything below a folder."""

from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

from publisher.gcp.metadata_server.answer import Answer, document, refusal, text

Leaf = str | int | tuple[str, ...]
"""A value: text, a number, or a list that is written a line each."""

Node = Mapping[str, "Node | Leaf | None"]
"""A folder. None stands for what is listed but has no value of its own: a token."""

ROOT: Final = "/computeMetadata/v1"
"""Where everything is, save for the ping."""


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Say how a value is wanted: `recursive` everything below, `alt` `json` or `text`, None as is usual."""

    recursive: bool = False
    alt: str | None = None


NOT_FOUND = refusal(HTTPStatus.NOT_FOUND, "there is no such entry on this metadata server")


def show(tree: Node, path: str, view: View) -> Answer:
    """Answer the value, listing or subtree at `path`, which is relative to the root and may end with a slash.

    As on Google's server: a folder without its final slash is redirected to, unless everything below it is
    wanted; a value with one is not there; members of JSON are written in camelCase.
    """
    node: Node | Leaf | None = tree
    parts = path.split("/")
    is_folder = parts[-1] == ""
    for part in parts[:-1] if is_folder else parts:
        if not isinstance(node, Mapping) or part not in node:
            return NOT_FOUND
        node = node[part]
    if not isinstance(node, Mapping):
        return NOT_FOUND if is_folder or node is None else _value(node, view)
    if view.recursive:
        return _text_below(node) if view.alt == "text" else document(_below(node))
    if not is_folder:
        # A relative target: nothing of the request's Host comes back.
        there = f"{ROOT}/{path}/"
        return refusal(HTTPStatus.MOVED_PERMANENTLY, f"this is a folder: {there}", f"Location: {there}")
    names = [f"{name}/" if isinstance(below, Mapping) else name for name, below in sorted(node.items())]
    return document(names) if view.alt == "json" else text("".join(f"{name}\n" for name in names))


def _value(value: Leaf, view: View) -> Answer:
    if view.alt == "json":
        return document(list(value) if isinstance(value, tuple) else value)
    return text("".join(f"{line}\n" for line in value) if isinstance(value, tuple) else str(value))


def _below(node: Node) -> dict[str, object]:
    members: dict[str, object] = {}
    for name, below in node.items():
        if isinstance(below, Mapping):
            members[_camel(name)] = _below(below)
        elif below is not None:  # tokens are asked for one by one
            members[_camel(name)] = list(below) if isinstance(below, tuple) else below
    return members


def _text_below(node: Node) -> Answer:
    return text("".join(f"{path} {value}\n" for path, value in sorted(_lines(node, ""))))


def _lines(node: Node, before: str) -> list[tuple[str, str]]:
    lines = []
    for name, below in node.items():
        if isinstance(below, Mapping):
            lines += _lines(below, f"{before}{name}/")
        elif below is not None:
            each = below if isinstance(below, tuple) else (str(below),)
            lines += [(f"{before}{name}", value) for value in each]
    return lines


def _camel(name: str) -> str:
    if "@" in name:  # an e-mail address is a name, not a word of Google's
        return name
    first, *rest = name.split("-")
    return first + "".join(word.capitalize() for word in rest)
