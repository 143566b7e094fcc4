"""The container's command, in an empty virtual environment made from its own lock."""

import shutil
import subprocess
import tempfile
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from function.stage import ROOT
from publisher.sinks.directory import DirectorySink
from publisher.wiring import SystemClock
from tests.deploy.containers import command, free_port, image, running, variables
from tests.doubles import ListedSource
from tests.worlds import SETTINGS, World, bundle

pytestmark = pytest.mark.e2e
SECONDS = 300
ASK = b"GET /my-bucket/keys HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"


@pytest.fixture(scope="module")
def python() -> Iterator[str]:
    # Not pytest's folder, which only its owner may enter.
    folder = Path(tempfile.mkdtemp(prefix="environment-", dir="/tmp"))
    try:
        folder.chmod(0o755)
        venv.create(folder, with_pip=True)
        executable = str(folder / "bin" / "python")
        options = ["--quiet", "--disable-pip-version-check", "--only-binary", ":all:", "--require-hashes"]
        lock = ["--requirement", str(ROOT / "requirements" / "container.txt")]
        done = subprocess.run(
            [executable, "-m", "pip", "install", *options, *lock],
            timeout=SECONDS,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        yield executable
    finally:
        shutil.rmtree(folder)


def test_the_command_answers(python: str, tmp_path: Path) -> None:
    with image() as folder:
        sink = folder.parent / "documents"
        sink.mkdir(mode=0o755)
        world = World(sink=DirectorySink(sink), clock=SystemClock())  # type: ignore[arg-type]  # the real ones
        world.publish(source=ListedSource(bundle("one", sequence_number=1)))
        port = free_port()
        settings = {
            **variables(),
            "PORT": str(port),
            "SPIRE_OIDC_PUBLISHER_SINK": str(sink),
            "SPIRE_OIDC_PUBLISHER_ISSUER": str(SETTINGS.issuer),
        }
        with running([python, *command()[1:]], folder, tmp_path / "log", settings, port) as started:
            answer = started.exchange(ASK)
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b'"kid":"one"' in answer


def test_a_bucket_can_be_read_with_what_is_there(python: str) -> None:
    with image() as folder:
        modules = "publisher.sinks.gcs, publisher.sources.bundle_endpoint"
        words = f"import sys, {modules}; sys.exit('grpc' in sys.modules)"
        done = subprocess.run([python, "-c", words], cwd=folder, timeout=60, capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
