"""`gcp doctor` on SPIRE itself (where it is present, else its stand-in alone): a whole chain, and breaks."""

from pathlib import Path

import pytest

from publisher.bundle.trust_domain import TrustDomain
from publisher.gcp.x509_authorities import WorkloadApiAuthorities
from publisher.ports import Deadline
from publisher.wiring.clock import SystemClock
from tests.conftest import MakePeer
from tests.gcp.doctor.chain import ACCOUNT, ME, POOL, USER, make_chain, principal
from tests.gcp.doctor.issuer_site import ISSUER, Site
from tests.gcp.doctor.publishing import publish
from tests.google.google import Google
from tests.peers.start import SPIRE


def test_the_chain_is_whole_breaks_with_each_rotation_and_is_mended_by_publishing(
    google: Google, site: Site, make_peer: MakePeer, tmp_path: Path
) -> None:
    peer = make_peer(jwt_issuer=ISSUER)
    peer.wait_for_agent()
    chain = make_chain(google, site, peer.workload_api, tmp_path)
    publish(peer, site, tmp_path)
    walked = chain.walk("--service-account", ACCOUNT, expect=0)
    assert walked.results == {**dict.fromkeys(walked.results, "ok"), "call": "unknown"}
    peer.prepare()
    peer.activate()
    peer.wait_for_agent()
    # The agent keeps its JWT-SVID of the old key; another audience is signed by the new one.
    other = ("--audience", f"https:{google.audience(chain.place.name)}")
    walked = chain.walk(*other, expect=1)
    assert walked.broken == ("key", "GCP009")
    assert "the agent's bundle has it" in walked.last["said"]
    publish(peer, site, tmp_path)
    assert chain.walk(*other, expect=0).results["exchange"] == "ok"
    peer.kill_agent()
    assert chain.walk(expect=1).broken == ("agent", "GCP001")


def test_without_jwt_issuer_of_another_type_and_unregistered(
    google: Google, site: Site, make_peer: MakePeer, tmp_path: Path
) -> None:
    peer = make_peer(jwt_issuer=None, key_type="ec-p384")
    peer.wait_for_agent()
    chain = make_chain(google, site, peer.workload_api, tmp_path)
    assert chain.walk(expect=1).broken == ("iss", "GCP005")
    peer.reconfigure(jwt_issuer=ISSUER)
    other = ("--audience", "another")
    assert chain.walk(*other, expect=1).broken == ("algorithm", "GCP011")
    other_peer = make_peer(jwt_issuer=ISSUER, registered=False)
    chain.workload_api = other_peer.workload_api
    assert chain.walk(expect=1).broken == ("registration", "GCP002")


def test_the_x509_way_from_the_agent(
    google: Google, site: Site, make_peer: MakePeer, tmp_path: Path, peer_kind: str
) -> None:
    if peer_kind != SPIRE:
        pytest.skip(
            "the stand-in for SPIRE gives no X.509-SVIDs; tests/gcp/scripted_agent.py stands in elsewhere"
        )
    peer = make_peer(jwt_issuer=ISSUER)
    peer.wait_for_agent()
    chain = make_chain(google, site, peer.workload_api, tmp_path)
    words = ("--provider", f"{POOL}/providers/mtls", "--way", "x509", "--service-account", ACCOUNT)
    source = WorkloadApiAuthorities(peer.workload_api, TrustDomain.parse("example.org"))
    anchors = [one.pem for one in source.fetch(Deadline(SystemClock(), 10))]
    google.create_x509_provider(POOL, "mtls", anchors=anchors)
    google.bind(ACCOUNT, USER, principal(ME))
    walked = chain.walk(*words, expect=0, provider=False)
    assert {name for name, result in walked.results.items() if result != "ok"} == {"call"}
