"""`gcp svid-files` as a process: once, as a service, and beside an agent that comes and goes."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.gcp.scripted_agent import Agent, Identity, running_agent
from tests.peers.peer import PeerOptions
from tests.peers.programs import ABSENT, find_spire
from tests.peers.reading import eventually
from tests.peers.start import SPIRE, start_peer

LIMIT = 60.0


@pytest.fixture
def agent() -> Iterator[Agent]:
    with running_agent() as running:
        yield running


def command(path: Path, *arguments: str) -> list[str]:
    words = ["gcp", "svid-files", "--folder", str(path), "--audience", "//aud", "--timeout", "3s"]
    return [sys.executable, "-m", "publisher", *words, *arguments]


def once(path: Path, endpoint: str, *arguments: str, status: int = 0) -> str:
    ended = subprocess.run(
        command(path, *arguments),
        env={**os.environ, "SPIFFE_ENDPOINT_SOCKET": endpoint},
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert ended.returncode == status, ended.stderr
    assert ended.stdout == ""
    assert "eyJ" not in ended.stderr
    assert "PRIVATE KEY" not in ended.stderr
    return ended.stderr


class Service:
    """A running `--watch`, and what it tells systemd."""

    def __init__(self, path: Path, endpoint: str, log: Path, *arguments: str) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="notify-", dir="/tmp"))
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.folder / "notify.sock"))
        self._socket.setblocking(False)
        self.log = log
        self.told: list[str] = []
        environment = {"SPIFFE_ENDPOINT_SOCKET": endpoint, "NOTIFY_SOCKET": str(self.folder / "notify.sock")}
        with log.open("w") as output:
            self.process = subprocess.Popen(
                command(path, "--watch", *arguments),
                env={**os.environ, **environment},
                stdout=subprocess.DEVNULL,
                stderr=output,
            )

    def said(self, words: str) -> bool:
        """Tell whether systemd has been told these words."""
        while True:
            try:
                self.told.append(self._socket.recv(4096).decode())
            except BlockingIOError:
                return any(words in each for each in self.told)

    def stop(self, number: signal.Signals = signal.SIGTERM) -> tuple[int, float]:
        """End it; give its status and the seconds that it took."""
        begun = time.monotonic()
        self.process.send_signal(number)
        return self.process.wait(LIMIT), time.monotonic() - begun

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        self._socket.close()
        shutil.rmtree(self.folder, ignore_errors=True)


@contextmanager
def watching(path: Path, endpoint: str, *arguments: str) -> Iterator[Service]:
    service = Service(path, endpoint, path.parent / "log", *arguments)
    try:
        yield service
    finally:
        service.close()


def bodies(path: Path) -> tuple[bytes, bytes]:
    return (path / "jwt_svid.token").read_bytes(), (path / "svid.pem").read_bytes()


def test_once_writes_both_or_the_one_that_is_wanted(agent: Agent, tmp_path: Path) -> None:
    said = once(tmp_path / "both", agent.endpoint)
    assert "JWT-SVID of spiffe://example.org/app until" in said
    assert "X.509-SVID of spiffe://example.org/app until" in said
    once(tmp_path / "one", agent.endpoint, "--svids", "jwt")
    assert not (tmp_path / "one/svid.pem").exists()
    once(tmp_path / "other", agent.endpoint, "--svids", "x509")
    assert not (tmp_path / "other/jwt_svid.token").exists()


def test_failures_have_their_status_and_leave_what_is_there(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "svids"
    once(path, agent.endpoint)
    before = bodies(path)
    agent.identities = []
    assert "register it" in once(path, agent.endpoint, status=75)
    agent.identities = [Identity(hint="one"), Identity(spiffe_id="spiffe://example.org/other", hint="two")]
    assert "choose one with --spiffe-id" in once(path, agent.endpoint, status=78)
    agent.mangle = b"\xff\xff"
    once(path, agent.endpoint, status=65)
    agent.mangle, agent.claims = None, {"iss": None}
    assert "set jwt_issuer" in once(path, agent.endpoint, "--svids", "jwt", "--hint", "one", status=78)
    agent.kill()
    once(path, agent.endpoint, status=75)
    assert bodies(path) == before
    path.chmod(0o777)
    assert "can be written by others" in once(path, agent.endpoint, status=78)


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        (("--svids", "wit"), 2),
        (("--seen-at", "svids"), 2),
        (("--provider", "nonsense"), 2),
        (("--group", "no-such-group"), 78),
        (("--spiffe-id", "spiffe://example.org/../x"), 2),
    ],
)
def test_bad_settings_are_refused(tmp_path: Path, arguments: tuple[str, ...], status: int) -> None:
    once(tmp_path / "svids", "unix:///absent", *arguments, status=status)
    assert not (tmp_path / "svids").exists()


def test_a_service_follows_rotations_and_outlives_its_agent(agent: Agent, tmp_path: Path) -> None:
    path = tmp_path / "svids"
    agent.jwt_life = 4.0
    agent.kill()
    with watching(path, agent.endpoint) as service:
        assert eventually(lambda: service.said("no JWT-SVID yet"))
        assert not service.said("READY=1")
        agent.start()
        assert eventually(lambda: service.said("READY=1"))
        first = bodies(path)
        assert eventually(lambda: bodies(path)[0] != first[0]), "renewed at half of its life"
        agent.rotate()
        assert eventually(lambda: bodies(path)[1] != first[1])
        agent.identities = []
        agent.kill()
        agent.start()
        assert eventually(lambda: service.said("knows no") or service.said("no identity"))
        second = bodies(path)
        assert eventually(lambda: "ran out at" in service.log.read_text())
        assert bodies(path) == second, "what was there stays"
        agent.identities = [Identity()]
        agent.rotate()
        assert eventually(lambda: bodies(path)[0] != second[0] and bodies(path)[1] != second[1])
        assert "held it" in once(path, agent.endpoint, status=75)
        status, seconds = service.stop()
        assert (status, seconds < 5) == (0, True)
        assert service.said("STOPPING=1")
    log = service.log.read_text()
    assert "eyJ" not in log
    assert "unexpected" not in log


@pytest.mark.parametrize("is_silent", [False, True])
def test_a_service_ends_in_time_whatever_its_agent_does(
    agent: Agent, tmp_path: Path, is_silent: bool
) -> None:
    agent.silent = is_silent
    if not is_silent:
        agent.kill()
    with watching(tmp_path / "svids", agent.endpoint, "--timeout", "60s") as service:
        assert eventually(lambda: service.said("yet"))
        time.sleep(1)
        service.process.send_signal(signal.SIGHUP)
        status, seconds = service.stop(signal.SIGINT)
        assert (status, seconds < 5) == (0, True)


def test_a_service_beside_real_spire(tmp_path: Path) -> None:
    if find_spire() is None:
        pytest.skip(ABSENT)
    peer = start_peer(SPIRE, PeerOptions(jwt_issuer="https://issuer.example", svid_ttl=10))
    path = tmp_path / "svids"
    try:
        with watching(path, peer.workload_api) as service:
            assert eventually(lambda: service.said("READY=1"))
            first: Any = bodies(path)
            assert eventually(lambda: bodies(path)[0] != first[0])
            peer.kill_agent()
            peer.start_agent()
            assert eventually(lambda: bodies(path)[1] != first[1])
            assert service.stop()[0] == 0
    finally:
        peer.stop()
