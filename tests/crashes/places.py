"""A directory, a state file and a bundle file of one run, copied from a prepared one."""

import json
import shutil
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from tests.crashes.launcher import Launcher, Order, Ran, Started, clean_environment, ignore
from tests.crashes.reader import ISSUER, Fetch, files_below
from tests.crashes.scenarios import OVERRIDES, TAMPERING, Scenario, assert_lists, assert_published
from tests.crashes.steps import Point

LOCK = ".spire-oidc-publisher.lock"
STATE_LOCK = ".spire-oidc-publisher.state.json.lock"


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where one publication lives: here a directory. `options` are added to every run."""

    folder: Path
    scenario: Scenario
    options: tuple[str, ...] = ()
    umask: int = 0o077
    uid: int | None = None

    @property
    def public(self) -> Path:
        return self.folder / "public"

    @property
    def state(self) -> Path:
        return self.folder / "state" / "state.json"

    @property
    def bundle(self) -> Path:
        return self.folder / "bundle.json"

    @property
    def sink(self) -> tuple[str, ...]:
        return ("--sink", str(self.public))

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment()

    @cached_property
    def fetch(self) -> Fetch:
        """Read as relying parties do."""
        return files_below(self.public)

    def arguments(self, *more: str) -> list[str]:
        source = ["--source", f"file:{self.bundle}", "--trust-domain", "example.org"]
        state = ["--state-file", str(self.state)] if self.scenario.state_file else []
        wanted = [*source, *self.sink, "--issuer", ISSUER, "--no-verify-url", *state]
        return ["publish", *wanted, "--output", "json", *self.options, *more]

    def run(self, launcher: Launcher, *more: str, started: Started = ignore, **how: Any) -> Ran:
        order = {
            "arguments": self.arguments(*more),
            "folder": str(self.folder),
            "roots": [str(self.public), str(self.state.parent)],
            "environment": self.environment,
            "umask": self.umask,
            "uid": self.uid,
        }
        return launcher.run(Order(**{**order, **how}), started)

    def interrupt(self, launcher: Launcher, point: Point | None = None, **how: Any) -> Ran:
        """Run the scenario's publication, to the end or to a point."""
        return self.run(launcher, *self.scenario.overrides, point=point, **how)

    def prepare(self, launcher: Launcher) -> None:
        """Make the world of before the interrupted run."""
        for folder in (self.public, self.state.parent):
            folder.mkdir(parents=True)
            folder.chmod(0o755)
            self.own(folder)
        for path, body in self.scenario.foreign_documents().items():
            self.put(path, body)
        if self.scenario.earlier:
            self.has(self.scenario.earlier_bundle)
            ran = self.run(launcher)
            assert ran.status == 0, ran.err
        self.has(self.scenario.bundle)

    def put(self, path: str, body: bytes) -> None:
        """Publish a document by hand."""
        file = self.public / path
        file.parent.mkdir(exist_ok=True)
        file.write_bytes(body)
        for one, mode in ((file.parent, 0o755), (file, 0o644)):
            one.chmod(mode)
            self.own(one)

    def has(self, bundle: bytes) -> None:
        """Let this be SPIRE's trust bundle."""
        self.bundle.write_bytes(bundle)
        self.bundle.chmod(0o644)

    def own(self, path: Path) -> None:
        if self.uid is not None:
            shutil.chown(path, self.uid, self.uid)

    def copied(self, name: str) -> Self:
        """Copy everything, owners included, beside this place."""
        there = replace(self, folder=self.folder.parent / name)
        shutil.copytree(self.folder, there.folder)
        for path in (there.public, there.state.parent):
            for one in (path, *path.rglob("*")):
                self.own(one)
        return there

    def names(self) -> set[str]:
        """List what lies at the sink."""
        below = {str(one.relative_to(self.public)) for one in self.public.rglob("*")}
        return below - {".well-known", LOCK}

    def assert_repaired(self, launcher: Launcher) -> None:
        """The next ordinary run finishes what was begun; the one after it has nothing to do."""
        ran = self.run(launcher)
        if ran.status == 65 and self.scenario.overrides:
            # Killed before anything was on record: the person's decision has not taken effect yet.
            there = self.fetch("keys")
            assert there is not None
            assert {key["kid"] for key in json.loads(there)["keys"]} == set(self.scenario.earlier)
            ran = self.run(launcher, *OVERRIDES)
        assert ran.status == 0, ran.err
        assert not TAMPERING & set(ran.codes), ran.err
        self.assert_done()
        again = self.run(launcher)
        assert again.status == 0, again.err
        assert (again.publication["changed"], again.publication["written"], again.codes) == (False, [], [])
        self.assert_done()

    def assert_done(self) -> None:
        """The bundle is published; nothing lies about but documents, state file and locks."""
        documents = assert_published(self.fetch, self.scenario)
        assert self.names() == documents.keys()
        if self.scenario.state_file:
            assert {one.name for one in self.state.parent.iterdir()} == {"state.json", STATE_LOCK}
            assert_lists(json.loads(self.state.read_bytes()), documents, self.scenario)
