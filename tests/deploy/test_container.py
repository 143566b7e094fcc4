"""The container: what can be shown of it without an engine."""

import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from function.stage import ROOT
from publisher.sinks.directory import DirectorySink
from publisher.wiring import SystemClock
from tests.deploy.containers import (
    CONTAINER,
    CONTAINERFILE,
    Running,
    command,
    free_port,
    image,
    instructions,
    of_last_stage,
    running,
    variables,
)
from tests.doubles import ListedSource
from tests.worlds import SETTINGS, World, bundle

PATH = "/my-bucket/"
KEYS = f"{PATH}keys"
DATE = re.compile(rb"\r\ndate: [^\r]+")
REQUIREMENT = re.compile(r"^([a-z0-9-]+)==(\S+).*\\$", re.MULTILINE)


def get(path: str, *headers: str, method: str = "GET", version: str = "1.1") -> bytes:
    lines = [f"{method} {path} HTTP/{version}", "Host: issuer.example", *headers]
    return "".join(f"{line}\r\n" for line in (*lines, "")).encode()


CLOSE = get("/nothing-is-here", "Connection: close")


@pytest.fixture(scope="module")
def folder() -> Iterator[Path]:
    with image() as made:
        yield made


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory, folder: Path) -> dict[str, str]:
    sink = folder.parent / "documents"
    sink.mkdir(mode=0o755)
    world = World(sink=DirectorySink(sink), clock=SystemClock())  # type: ignore[arg-type]  # the real ones
    world.publish(source=ListedSource(bundle("one", "two", sequence_number=1)))
    return {
        **variables(),
        "SPIRE_OIDC_PUBLISHER_SINK": str(sink),
        "SPIRE_OIDC_PUBLISHER_ISSUER": str(SETTINGS.issuer),
    }


@pytest.fixture(scope="module")
def server(folder: Path, settings: dict[str, str]) -> Iterator[Running]:
    with running_command(folder, settings) as started:
        yield started


@pytest.fixture(scope="module")
def plain(folder: Path, settings: dict[str, str]) -> Iterator[Running]:
    """The same application in uvicorn's own way."""
    port = free_port()
    words = [sys.executable, "-m", "uvicorn", "asgi:application", "--port", str(port), "--loop", "uvloop"]
    words += ["--http", "httptools", "--ws", "none", "--no-server-header", "--no-proxy-headers"]
    with running(words, folder, folder.parent / "plain.log", settings, port) as started:
        yield started


def running_command(folder: Path, settings: dict[str, str]) -> AbstractContextManager[Running]:
    """Run the CMD, with this interpreter in place of the image's."""
    port = free_port()
    words = [sys.executable, *command()[1:]]
    return running(words, folder, folder.parent / "server.log", {**settings, "PORT": str(port)}, port)


def test_everything_that_is_copied_is_there() -> None:
    copied = [one.words for one in instructions() if one.name == "COPY"]
    here = [words[:-1] for words in copied if not words[0].startswith("--from=")]
    assert [name for names in here for name in names if not (ROOT / name).exists()] == []
    programs = {str(path.relative_to(ROOT)) for path in CONTAINER.glob("*.py")}
    assert programs <= {name for names in here for name in names}
    # The name of the virtual environment is in its programs: it must not move between the stages.
    assert ["--from=build", "/app", "/app"] in copied


def test_it_runs_as_nobody_ends_on_sigterm_and_listens_where_it_is_told() -> None:
    (user,) = of_last_stage("USER")
    (stop,) = of_last_stage("STOPSIGNAL")
    (port,) = of_last_stage("EXPOSE")
    # A number: Kubernetes cannot tell by a name that it is not root.
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", user.text)
    assert stop.text == "SIGTERM"
    assert variables()["PORT"] == port.text
    assert command() == ["/app/venv/bin/python", "serve.py"]


def test_what_is_installed_is_locked_with_hashes_and_is_what_the_function_has() -> None:
    assert "--require-hashes --requirement requirements/container.txt" in CONTAINERFILE.read_text()
    lock = (ROOT / "requirements" / "container.txt").read_text()
    ours = dict(REQUIREMENT.findall(lock))
    function = dict(REQUIREMENT.findall((ROOT / "requirements" / "function.txt").read_text()))
    assert ours.items() <= function.items()
    assert {"uvicorn", "uvloop", "httptools", "google-cloud-storage"} <= ours.keys()
    assert not {"functions-framework", "flask", "grpcio", "spiffe"} & ours.keys()
    assert lock.count("--hash=sha256:") >= len(ours)
    assert not re.search(r"^\S+==\S+[^\\]*$", lock, re.MULTILINE)  # each goes on with its hashes
    assert "://" not in lock


