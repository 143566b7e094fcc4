"""The real `publish` of many publications at once, from one bundle file into prefixes of one bucket."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests import keys
from tests.cli.running import Ran, execute
from tests.faults.store import Objects, Store

ISSUER = "https://issuer.example"
OLD, NEW = ("gone", "stays"), ("stays", "comes")
"""The keys of the two generations: a rotation in which one key goes and one comes."""


@dataclass(frozen=True, kw_only=True)
class Run:
    """How one run of the command ended."""

    ran: Ran
    seconds: float
    publications: dict[str, dict[str, Any]] = field(init=False)

    def __post_init__(self) -> None:
        assert self.ran.out, self.ran.err
        named = {one["name"]: one for one in self.ran.json["publications"]}
        object.__setattr__(self, "publications", named)


@dataclass(frozen=True, kw_only=True)
class Publisher:
    """Publishes either generation. `old` has other settings too, so that a run writes all three objects."""

    folder: Path
    store: Store

    def publish(
        self,
        prefixes: Sequence[str],
        environment: Mapping[str, Any],
        *,
        kids: Sequence[str] = NEW,
        number: int | None = 2,
        timeout: int = 60,
        options: str = "",
    ) -> Run:
        """Run the command in a process of its own, each publication named like its prefix."""
        stem = f"{prefixes[0]}-{time.monotonic_ns()}"
        bundle, file = self.folder / f"{stem}.json", self.folder / f"{stem}.toml"
        members = {} if number is None else {"spiffe_sequence": number}
        bundle.write_bytes(keys.spiffe_bundle(*kids, **members))
        top = (
            f'source = "file:{bundle}"\ntrust_domain = "example.org"\nissuer = "{ISSUER}"\n'
            f'bucket_url = "{ISSUER}"\nverify_url = false\ntimeout = "{timeout}s"\n{options}\n'
        )
        tables = [
            f'[[publication]]\nname = "{prefix}"\nsink = "gs://{self.store.bucket}/{prefix}"\n'
            for prefix in prefixes
        ]
        file.write_text(top + "".join(tables))
        started = time.monotonic()
        ran = execute("publish", "--config", str(file), "--output", "json", **environment)
        return Run(ran=ran, seconds=time.monotonic() - started)

    def generation(self, prefix: str, kids: Sequence[str], number: int, options: str = "") -> Objects:
        """Publish one generation somewhere aside, and give what was published."""
        environment = self.store.emulator.environment
        run = self.publish([prefix], environment, kids=kids, number=number, options=options)
        assert run.ran.status == 0, run.ran.err
        return self.store.get(prefix)

    def both_generations(self) -> tuple[Objects, Objects]:
        """Give the old and the new publication; of the new one's manifest, times differ from run to run."""
        elsewhere = 'authorization_endpoint = "https://issuer.example/elsewhere"'
        return self.generation("old", OLD, 1, elsewhere), self.generation("new", NEW, 2)
