"""Who is compared at serving: ours and trivial ones, on the framework and bare, and SPIRE's own provider."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import certifi

from function.stage import stage
from tests import keys
from tests.bench.measure import BenchError
from tests.emulator.server import Emulator

OURS_ON, TRIVIAL_ON = "ours, functions framework", "trivial, functions framework"
STORAGE_ON = "trivial that imports google.cloud.storage"
OURS_BARE, TRIVIAL_BARE = "ours, bare", "trivial, bare"
KIDS = tuple(f"{number:032}" for number in range(5))
"""Four to five keys, of 32 characters, are what one SPIRE server has."""

ROOT = Path(__file__).parents[2]
ISSUER = "https://localhost"
_BUCKET = "serving"
_TRIVIAL = Path(__file__).with_name("trivial")
_CONTAINER = ROOT / "deploy" / "container"
_BARE_OPTIONS = ("--loop=uvloop", "--http=httptools", "--ws=none", "--no-access-log", "--log-level=error")


def provider(number: int) -> str:
    return f"SPIRE's OIDC discovery provider, {number} key{'' if number == 1 else 's'}"


@dataclass(frozen=True, kw_only=True)
class Contender:
    """A server to measure. `command` is told the port; `is_good` knows the document by its keys."""

    name: str
    command: Callable[[int], Sequence[str]]
    environment: Mapping[str, str]
    is_good: Callable[[bytes], bool]
    path: str = "/keys"
    only_starts: bool = False


def make_contenders(folder: Path, emulator: Emulator, python: Path) -> list[Contender]:
    """Publish to the emulator, stage what is deployed, and say how each server is started.

    `python` is an environment made of requirements/function.txt.
    """
    environment = _publish(folder, emulator)
    issuer = folder / "issuer"
    stage(issuer)
    for program in _CONTAINER.glob("*.py"):
        shutil.copyfile(program, issuer / program.name)
    trivial = {**environment, "PYTHONPATH": str(_TRIVIAL)}
    ours = {**environment, "PYTHONPATH": str(issuer)}

    def framework(name: str, source: Path, settings: Mapping[str, str], *, only_starts: bool) -> Contender:
        command = (str(python), "-m", "functions_framework", "--source", str(source), "--target", "serve")
        return Contender(
            name=name,
            command=lambda port: (*command, "--asgi", "--host", "127.0.0.1", "--port", str(port)),
            environment=settings,
            is_good=lambda body: _has(body, KIDS),
            only_starts=only_starts,
        )

    made = [
        framework(TRIVIAL_ON, _TRIVIAL / "target.py", trivial, only_starts=False),
        framework(STORAGE_ON, _TRIVIAL / "storage_target.py", trivial, only_starts=True),
        framework(OURS_ON, issuer / "main.py", ours, only_starts=False),
        Contender(
            name=TRIVIAL_BARE,
            command=lambda port: (
                *(str(python), "-m", "uvicorn", "application:application", "--port", str(port)),
                *(*_BARE_OPTIONS, "--no-proxy-headers", "--no-server-header"),
            ),
            environment=trivial,
            is_good=lambda body: _has(body, KIDS),
        ),
        Contender(
            name=OURS_BARE,
            # `env` becomes the server: the port is a variable here, as in Cloud Run.
            command=lambda port: ("/usr/bin/env", f"PORT={port}", str(python), str(issuer / "serve.py")),
            environment=ours,
            is_good=lambda body: _has(body, KIDS),
        ),
    ]
    found = shutil.which("oidc-discovery-provider", path=os.environ.get("SPIRE_BIN") or None)
    if found:
        made += [_provider(folder, found, environment, number) for number in (len(KIDS), 1)]
    return made


def _provider(folder: Path, program: str, environment: Mapping[str, str], number: int) -> Contender:
    bundle = folder / f"provider-{number}.json"
    bundle.write_bytes(keys.spiffe_bundle(*KIDS[:number], spiffe_sequence=1))

    def command(port: int) -> Sequence[str]:
        settings = folder / f"provider-{number}.conf"
        settings.write_text(
            'log_level = "error"\ndomains = ["localhost", "127.0.0.1"]\nallow_insecure_scheme = true\n'
            f'insecure_addr = "127.0.0.1:{port}"\nfile {{ path = {json.dumps(str(bundle))} }}\n'
        )
        return (program, "-config", str(settings))

    return Contender(
        name=provider(number),
        command=command,
        environment=environment,
        is_good=lambda body: _has(body, KIDS[:number]),
    )


def _publish(folder: Path, emulator: Emulator) -> Mapping[str, str]:
    """Publish to the emulator's bucket; give the environment of all servers."""
    emulator.make_bucket(_BUCKET)
    bundle, document = folder / "serving-bundle.json", folder / "serving-keys.json"
    bundle.write_bytes(keys.spiffe_bundle(*KIDS, spiffe_sequence=1))
    ours = ("SPIRE_OIDC_PUBLISHER_", "SPIFFE_", "PYTHON", "COVERAGE", "GOMAXPROCS")
    environment = {name: value for name, value in os.environ.items() if not name.startswith(ours)}
    # Google's roots are what a real start reads as well.
    authorities = folder / "serving-authorities.pem"
    authorities.write_bytes(Path(certifi.where()).read_bytes() + emulator.ca_file.read_bytes())
    environment |= {**emulator.environment, "REQUESTS_CA_BUNDLE": str(authorities)}
    words = ("publish", "--no-verify-url", "--source", f"file:{bundle}", "--trust-domain", "example.org")
    place = ("--sink", f"gs://{_BUCKET}", "--issuer", ISSUER, "--bucket-url", ISSUER)
    done = subprocess.run(
        (sys.executable, "-m", "publisher", *words, *place),
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    found = emulator.download(_BUCKET, "keys")
    if done.returncode or found is None:
        raise BenchError(f"publish: {done.stderr[-1000:]}")
    document.write_bytes(found[0])
    return {
        **environment,
        "BENCH_DOCUMENT": str(document),
        "SPIRE_OIDC_PUBLISHER_SINK": f"gs://{_BUCKET}",
        "SPIRE_OIDC_PUBLISHER_ISSUER": ISSUER,
    }


def _has(body: bytes, kids: Sequence[str]) -> bool:
    return {key["kid"] for key in json.loads(body)["keys"]} == set(kids)
