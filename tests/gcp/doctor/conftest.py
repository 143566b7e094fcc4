"""What every walk needs: a SPIRE, an issuer's site, Google, and the chain of them."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.gcp.doctor.chain import Chain, make_chain
from tests.gcp.doctor.issuer_site import ISSUER, Site, running_site
from tests.google import fixtures
from tests.google.google import Google
from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.standin_peer import StandinPeer

google, google_process = fixtures.google, fixtures.google_process


@pytest.fixture(scope="module")
def spire() -> Iterator[SpirePeer]:
    """Have one SPIRE for the tests that leave it as it is."""
    peer = StandinPeer(PeerOptions(jwt_issuer=ISSUER))
    try:
        peer.wait_for_agent()
        yield peer
    finally:
        peer.stop()


@pytest.fixture
def site(tmp_path: Path) -> Iterator[Site]:
    with running_site(tmp_path) as started:
        yield started


@pytest.fixture
def chain(google: Google, site: Site, spire: SpirePeer, tmp_path: Path) -> Chain:
    """Have a chain that is whole."""
    site.publish(spire.jwks()["keys"])
    return make_chain(google, site, spire.workload_api, tmp_path)
