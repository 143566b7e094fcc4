"""What Terraform's formatter and tflint say, where they are installed, and what the page tells."""

import os
import re
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from tests.deploy.terraform_files import TERRAFORM, read_folder, terraform_folders
from tests.deploy.terraform_schema import load

PAGE = (TERRAFORM.parents[1] / "docs" / "terraform.md").read_text(encoding="utf-8")


def _run(folder: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    quiet = {**os.environ, "TF_CLI_CONFIG_FILE": os.devnull, "CHECKPOINT_DISABLE": "1"}
    return subprocess.run(
        words, cwd=folder, env=quiet, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.skipif(shutil.which("terraform") is None, reason="no terraform on the PATH")
def test_every_file_is_formatted() -> None:
    done = _run(TERRAFORM, "terraform", "fmt", "-check", "-recursive", "-no-color")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.skipif(shutil.which("tflint") is None, reason="no tflint on the PATH")
@pytest.mark.parametrize("name", sorted(str(folder.relative_to(TERRAFORM)) for folder in terraform_folders()))
def test_tflint_has_nothing_to_say(name: str, tmp_path: Path) -> None:
    rules = tmp_path / "tflint.hcl"
    rules.write_text('plugin "terraform" {\n  enabled = true\n  preset  = "all"\n}\n')
    done = _run(TERRAFORM / name, "tflint", f"--config={rules}", "--no-color")
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_page_tells_what_each_resource_is_for() -> None:
    used = {block.type for folder in terraform_folders() for block in read_folder(folder).resource}
    assert [name for name in sorted(used) if f"`{name}`" not in PAGE] == []


def test_the_page_names_every_variable_of_the_function() -> None:
    rows = set(re.findall(r"^\| `(\w+)` \|", PAGE, re.MULTILINE))
    assert set(read_folder(TERRAFORM / "modules" / "function").variable) <= rows


def test_the_page_names_the_schema_that_was_held_against() -> None:
    schema = load()
    assert schema["package"] in PAGE
    assert schema["provider"] in PAGE


def test_every_path_that_the_page_names_is_there() -> None:
    named = set(re.findall(r"(?<![\w/.])(?:deploy|tests|docs)/[\w./-]*\w", PAGE))
    assert named
    assert [path for path in sorted(named) if not (TERRAFORM.parents[1] / path).exists()] == []


def test_the_command_of_the_page_zips_the_folder_with_main_at_the_top(tmp_path: Path) -> None:
    [command] = re.findall(r"^(python3 -m zipfile .*)$", PAGE, re.MULTILINE)
    (tmp_path / "build" / "function" / "publisher").mkdir(parents=True)
    for path in ("main.py", "requirements.txt", "publisher/errors.py"):
        (tmp_path / "build" / "function" / path).write_text("")
    assert _run(tmp_path, *command.split()).returncode == 0
    names = {
        name
        for name in zipfile.ZipFile(tmp_path / "build" / "function.zip").namelist()
        if not name.endswith("/")
    }
    assert names == {"main.py", "requirements.txt", "publisher/errors.py"}
