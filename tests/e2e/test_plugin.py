"""The plugin inside SPIRE's server, from its start to a revoked key; the stand-in runs the same suite."""

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import AUDIENCE, MakeStory
from tests.e2e.plugin_server import PluginServer, publisher_block, workers
from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.faults import ALWAYS, Fault, Kind
from tests.emulator.server import Emulator
from tests.peers.peer import PeerError
from tests.peers.programs import find_spire
from tests.peers.start import SPIRE
from tests.plugin.host import Host, is_alive, wait_for_end

Start = Callable[..., PluginServer]


def plugin_data(emulator: Emulator, bucket: str, **changes: object) -> str:
    issuer = emulator.public_url(bucket)
    members: dict[str, object] = {
        "sink": f"gs://{bucket}",
        "issuer": issuer,
        "bucket_url": issuer,
        "ca_file": str(emulator.ca_file),
        **changes,
    }
    return "\n".join(f"  {name} = {json.dumps(value)}" for name, value in members.items())


@pytest.fixture
def start(
    make_story: MakeStory, peer_kind: str, emulator: Emulator, bucket: str, tmp_path: Path
) -> Iterator[Start]:
    """Start a server whose plugin publishes to the bucket; its environment points the client there."""
    hosts: list[Host] = []

    def make(environment: dict[str, str] | None = None, **changes: object) -> PluginServer:
        text = plugin_data(emulator, bucket, **changes)
        environment = environment or emulator.environment
        story = make_story(
            bundle_publishers=publisher_block(text), server_environment={**os.environ, **environment}
        )
        if peer_kind == SPIRE:
            return PluginServer(story, None)
        hosts.append(Host(tmp_path, environment=environment, trust_domain=story.peer.trust_domain))
        hosts[0].start(text)
        return PluginServer(story, hosts[0])

    try:
        yield make
    finally:
        for host in hosts:
            host.close()


def test_from_the_start_to_a_revoked_key(start: Start) -> None:
    server = start()
    story, peer = server.story, server.story.peer
    server.wait_for(lambda: len(story.objects()) == 3)
    old = peer.mint_at_server(AUDIENCE)
    assert story.verifies(old)
    manifest = json.loads(story.objects()[".well-known/spire-oidc-publication.json"])
    assert manifest["source"] == "spire-plugin"
    assert manifest["keys"][0]["expires_at"], "SPIRE tells its plugins"

    prepared = peer.prepare()
    server.wait_for(server.published(prepared))
    peer.activate()
    new = peer.mint_at_server(AUDIENCE)
    assert story.verifies(new), "it was published before it signed"
    assert story.verifies(old)

    tainted = peer.taint()
    server.wait_for(lambda: "SRC002" in server.log())
    assert story.verifies(old), "tainted is not revoked: SPIRE has it still"
    assert peer.revoke() == tainted
    server.wait_for(lambda: not server.published(tainted)())
    assert not story.verifies(old)
    assert story.verifies(new)


def test_a_killed_worker_is_followed_by_another(start: Start) -> None:
    server = start()
    server.wait_for(lambda: len(server.story.objects()) == 3)
    for _ in range(2):
        supervisor, worker = server.processes()
        os.kill(worker, signal.SIGKILL)
        assert wait_for_end(worker)
        kid = server.story.peer.prepare()
        server.wait_for(server.published(kid))
        assert server.processes()[0] == supervisor


def test_a_worker_killed_at_any_write_is_finished_by_the_next(start: Start, fault_proxy: FaultProxy) -> None:
    killed: list[str] = []

    def kill_at(number: int) -> None:
        """Let the worker die when its write of that number, from 0, is done and its reply on the way."""
        writes: list[str] = []

        def kill(method: str, name: str) -> bool:
            if method != "POST":
                return False
            writes.append(name)
            if len(writes) != number + 1:
                return False
            for worker in workers():
                os.kill(worker, signal.SIGKILL)
            killed.append(name)
            return True

        fault_proxy.inject(Fault(kind=Kind.LOSE_REPLY, where=kill))

    kill_at(1)  # the configuration, of the first publication
    server = start(environment=fault_proxy.environment)
    server.wait_for(lambda: len(killed) == 1)
    server.wait_for(lambda: len(server.story.objects()) == 3)
    for number in (0, 1):  # the JWKS and the manifest of an update
        kill_at(number)
        kid = server.story.peer.prepare()
        server.wait_for(lambda dead=number + 2: len(killed) == dead)  # type: ignore[misc]
        server.wait_for(server.published(kid))
        next_kid = server.story.peer.prepare()
        server.wait_for(server.published(next_kid))
    assert server.story.verifies(server.story.peer.mint_at_server(AUDIENCE))


def test_a_bucket_that_is_down_and_back(start: Start, fault_proxy: FaultProxy) -> None:
    fault_proxy.inject(Fault(kind=Kind.RESET, times=ALWAYS))
    server = start(environment=fault_proxy.environment, timeout="3s")
    server.wait_for(lambda: "connection was reset" in server.log())
    kid = server.story.peer.prepare()
    assert server.story.objects() == {}
    fault_proxy.forget()
    server.wait_for(server.published(kid))


def test_both_processes_end_with_the_server(start: Start) -> None:
    server = start()
    processes = server.processes()
    server.wait_for(lambda: len(server.story.objects()) == 3)
    sockets = {Path(path).parent for pid in processes for path in _sockets(pid)}
    assert sockets
    server.kill_server()
    assert all(wait_for_end(pid) for pid in processes)
    if server.host is None:
        server.story.peer.start_server()  # all of the group were killed at once: the next plugin sweeps up
        server.processes()
    assert not any(folder.exists() for folder in sockets)
    assert not any(is_alive(pid) for pid in processes)


def test_wrong_settings_stop_the_server_with_place_and_remedy(start: Start, peer_kind: str) -> None:
    with pytest.raises((PeerError, AssertionError)) as caught:
        start(issuer="http://issuer.example")
    said = str(caught.value)
    assert re.search(r"plugin_data line \d+: issuer: issuer 'http://issuer.example' must be https", said), (
        said
    )


def test_spire_s_own_validate_judges_the_settings(start: Start, peer_kind: str) -> None:
    programs = find_spire()
    if peer_kind != SPIRE or programs is None:
        pytest.skip("`spire-server validate` is SPIRE's own: the stand-in has none")
    configuration = start().story.peer.directory / "server.conf"
    good = configuration.read_text()

    def validate(text: str) -> tuple[int, str]:
        configuration.write_text(text)
        ended = subprocess.run(
            [programs.server, "validate", "-config", str(configuration)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        return ended.returncode, ended.stdout + ended.stderr

    status, said = validate(good)
    assert status == 0, said
    bad, changed = re.subn(r'(?m)^(\s*issuer = ")https:', r"\1http:", good)
    assert changed == 1
    status, said = validate(bad)
    assert status != 0, said
    assert re.search(r"plugin_data line \d+: issuer: .* must be https; set issuer to", said), said


def _sockets(pid: int) -> list[str]:
    words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
    return [word for word in words if word.endswith("plugin.sock")]
