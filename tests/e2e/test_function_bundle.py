"""The folder that is deployed starts in an empty virtual environment made from its own requirements."""

import ast
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from publisher.sinks.directory import DirectorySink
from publisher.wiring import SystemClock
from tests.doubles import ListedSource
from tests.function.processes import ROOT, running
from tests.worlds import SETTINGS, World, bundle

pytestmark = pytest.mark.e2e
FORBIDDEN = {"grpc", "spiffe", "click"}
SECONDS = 300


@pytest.fixture(scope="module")
def staged() -> Path:
    subprocess.run(["make", "function-bundle"], cwd=ROOT, check=True, timeout=SECONDS, capture_output=True)
    return ROOT / "build" / "function"


@pytest.fixture(scope="module")
def python(staged: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    """Install the bundle's requirements, by digest, into an environment that has nothing of ours."""
    folder = tmp_path_factory.mktemp("environment")
    venv.create(folder, with_pip=True)
    executable = str(folder / "bin" / "python")
    command = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes"]
    requirements = ["--requirement", str(staged / "requirements.txt")]
    done = subprocess.run(
        [executable, *command, *requirements], timeout=SECONDS, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return executable


def test_no_module_of_ours_in_it_imports_what_is_forbidden(staged: Path) -> None:
    modules = sorted(staged.rglob("*.py"))
    assert staged / "main.py" in modules
    assert staged / "asgi.py" in modules
    for path in modules:
        for node in ast.walk(ast.parse(path.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            assert not {name.partition(".")[0] for name in names} & FORBIDDEN, path


def test_its_lock_has_neither_grpc_nor_spiffe_and_pins_everything(staged: Path) -> None:
    lines = (staged / "requirements.txt").read_text().splitlines()
    pinned = [line.partition("==")[0] for line in lines if "==" in line]
    assert {"functions-framework", "google-cloud-storage", "uvloop", "httptools"} <= set(pinned)
    assert not {"grpcio", "grpcio-status", "spiffe"} & set(pinned)
    assert not any("://" in line or line.startswith("-") for line in lines), "no address of any index"
    assert sum("--hash=sha256:" in line for line in lines) >= len(pinned)


@pytest.mark.parametrize("target", ["serve", "bare"])
def test_it_starts_there_and_serves(target: str, staged: Path, python: str, tmp_path: Path) -> None:
    issuer = tmp_path / "issuer"
    issuer.mkdir()
    world = World(sink=DirectorySink(issuer), clock=SystemClock())  # type: ignore[arg-type]  # the real ones
    world.publish(source=ListedSource(bundle("a")))
    settings = {"SINK": str(issuer), "ISSUER": str(SETTINGS.issuer)}
    with running(target, tmp_path, settings, python=python, source=staged) as process:
        assert process.ask("/my-bucket/keys").json["keys"][0]["kid"] == "a"
        assert process.ask("/status").json["state"] == "fresh"
        assert process.ask("/status", headers={"Accept": "text/html"}).status == 200
        assert process.ask("/metrics").body.endswith(b"# EOF\n")


def test_the_client_of_the_bucket_is_there_too_and_nothing_forbidden_is_loaded(
    staged: Path, python: str, tmp_path: Path
) -> None:
    program = (
        "import os, sys; sys.path.insert(0, sys.argv[1]); "
        "from spire_oidc_function.wiring import make_store, make_application; "
        "from spire_oidc_function.settings import Settings; "
        "from spire_oidc_function.clock import SystemClock; "
        "from publisher.ports import Deadline; from publisher.errors import PublisherError\n"
        "for place in ({'SINK': 'gs://my-bucket'},"
        " {'SOURCE': 'bundle-endpoint:https://127.0.0.1:9/', 'TRUST_DOMAIN': 'example.org'}):\n"
        "    values = {'SPIRE_OIDC_PUBLISHER_' + k: v for k, v in"
        " (place | {'ISSUER': 'https://issuer.example'}).items()}\n"
        "    make_application(Settings.read(values))\n"
        "    try:\n"
        "        make_store(Settings.read(values)).read(Deadline(SystemClock(), 1))\n"
        "    except PublisherError as error:\n"
        "        print(type(error).__name__)\n"
        "print([name for name in ('grpc', 'spiffe', 'click') if name in sys.modules])\n"
    )
    done = subprocess.run(
        [python, "-c", program, str(staged)],
        cwd=tmp_path,
        env={"STORAGE_EMULATOR_HOST": "http://127.0.0.1:9", "PATH": "/usr/bin:/bin"},
        timeout=60,
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.splitlines() == ["SinkUnavailableError", "SourceUnavailableError", "[]"], done.stderr
    assert sys.executable != python
