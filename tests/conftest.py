"""What every test may ask for: a SPIRE, real or stand-in."""

from collections.abc import Callable, Iterator

import pytest

from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.programs import ABSENT, find_spire
from tests.peers.start import KINDS, SPIRE, describe, start_peer

MakePeer = Callable[..., SpirePeer]
"""Start a peer from the fields of `PeerOptions`; it is stopped when the fixture's scope ends."""


def pytest_report_header() -> str:
    """Say at the start of every run which peers it has."""
    return f"SPIRE peers: {describe(find_spire())}"


@pytest.fixture(scope="module", params=KINDS)
def peer_kind(request: pytest.FixtureRequest) -> str:
    """Run the test once with each kind of peer; without real SPIRE that half is skipped, and says so."""
    kind: str = request.param
    if kind == SPIRE and find_spire() is None:
        pytest.skip(ABSENT)
    return kind


def _factory(kind: str) -> Iterator[MakePeer]:
    started: list[SpirePeer] = []

    def make(**options: object) -> SpirePeer:
        started.append(start_peer(kind, PeerOptions(**options)))  # type: ignore[arg-type]  # its own fields
        return started[-1]

    try:
        yield make
    finally:
        for peer in started:
            peer.stop()


@pytest.fixture
def make_peer(peer_kind: str) -> Iterator[MakePeer]:
    """Start peers with options of one's own: `make_peer(jwt_issuer=..., key_type="rsa-2048")`."""
    yield from _factory(peer_kind)


@pytest.fixture
def peer(make_peer: MakePeer) -> SpirePeer:
    """Have a new SPIRE at its defaults, whose agent has synced."""
    started = make_peer()
    started.wait_for_agent()
    return started


@pytest.fixture(scope="module")
def shared_peer(peer_kind: str) -> Iterator[SpirePeer]:
    """Have one SPIRE for all tests of a file: they may rotate it, and leave it alive and registered."""
    for make in _factory(peer_kind):
        started = make(jwt_issuer="https://issuer.example/spire")
        started.wait_for_agent()
        yield started


@pytest.fixture
def make_standin() -> Iterator[MakePeer]:
    """Start stand-ins only: for what real SPIRE cannot do, or for speed."""
    yield from _factory(KINDS[0])