def test_the_command_answers_from_a_folder_that_it_cannot_write(server: Running, folder: Path) -> None:
    answer = server.exchange(get(KEYS) + CLOSE)
    assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b'"kid":"one"' in answer
    assert not list(folder.rglob("__pycache__"))


REQUESTS = {
    "a document": get(KEYS),
    "the configuration": get(f"{PATH}.well-known/openid-configuration"),
    "the manifest": get(f"{PATH}.well-known/spire-oidc-publication.json"),
    "HEAD": get(KEYS, method="HEAD"),
    "a condition that holds": get(KEYS, "If-None-Match: *"),
    "a condition that fails": get(KEYS, 'if-none-match: "another"'),
    "an old date": get(KEYS, "If-Modified-Since: Sat, 29 Oct 1994 19:43:31 GMT"),
    "a body with a GET": get(KEYS, "Content-Length: 5") + b"hello",
    "chunks with a GET": get(KEYS, "Transfer-Encoding: chunked") + b"5\r\nhello\r\n0\r\n\r\n",
    "an expectation": get(KEYS, "Expect: 100-continue", "Content-Length: 5") + b"hello",
    "another method": get(KEYS, "Content-Length: 2", method="POST") + b"{}",
    "another path": get("/elsewhere"),
    "a query": get(f"{KEYS}?a=b"),
    "an escaped path": get(KEYS.replace("k", "%6b")),
    "an absolute URL": get(f"http://issuer.example{KEYS}"),
    "many at once": (get(KEYS) + get("/elsewhere") + get(KEYS, method="HEAD")) * 20,
    "the end of a connection": get(KEYS, "Connection: close"),
    "HTTP/1.0": get(KEYS, version="1.0"),
    "HTTP/1.0, kept alive": get(KEYS, "Connection: keep-alive", version="1.0"),
    "no HTTP": b"hello\r\n\r\n",
    "a bad header": b"GET / HTTP/1.1\r\nno colon\r\n\r\n",
}


@pytest.mark.parametrize("name", REQUESTS)
def test_the_short_way_answers_the_same_bytes_as_the_long_one(
    name: str, server: Running, plain: Running
) -> None:
    # What follows shows that the connection is in order, and ends it.
    sent = REQUESTS[name] + get(KEYS) + CLOSE
    mine, theirs = (DATE.sub(b"", one.exchange(sent)) for one in (server, plain))
    assert mine == theirs
    assert mine.startswith(b"HTTP/1.")


def test_an_upgrade_is_declined_in_the_same_bytes(server: Running, plain: Running) -> None:
    # Nothing follows here: the server waits for a protocol that will not be spoken.
    sent = get(KEYS, "Connection: Upgrade", "Upgrade: h2c")
    mine, theirs = (DATE.sub(b"", one.exchange(sent, end=b"]}")) for one in (server, plain))
    assert mine == theirs
    assert mine.startswith(b"HTTP/1.1 200 OK\r\n")


def test_a_client_that_reads_late_gets_every_answer_in_order(server: Running) -> None:
    answer = server.exchange(get(KEYS) * 3000 + get(f"{PATH}elsewhere") + CLOSE)
    assert answer.count(b"HTTP/1.1 200 OK\r\n") == 3000
    assert answer.rindex(b"200 OK") < answer.index(b"404 Not Found")


def test_sigterm_ends_it(folder: Path, settings: dict[str, str]) -> None:
    with running_command(folder, settings) as started:
        started.exchange(get(KEYS) + CLOSE)
        started.process.send_signal(signal.SIGTERM)
        # As PID 1 of a container it ends with 0: there the signal that uvicorn raises again does nothing.
        assert started.process.wait(timeout=10) in (0, -signal.SIGTERM)
        assert "ERROR" not in started.log


def test_wrong_settings_are_in_the_log_and_answered_with_503(folder: Path, settings: dict[str, str]) -> None:
    with running_command(folder, {**settings, "SPIRE_OIDC_PUBLISHER_ISSUER": "http://issuer"}) as started:
        assert started.exchange(CLOSE).startswith(b"HTTP/1.1 503 Service Unavailable\r\n")
        assert "SPIRE_OIDC_PUBLISHER_ISSUER" in started.log


@pytest.mark.parametrize("port", ["http", "0", "65536", "-1", "8 0", "\u0663\u0663"])
def test_a_wrong_port_is_said_in_one_line(port: str, folder: Path, settings: dict[str, str]) -> None:
    done = subprocess.run(
        [sys.executable, *command()[1:]],
        cwd=folder,
        env={**settings, "PORT": port},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 78
    assert done.stderr.splitlines()[-1].startswith("PORT: ")
