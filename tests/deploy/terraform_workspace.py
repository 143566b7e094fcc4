"""Run Terraform on a copy of deploy/terraform, and read what it plans."""

import json
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.deploy.terraform_files import TERRAFORM
from tests.deploy.terraform_provider import provider
from tests.deploy.terraform_schema import load

PROGRAM = shutil.which("terraform")


class RefusedError(Exception):
    """Carry what Terraform says of a configuration that it does not take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workspace:
    """A copy of deploy/terraform and the environment in which its examples plan."""

    folder: Path
    environment: Mapping[str, str]

    def run(self, example: str, *words: str) -> str:
        """Run Terraform in an example.

        Raises:
            RefusedError: it has exited with an error.

        """
        assert PROGRAM
        done = subprocess.run(
            [PROGRAM, *words],
            cwd=self.folder / "examples" / example,
            env=self.environment,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if done.returncode:
            raise RefusedError(done.stdout + done.stderr)
        return done.stdout

    def plan(self, example: str, variables: Mapping[str, str]) -> "Plan":
        """Validate and plan an example with these variables."""
        self.run(example, "init", "-backend=false", "-input=false", "-no-color")
        self.run(example, "validate", "-no-color")
        given = [f"-var={name}={value}" for name, value in variables.items()]
        self.run(example, "plan", "-input=false", "-no-color", "-out=it.tfplan", *given)
        shown = json.loads(self.run(example, "show", "-json", "it.tfplan"))["planned_values"]
        values = {found["address"]: found["values"] for found in _resources(shown["root_module"])}
        return Plan(
            values=values,
            outputs={name: output.get("value") for name, output in shown["outputs"].items()},
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What Terraform would make: the values by address, the outputs by name."""

    values: Mapping[str, Mapping[str, Any]]
    outputs: Mapping[str, Any]

    def __getitem__(self, ending: str) -> Mapping[str, Any]:
        """Give the one resource whose address ends so."""
        [found] = [values for address, values in self.values.items() if address.endswith(ending)]
        return found

    def grants(self, kind: str) -> set[tuple[str, str, str]]:
        """List on what, as what, to whom the members of one IAM type are granted."""
        return {
            (
                values.get("bucket")
                or values.get("name")
                or values.get("secret_id")
                or values.get("repository")
                or "",
                role,
                values["member"],
            )
            for address, values in self.values.items()
            if f"{kind}_iam_member." in address
            for role in [values["role"]]
        }


def _resources(module: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    yield from module.get("resources", [])
    for child in module.get("child_modules", []):
        yield from _resources(child)


@contextmanager
def copied(folder: Path) -> Iterator[Workspace]:
    """Copy deploy/terraform to a folder that is not there yet, and serve its provider."""
    shutil.copytree(TERRAFORM, folder, ignore=shutil.ignore_patterns(".terraform*", "*.tfstate*"))
    (folder / "examples" / "private-bucket-with-function" / "function.zip").write_bytes(b"a zip")
    with provider(load()) as environment:
        yield Workspace(folder=folder, environment=environment)
