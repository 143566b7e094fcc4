"""Three SPIRE servers on one datastore, each with its own plugin, and one bucket."""

import json
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.e2e.conftest import AUDIENCE, MakeStory, Story
from tests.e2e.plugin_server import TICK_PATIENCE, publisher_block
from tests.e2e.test_plugin import plugin_data
from tests.emulator.server import Emulator
from tests.peers import client
from tests.peers.certificates import write_certificates
from tests.peers.client import CallError
from tests.peers.peer import PeerOptions
from tests.peers.programs import Daemon, find_spire, run_command
from tests.peers.real_config import Place, free_ports, server_conf
from tests.peers.start import SPIRE

_PATIENCE = 30.0


class AnotherServer:
    """One more real spire-server on the datastore of a peer, with keys of its own."""

    def __init__(self, options: PeerOptions, folder: Path, datastore: Path) -> None:
        programs = find_spire()
        assert programs is not None
        self._program = programs.server
        server_port, endpoint_port = free_ports()
        self._place = Place(directory=folder, server_port=server_port, endpoint_port=endpoint_port)
        text = server_conf(options, self._place, write_certificates(folder))
        path = folder / "server.conf"
        path.write_text(text.replace(str(self._place.datastore), str(datastore)))
        self._daemon = Daemon(
            folder / "server.log",
            self._program,
            *("run", "-config", str(path)),
            environment=options.server_environment,
        )

    def wait(self) -> None:
        """Wait until it answers."""
        wait_for(self._answers, self.log, _PATIENCE)

    def _answers(self) -> bool:
        assert self._daemon.running, self.log()
        try:
            client.get_bundle(f"unix://{self._place.server_socket}", timeout=1)
        except CallError:
            return False
        return True

    def command(self, *words: str) -> str:
        """Run one of the server's commands."""
        return run_command(self._program, *words, "-socketPath", str(self._place.server_socket))

    def log(self) -> str:
        """Give what its operator reads."""
        return (self._place.directory / "server.log").read_text()

    def kill(self) -> None:
        """End it at once."""
        self._daemon.kill()


def wait_for(what: Callable[[], bool], log: Callable[[], str], seconds: float = TICK_PATIENCE) -> None:
    """Wait until something holds."""
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end, log()[-3000:]
        time.sleep(0.1)


@pytest.fixture
def cluster(
    make_story: MakeStory, peer_kind: str, emulator: Emulator, bucket: str, tmp_path: Path
) -> Iterator[tuple[Story, list[AnotherServer]]]:
    if peer_kind != SPIRE:
        pytest.skip("a cluster needs real SPIRE; tests/plugin/test_bucket.py has three plugins at once")
    story = make_story(
        bundle_publishers=publisher_block(plugin_data(emulator, bucket)),
        server_environment={**os.environ, **emulator.environment},
    )
    peer = story.peer
    folders = [peer.directory / f"server{number}" for number in (1, 2)]
    for folder in folders:
        folder.mkdir()
    others = [AnotherServer(peer.options, folder, peer.directory / "datastore.sqlite3") for folder in folders]
    try:
        for other in others:
            other.wait()
        yield story, others
    finally:
        for other in others:
            other.kill()


def kids(story: Story) -> set[str]:
    return {key["kid"] for key in json.loads(story.objects().get("keys", b'{"keys": []}'))["keys"]}


def test_three_servers_publish_to_one_bucket(cluster: tuple[Story, list[AnotherServer]]) -> None:
    story, others = cluster
    peer = story.peer

    def log() -> str:
        own = (peer.directory / "server.log").read_text()
        return "\n--\n".join([own, *(other.log() for other in others)])

    def published() -> bool:
        return kids(story) == peer.bundle().kids

    wait_for(lambda: len(peer.bundle().kids) == 3 and published(), log)
    token = peer.mint_at_server(AUDIENCE)
    assert story.verifies(token)

    def prepare(which: int) -> None:
        if which:
            others[which - 1].command("localauthority", "jwt", "prepare")
        else:
            peer.prepare()

    for which in range(3):  # one after the other for sqlite's sake; the plugins' writes meet at the bucket
        prepare(which)
    # A server caches the bundle for a second, so that each of them is behind the others for a moment.
    wait_for(lambda: len(peer.bundle().kids) == 6 and published(), log)
    assert story.verifies(token)

    others[0].kill()
    kid = peer.prepare() if peer.authorities().get("prepared") is None else None
    peer.activate()
    wait_for(published, log)
    assert kid is None or kid in kids(story)
    assert story.verifies(peer.mint_at_server(AUDIENCE))
    manifest = json.loads(story.objects()[".well-known/spire-oidc-publication.json"])
    assert manifest["sequence_number"] == peer.bundle().sequence_number
    for line in log().splitlines():
        assert "ROT001" not in line, "no key is lost on the way"
        assert "panic" not in line.lower()
        assert "unexpected" not in line
