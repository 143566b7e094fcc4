"""Hold and renew what the Google provider knows of the resources that deploy/terraform uses.

The provider itself is not needed: the npm package `@cdktf/provider-google` carries its schema as generated
code. `terraform_schema.json` keeps the names and types out of it. To renew it, unpack the package and run

    python -m tests.deploy.terraform_schema path/to/package
"""

import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.terraform_files import read_folder, terraform_folders

SCHEMA = Path(__file__).with_name("terraform_schema.json")
PACKAGE = "@cdktf/provider-google"

TYPES = {
    "string": "string",
    "number": "number",
    "boolean": "bool",
    "stringMap": "map(string)",
    "stringList": "list(string)",
    "numberList": "list(number)",
}
GETTERS = {"String": "string", "Number": "number", "Boolean": "bool", "List": "list(string)"}

CLASS = re.compile(r"^class (\w+) extends .*?^\}", re.MULTILINE | re.DOTALL)
COMPUTED = re.compile(
    r"// \w+ - computed: true, optional: false, .*\n"
    r"\s+get \w+\(\) \{\n"
    r"\s+return this\.get(\w+)Attribute\('(\w+)'\)"
)
INTERFACE = re.compile(r"^export interface (\w+) .*?^\}", re.MULTILINE | re.DOTALL)
MEMBER = re.compile(r"#(\w+) \w+#\w+\}(?:(?!\*/).)*\*/\s+readonly \w+(\??):", re.DOTALL)
ENTRY = re.compile(
    r'(\w+): \{\s+value: (.+),\s+isBlock: (true|false),\s+type: "(\w+)",\s+storageClassType: "(\w+)",'
)


def load() -> dict[str, Any]:
    """Read the kept schema: `provider`, `package`, and `resource` and `data` by type.

    An attribute is its type and what may be done with it, `"string required"`; a block has `nesting`
    (`single`, `list`, `set`), `required`, `attributes` and `blocks`.
    """
    schema: dict[str, Any] = json.loads(SCHEMA.read_text(encoding="utf-8"))
    return schema


def used_types() -> set[tuple[str, str]]:
    """List the kinds (`resource`, `data`) and types that any folder of deploy/terraform uses."""
    used = set()
    for folder in terraform_folders():
        module = read_folder(folder)
        used |= {(kind, block.type) for kind in ("resource", "data") for block in getattr(module, kind)}
    return used


def extract(package: Path, kind: str, type_name: str) -> dict[str, Any]:
    """Read one resource type out of the unpacked package.

    Raises:
        FileNotFoundError: the package has no such type, so neither has the provider.
        ValueError: the generated code has another form than this program knows.

    """
    folder = type_name.removeprefix("google_").replace("_", "-")
    path = package / "lib" / (folder if kind == "resource" else f"data-google-{folder}")
    code = (path / "index.js").read_text(encoding="utf-8")
    classes = {match[1]: match[0] for match in CLASS.finditer(code)}
    [main] = [name for name, body in classes.items() if "synthesizeHclAttributes()" in body]
    members = {
        match[1]: {name: not mark for name, mark in MEMBER.findall(match[0])}
        for match in INTERFACE.finditer((path / "index.d.ts").read_text(encoding="utf-8"))
    }
    generated = Generated(code=code, classes=classes, required=members)
    block = generated.block(
        entries=classes[main].partition("synthesizeHclAttributes()")[2],
        reader=main,
        interface=f"{main}Config",
    )
    block["attributes"]["id"] = "string optional computed"
    return block


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """The generated code of one resource type."""

    code: str
    classes: Mapping[str, str]
    required: Mapping[str, Mapping[str, bool]]
    """By interface, then by argument. That an optional one is computed as well is not told by the package."""

    def block(self, *, entries: str, reader: str, interface: str) -> dict[str, Any]:
        """Read one block and those inside: what can be set from `entries`, what can be read from `reader`.

        Raises:
            ValueError: see `extract`.

        """
        required = self.required[interface]
        attributes = {
            name: f"{GETTERS[typed]} computed"
            for typed, name in COMPUTED.findall(self.classes[reader])
            if typed in GETTERS
        }
        blocks: dict[str, Any] = {}
        for name, value, is_block, collection, storage in ENTRY.findall(entries):
            if is_block == "false":
                written = TYPES[storage].replace("list(", f"{collection}(")
                attributes[name] = f"{written} {'required' if required[name] else 'optional'}"
                continue
            struct = storage.removesuffix("List")
            _, found, body = self.code.partition(f"function {struct[0].lower()}{struct[1:]}ToHclTerraform(")
            if not found:
                raise ValueError(f"{reader}.{name}: the package has no code for {struct}")
            blocks[name] = {
                "nesting": collection if "listMapperHcl(" in value else "single",
                "required": required[name],
                **self.block(
                    entries=body.partition("\n}")[0], reader=f"{struct}OutputReference", interface=struct
                ),
            }
        return {"attributes": dict(sorted(attributes.items())), "blocks": dict(sorted(blocks.items()))}


def main(package: Path) -> None:
    """Write `terraform_schema.json` anew from an unpacked package."""
    about = json.loads((package / "package.json").read_text(encoding="utf-8"))
    generated = (package / "lib" / "cloud-run-v2-service" / "index.js").read_text(encoding="utf-8")
    provider = re.search(r"providerVersion: '([\d.]+)'", generated)
    if about["name"] != PACKAGE or provider is None:
        raise ValueError(f"{package}: not an unpacked {PACKAGE}")
    schema: dict[str, Any] = {
        "package": f"{about['name']} {about['version']}",
        "provider": f"hashicorp/google {provider[1]}",
        "resource": {},
        "data": {},
    }
    for kind, type_name in sorted(used_types()):
        schema[kind][type_name] = extract(package, kind, type_name)
    SCHEMA.write_text(json.dumps(schema, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
