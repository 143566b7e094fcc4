"""What is deployed: everything that the targets need of ours, and nothing that they must not have."""

import ast
from pathlib import Path

import pytest

from function.stage import FORBIDDEN, ROOT, needed, stage


def test_the_folder_has_targets_core_requirements_and_no_adapter_of_the_publisher(tmp_path: Path) -> None:
    target = tmp_path / "build"
    target.mkdir()
    (target / "left-over.py").write_text("")
    count = stage(target)
    files = {str(path.relative_to(target)) for path in target.rglob("*") if path.is_file()}
    assert count == len([name for name in files if name.endswith(".py")])
    assert {"main.py", "asgi.py", "requirements.txt", "publisher/sinks/gcs.py", "publisher/https.py"} <= files
    assert {"publisher/serving/status_page.py", "publisher/serving/metrics.py"} <= files
    assert (
        not {"left-over.py", "stage.py", "publisher/wiring.py", "publisher/sources/workload_api.py"} & files
    )
    assert not [name for name in files if name.startswith("publisher/cli/")]
    requirements = (ROOT / "requirements" / "function.txt").read_bytes()
    assert (target / "requirements.txt").read_bytes() == requirements


def test_every_import_of_ours_in_it_is_in_it() -> None:
    modules = needed()
    for path in modules.values():
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] == "publisher":
                assert node.module in modules, path


def tree(folder: Path, **files: str) -> dict[str, Path]:
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return {"main": folder, "asgi": folder, "ours": folder}


@pytest.mark.parametrize("name", sorted(FORBIDDEN))
def test_what_must_not_be_imported_stops_the_staging_however_deep_it_is(name: str, tmp_path: Path) -> None:
    ours = tree(
        tmp_path,
        main="import ours.deep",
        asgi="",
        ours__deep="def load():\n    from . import nothing\n    import " + name,
    )
    with pytest.raises(ValueError, match=f"ours.deep imports {name}"):
        needed(ours)


def test_packages_modules_and_names_are_told_apart(tmp_path: Path) -> None:
    ours = tree(
        tmp_path,
        main="from ours import a, b\nimport json",
        asgi="",
        ours__a="",
        ours__b="from ours.a import x",
    )
    assert set(needed(ours)) == {"main", "asgi", "ours.a", "ours.b"}
    (tmp_path / "ours" / "__init__.py").write_text("")
    assert set(needed(ours)) == {"main", "asgi", "ours", "ours.a", "ours.b"}
