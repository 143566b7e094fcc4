"""Run the command line: in this process, or as an operator does."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from click.testing import CliRunner

from publisher.cli.root import root
from tests import keys

ROOT = Path(__file__).parents[2]
ISSUER = "https://issuer.example"
LIMIT = 120.0
"""Seconds that any process of these tests may take; far more than it needs."""


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a run left: its exit status and both streams."""

    status: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def log(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.err.splitlines()]

    @property
    def messages(self) -> str:
        return "\n".join(f"{entry['severity']} {entry['message']}" for entry in self.log)


def clean(environment: Mapping[str, str]) -> dict[str, str]:
    """Leave out what the machine's own settings would add to a test."""
    ours = ("SPIRE_OIDC_PUBLISHER_", "SPIFFE_", "NO_COLOR")
    return {name: value for name, value in os.environ.items() if not name.startswith(ours)} | dict(
        environment
    )


def invoke(*arguments: str, stdin: bytes | None = None, **environment: str) -> Ran:
    """Run in this process."""
    result = CliRunner().invoke(root, arguments, input=stdin, env=environment)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return Ran(status=result.exit_code, out=result.stdout, err=result.stderr)


def execute(*arguments: str, stdin: bytes | None = None, **environment: str) -> Ran:
    """Run in a process of its own."""
    done = subprocess.run(
        [sys.executable, "-m", "publisher", *arguments],
        cwd=ROOT,
        env=clean(environment),
        input=stdin or b"",
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )
    return Ran(status=done.returncode, out=done.stdout.decode(), err=done.stderr.decode())


@dataclass(frozen=True, kw_only=True)
class Place:
    """A bundle file and a directory to publish it to."""

    folder: Path

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle.json"

    @property
    def sink(self) -> Path:
        return self.folder / "public"

    def has(self, *kids: str, **members: Any) -> None:
        """Put a bundle of these keys into the file."""
        self.bundle.write_bytes(keys.spiffe_bundle(*kids, **members))

    @property
    def source(self) -> tuple[str, ...]:
        return ("--source", f"file:{self.bundle}", "--trust-domain", "example.org")

    @property
    def options(self) -> tuple[str, ...]:
        """What `publish` needs here, without a public URL."""
        return (*self.source, "--issuer", ISSUER, "--sink", str(self.sink), "--no-verify-url")

    @property
    def kids(self) -> list[str]:
        return [key["kid"] for key in json.loads((self.sink / "keys").read_bytes())["keys"]]

    @property
    def written(self) -> list[str]:
        return sorted(path.name for path in self.sink.rglob("*") if path.is_file() and path.name[0] != ".")
