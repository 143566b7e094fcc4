"""Read the Terraform folders into blocks, as far as that goes without Terraform."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import hcl2

TERRAFORM = Path(__file__).resolve().parents[2] / "deploy" / "terraform"
META = {"count", "depends_on", "for_each", "lifecycle", "provider"}
"""What Terraform itself knows in every resource; no provider's schema has it."""

MARK = "__is_block__"
OPTIONS = hcl2.SerializationOptions(with_comments=False, strip_string_quotes=True)
REFERENCE = re.compile(r"(?<![\w.])(data\.)?(google_\w+)\.(\w+)(?:\[[^]]*\])?\.(\w+)")
NAMED = re.compile(r"(?<![\w.])(var|local|module)\.(\w+)(?:\.(\w+))?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Block:
    """A resource or data source: its type, its name in the module, what stands in it."""

    type: str
    name: str
    body: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Module:
    """All files of one folder, as Terraform puts them together."""

    folder: Path
    resource: tuple[Block, ...]
    data: tuple[Block, ...]
    variable: Mapping[str, Mapping[str, Any]]
    output: Mapping[str, Mapping[str, Any]]
    call: Mapping[str, Mapping[str, Any]]
    local: Mapping[str, Any]

    def text(self) -> str:
        """Give all expressions of the module in one text, to search for references."""
        return "\n".join(_expressions([block.body for block in (*self.resource, *self.data)])) + "\n".join(
            _expressions([self.output, self.call, self.local])
        )


def terraform_folders() -> list[Path]:
    """List the folders that are modules of their own, examples included."""
    return sorted({path.parent for path in TERRAFORM.rglob("*.tf") if ".terraform" not in path.parts})


def read_folder(folder: Path) -> Module:
    """Parse every `.tf` file of a folder.

    Raises:
        lark.exceptions.LarkError: a file is no HCL.

    """
    found: dict[str, list[Mapping[str, Any]]] = {}
    for path in sorted(folder.glob("*.tf")):
        for kind, blocks in hcl2.loads(
            path.read_text(encoding="utf-8"), serialization_options=OPTIONS
        ).items():
            found.setdefault(kind, []).extend(blocks)

    def labelled(kind: str) -> dict[str, Mapping[str, Any]]:
        return {
            label: body for block in found.get(kind, []) for label, body in block.items() if label != MARK
        }

    def typed(kind: str) -> tuple[Block, ...]:
        return tuple(
            Block(type=type_name, name=name, body=body)
            for block in found.get(kind, [])
            for type_name, named in block.items()
            if type_name != MARK
            for name, body in named.items()
            if name != MARK
        )

    return Module(
        folder=folder,
        resource=typed("resource"),
        data=typed("data"),
        variable=labelled("variable"),
        output=labelled("output"),
        call=labelled("module"),
        local=labelled("locals"),
    )


def _expressions(value: Any) -> Iterator[str]:
    """Yield every string below a value; what holds no reference does no harm."""
    match value:
        case str():
            yield value
        case Mapping():
            for part in value.values():
                yield from _expressions(part)
        case list():
            for part in value:
                yield from _expressions(part)


def strangers(body: Mapping[str, Any], schema: Mapping[str, Any], where: str) -> list[str]:
    """Hold what stands in a block against the schema of that block, nested blocks included.

    Returns one sentence for each argument that is unknown, missing or not to be set, and each block too many.
    """
    nested = _nested(body)
    arguments = {name for name in body if name not in nested and name not in {"dynamic", MARK}}
    flags = {name: words.split()[1:] for name, words in schema["attributes"].items()}
    settable = {name for name, words in flags.items() if words != ["computed"]}
    required = {name for name, words in flags.items() if "required" in words}
    blocks = schema["blocks"]
    said = [f"{where}: no argument {name}" for name in sorted(arguments - settable)]
    said += [f"{where}: {name} is missing" for name in sorted(required - arguments)]
    said += [
        f"{where}: no block {name}" for name in blocks if blocks[name]["required"] and name not in nested
    ]
    said += [f"{where}: no block is called {name}" for name in nested if name not in blocks]
    for name in sorted(nested.keys() & blocks.keys()):
        if blocks[name]["nesting"] == "single" and len(nested[name]) > 1:
            said.append(f"{where}: {name} more than once")
        for block in nested[name]:
            said += strangers(block, blocks[name], f"{where}.{name}")
    return said


def _nested(body: Mapping[str, Any]) -> dict[str, list[Mapping[str, Any]]]:
    """Gather the nested blocks by name; of a dynamic one, what it would make."""
    nested: dict[str, list[Mapping[str, Any]]] = {}
    for name, value in body.items():
        if name == "dynamic":
            for label, inner in (
                (key, part) for found in value for key, part in found.items() if key != MARK
            ):
                nested.setdefault(label, []).extend(inner["content"])
        elif isinstance(value, list) and value and isinstance(value[0], dict) and MARK in value[0]:
            nested[name] = [*nested.get(name, []), *value]
    return nested
