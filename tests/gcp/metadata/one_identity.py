"""One identity and its metadata server, as fixtures. Assign those that a module uses."""

import re
from collections.abc import Iterator

import pytest

from tests.gcp.metadata.serving import Serving
from tests.gcp.metadata.world import APP, ISSUER, World, new_world
from tests.google.google import Google
from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.start import best_kind, start_peer

SECRET = re.compile(r"eyJ[A-Za-z0-9_-]{8,}|ya29\.[A-Za-z0-9_.-]{8,}|PRIVATE KEY")
"""What no log and no refusal may hold."""


@pytest.fixture(scope="module")
def spire() -> Iterator[SpirePeer]:
    peer = start_peer(best_kind(), PeerOptions(jwt_issuer=ISSUER))
    try:
        peer.wait_for_agent()
        yield peer
    finally:
        peer.stop()


@pytest.fixture
def world(google: Google, spire: SpirePeer) -> World:
    made = new_world(google, spire)
    made.account(APP, spire.spiffe_id)
    return made


@pytest.fixture
def server(world: World) -> Iterator[Serving]:
    with world.one("--service-account", APP) as running:
        yield running
        assert not SECRET.search(running.log), "a token or a key is in the log"
