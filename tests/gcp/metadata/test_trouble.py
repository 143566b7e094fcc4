"""Google or the agent in trouble: what is kept is given, then the reason, and no secret with it."""

import json
import time
from pathlib import Path

import pytest

from tests.gcp.metadata import one_identity
from tests.gcp.metadata.one_identity import SECRET
from tests.gcp.metadata.serving import DEFAULT, Serving, stop
from tests.gcp.metadata.world import ISSUER, PROJECT_ID, World, new_world
from tests.google import fixtures
from tests.google.faults import ALWAYS, Fault, Kind, status
from tests.google.google import Google
from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.start import best_kind, start_peer

google, google_process = fixtures.google, fixtures.google_process
spire, world, server = one_identity.spire, one_identity.world, one_identity.server
LIMIT = 120.0


@pytest.mark.parametrize(
    "fault",
    [
        status(503, where="POST .*", times=ALWAYS),
        Fault(kind=Kind.RESET, where="POST .*", times=ALWAYS),
        Fault(kind=Kind.STALL, where="POST .*", times=ALWAYS, seconds=20.0),
        Fault(kind=Kind.HTML, where="POST .*", times=ALWAYS),
        Fault(kind=Kind.WRONG_JSON, where="POST .*", times=ALWAYS),
        Fault(kind=Kind.TRUNCATE, where="POST .*", times=ALWAYS),
    ],
    ids=["503", "reset", "stall", "html", "wrong json", "truncated"],
)
def test_google_in_trouble_is_a_clear_503_and_what_is_kept_is_given(
    world: World, server: Serving, fault: Fault
) -> None:
    kept = server.get(f"{DEFAULT}/token").json["access_token"]
    world.google.inject(fault)
    assert server.get(f"{DEFAULT}/token").json["access_token"] == kept
    got = server.get(f"{DEFAULT}/token?scopes=https://www.googleapis.com/auth/pubsub")
    assert got.status == 503
    assert got.headers["retry-after"] == "1"
    assert "Google" in got.text
    assert not SECRET.search(got.text)
    assert server.get(f"{DEFAULT}/identity?audience=a").status == 503
    world.google.clear_faults()
    end = time.monotonic() + LIMIT
    while server.get(f"{DEFAULT}/token?scopes=https://www.googleapis.com/auth/pubsub").status != 200:
        assert time.monotonic() < end
        time.sleep(0.2)


def test_a_refusal_of_google_is_403_with_google_s_words(world: World, server: Serving) -> None:
    world.google.disable(world.provider)
    got = server.get(f"{DEFAULT}/token")
    assert got.status == 403
    assert "Google refuses the exchange" in got.text
    assert "gcp doctor" in got.text
    assert not SECRET.search(got.text)


def test_impersonation_that_is_not_allowed_is_403_with_the_account(world: World, spire: SpirePeer) -> None:
    other = world.account(f"other@{PROJECT_ID}.iam.gserviceaccount.com")
    with world.one("--service-account", other) as server:
        for path in ("token", "identity?audience=a"):
            got = server.get(f"{DEFAULT}/{path}")
            assert (got.status, other in got.text) == (403, True)
        assert not SECRET.search(server.log)


def test_an_answer_that_quotes_the_token_is_not_quoted(world: World, server: Serving) -> None:
    # What a proxy or a debugging endpoint might do: the JWT-SVID comes back in the error.
    token = world.peer.mint(world.google.audience(world.provider))
    body = json.dumps({"error": "invalid_grant", "error_description": f"bad {token} and ya29.secretsecret"})
    world.google.inject(
        Fault(kind=Kind.ANSWER, where="POST .*/v1/token", times=ALWAYS, status=400, body=body)
    )
    got = server.get(f"{DEFAULT}/token")
    assert got.status == 403
    assert "invalid_grant: bad (a token) and (a token)" in got.text
    assert not SECRET.search(got.text + server.log)


def test_an_agent_that_is_away_is_a_clear_503_and_what_is_kept_is_given(google: Google) -> None:
    peer = start_peer(best_kind(), PeerOptions(jwt_issuer=ISSUER))
    try:
        peer.wait_for_agent()
        world = new_world(google, peer)
        with world.one() as server:
            kept = server.get(f"{DEFAULT}/token").json["access_token"]
            peer.kill_agent()
            assert server.get(f"{DEFAULT}/token").json["access_token"] == kept
            got = server.get(f"{DEFAULT}/token?scopes=https://www.googleapis.com/auth/pubsub")
            assert got.status == 503
            assert "spire-agent" in got.text
    finally:
        peer.stop()


def test_it_starts_without_an_agent_and_ends_when_told(world: World, tmp_path: Path) -> None:
    with world.one("--workload-api", f"unix://{tmp_path}/absent.sock") as server:
        assert server.get("/").status == 200
        assert server.get(f"{DEFAULT}/token").status == 503
        assert stop(server.process) == 0
        assert "stopped by SIGTERM" in server.log
