"""Stage the folder that is deployed: the targets, what they import of ours, and the pinned requirements.

Run by `make function-bundle`; not deployed itself. What is imported is read from the source, imports within
functions included, so that nothing is missing at the first request that needs it.
"""

import ast
import shutil
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

FOLDER = Path(__file__).parent
ROOT = FOLDER.parent
STARTS = ("main", "asgi")
OURS = {"publisher": ROOT, "spire_oidc_function": FOLDER, "main": FOLDER, "asgi": FOLDER}
"""Our top-level names and where each of them lies."""

FORBIDDEN = frozenset({"grpc", "spiffe", "click"})
"""What no deployed module of ours may import: the cold start depends on it."""


def needed(ours: Mapping[str, Path] = OURS) -> dict[str, Path]:
    """Give every module of ours that the targets import, directly or not, by its dotted name.

    `ours` says where each of our top-level names lies.

    Raises:
        ValueError: one of them imports something forbidden.

    """
    found: dict[str, Path] = {}
    waiting = list(STARTS)
    while waiting:
        name = waiting.pop()
        path = _path_of(name, ours)
        if name in found or path is None:
            continue
        found[name] = path
        # A package's own `__init__` runs before any module in it.
        waiting.extend(name.rpartition(".")[:1])
        for imported in _imports(path):
            if imported.partition(".")[0] in FORBIDDEN:
                raise ValueError(f"{name} imports {imported}: the function must not")
            waiting.append(imported)
    return found


def stage(target: Path) -> int:
    """Write the folder anew; give how many of our modules it has."""
    shutil.rmtree(target, ignore_errors=True)
    modules = needed()
    for name, path in modules.items():
        place = target / path.relative_to(OURS[name.partition(".")[0]])
        place.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, place)
    shutil.copyfile(ROOT / "requirements" / "function.txt", target / "requirements.txt")
    shutil.copyfile(ROOT / "LICENSE", target / "LICENSE")
    return len(modules)


def _path_of(name: str, ours: Mapping[str, Path]) -> Path | None:
    """Find a module of ours; None: it is not ours, or a name within a module."""
    base = ours.get(name.partition(".")[0])
    if base is None:
        return None
    path = base.joinpath(*name.split("."))
    for candidate in (path.with_suffix(".py"), path / "__init__.py"):
        if candidate.is_file():
            return candidate
    return None


def _imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module is not None:
            yield node.module
            # `from package import module`: what is no module finds no file.
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


if __name__ == "__main__":
    folder = ROOT / "build" / "function"
    count = stage(folder)
    sys.stdout.write(f"{folder.relative_to(ROOT)}: {count} modules and requirements.txt\n")
