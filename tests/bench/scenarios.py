"""What is measured: the floor of the libraries, and our command at several sizes and sources."""

import os
import sys
from collections.abc import Mapping, Sequence
from itertools import count
from pathlib import Path

import certifi

from tests import keys
from tests.bench.measure import Scenario
from tests.emulator.server import Emulator
from tests.peers.peer import SpirePeer
from tests.peers.programs import SpirePrograms

FLOOR = "import of the libraries (the floor)"
HELP = "--help"
LIBRARIES = "import google.cloud.storage, spiffe, click, jwcrypto.jwk"
FEW, MANY = 5, 1000
KEYS = (FEW, MANY, 2 * MANY)
PUBLICATIONS = (1, 100, 200)

_BUCKET = "bench"
_PUBLIC = "https://storage.googleapis.com"
_AUDIENCE = "https://relying-party.example"


def nothing(keys: int = FEW, publications: int = 1) -> str:
    return f"nothing to do, {_amount(keys, 'key')}, {_amount(publications, 'publication')}"


def first(keys: int = FEW, publications: int = 1) -> str:
    return f"first publish, {_amount(keys, 'key')}, {_amount(publications, 'publication')}"


def from_peer(peer: SpirePeer, source: str) -> str:
    return f"nothing to do, {source} of {peer.name.split(' at ')[0]}"


def _amount(number: int, what: str) -> str:
    return f"{number:,} {what}{'' if number == 1 else 's'}"


class Bench:
    """Make scenarios in one folder and one bucket."""

    def __init__(self, folder: Path, emulator: Emulator) -> None:
        self._folder = folder
        self._numbers = count()
        emulator.make_bucket(_BUCKET)
        # Google's roots are what a real run reads as well.
        authorities = folder / "authorities.pem"
        authorities.write_bytes(Path(certifi.where()).read_bytes() + emulator.ca_file.read_bytes())
        ours = ("SPIRE_OIDC_PUBLISHER_", "SPIFFE_", "PYTHON", "COVERAGE")
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
        self.environment: Mapping[str, str] = {
            **inherited,
            **emulator.environment,
            "REQUESTS_CA_BUNDLE": str(authorities),
        }

    def scenarios(self, peers: Sequence[SpirePeer], programs: SpirePrograms | None) -> list[Scenario]:
        made = [
            self._fixed("python -c pass", sys.executable, "-c", "pass"),
            self._fixed(FLOOR, sys.executable, "-c", LIBRARIES),
            self._fixed(HELP, *_publisher("--help")),
            *(self._first(first(number), number, 1) for number in (FEW, MANY)),
            *(self._nothing(nothing(number), number, 1) for number in KEYS),
            self._first(first(FEW, PUBLICATIONS[-1]), FEW, PUBLICATIONS[-1]),
            *(self._nothing(nothing(FEW, number), FEW, number) for number in PUBLICATIONS[1:]),
            self._nothing(
                f"{nothing(FEW, PUBLICATIONS[-1])}, each its own source", FEW, PUBLICATIONS[-1], own=True
            ),
        ]
        for peer in peers:
            sources = (f"workload-api:{peer.workload_api}", f"server-api:{peer.server_api}")
            made += [self._of_peer(peer, source) for source in sources]
            if programs and programs.version in peer.name:
                words = ("-socketPath", peer.workload_api.removeprefix("unix://"), "-audience", _AUDIENCE)
                command = (str(programs.agent), "api", "fetch", "jwt", *words)
                made.append(self._fixed("spire-agent api fetch jwt", *command))
        return made

    def _fixed(self, name: str, *command: str) -> Scenario:
        return Scenario(name=name, command=lambda: command, environment=self.environment, has_bucket=False)

    def _first(self, name: str, number: int, publications: int) -> Scenario:
        """Publish to places where nothing is: new ones for each run."""
        return Scenario(
            name=name,
            command=lambda: self._publish(number, publications, own=False),
            environment=self.environment,
        )

    def _nothing(self, name: str, number: int, publications: int, *, own: bool = False) -> Scenario:
        """Publish what is there already; the warm-up round is the one that put it there."""
        command = self._publish(number, publications, own=own)
        return Scenario(name=name, command=lambda: command, environment=self.environment)

    def _of_peer(self, peer: SpirePeer, source: str) -> Scenario:
        place = f"{_BUCKET}/r{next(self._numbers)}"
        command = _publisher(
            *("publish", "--no-verify-url", "--source", source),
            *("--sink", f"gs://{place}", "--issuer", f"{_PUBLIC}/{place}"),
        )
        kind = source.partition(":")[0]
        return Scenario(name=from_peer(peer, kind), command=lambda: command, environment=self.environment)

    def _publish(self, number: int, publications: int, *, own: bool) -> tuple[str, ...]:
        run = f"r{next(self._numbers)}"
        bundle = self._bundle(number)
        if publications == 1:
            place = f"{_BUCKET}/{run}"
            return _publisher(
                *("publish", "--no-verify-url", "--source", f"file:{bundle}"),
                *("--trust-domain", keys.EXAMPLE_ORG.name),
                *("--sink", f"gs://{place}", "--issuer", f"{_PUBLIC}/{place}"),
            )
        lines = ["verify_url = false", f'trust_domain = "{keys.EXAMPLE_ORG.name}"']
        for publication in range(publications):
            place = f"{_BUCKET}/{run}/p{publication}"
            source = bundle
            if own:
                source = self._folder / f"{run}-{publication}.json"
                source.write_bytes(bundle.read_bytes())
            lines += ["[[publication]]", f'name = "p{publication}"', f'source = "file:{source}"']
            lines += [f'sink = "gs://{place}"', f'issuer = "{_PUBLIC}/{place}"']
        settings = self._folder / f"{run}.toml"
        settings.write_text("\n".join(lines))
        return _publisher("publish", "--config", str(settings))

    def _bundle(self, number: int) -> Path:
        path = self._folder / f"bundle-{number}.json"
        if not path.exists():
            kids = (f"kid-{place}" for place in range(number))
            path.write_bytes(keys.spiffe_bundle(*kids, spiffe_sequence=1))
        return path


def _publisher(*arguments: str) -> tuple[str, ...]:
    return (sys.executable, "-m", "publisher", *arguments)
