"""One contract for SPIRE and its stand-in: the life of authorities, losses, and time."""

import json
import time

import grpc
import pytest

from tests.conftest import MakePeer
from tests.peers import client
from tests.peers.endpoint import read_endpoint
from tests.peers.peer import Ability, PeerError, SpirePeer
from tests.peers.reading import claims_of, eventually, kid_of, kids, refused

_PATIENCE = 20.0
_DAY = 86400


class TestLife:
    def test_a_new_server_has_one_active_authority_and_number_one(self, peer: SpirePeer) -> None:
        bundle = peer.bundle()
        assert bundle.sequence_number == 1
        assert peer.authorities() == {"active": next(iter(bundle.kids))}

    def test_prepare_taint_and_revoke_count_up_and_activate_does_not(self, shared_peer: SpirePeer) -> None:
        before = shared_peer.bundle()
        old = shared_peer.authorities()["active"]
        new = shared_peer.prepare()
        prepared = shared_peer.bundle()
        assert prepared.kids == before.kids | {new}
        assert shared_peer.activate() == new
        assert shared_peer.bundle() == prepared
        assert shared_peer.taint() == old
        tainted = shared_peer.bundle()
        assert {key.kid: key.tainted for key in tainted.jwt_authorities}[old]
        assert shared_peer.revoke() == old
        revoked = shared_peer.bundle()
        assert revoked.kids == prepared.kids - {old}
        start = before.sequence_number
        numbers = [each.sequence_number - start for each in (prepared, tainted, revoked)]
        assert numbers == [1, 2, 3]
        shared_peer.wait_for_agent()

    def test_what_is_out_of_order_is_refused(self, peer: SpirePeer) -> None:
        for operation in (peer.activate, peer.taint, peer.revoke):
            with pytest.raises(PeerError):
                operation()
        peer.prepare()
        for operation in (peer.taint, peer.revoke):
            with pytest.raises(PeerError):
                operation()
        peer.activate()
        with pytest.raises(PeerError, match="untainted"):
            peer.revoke()
        peer.taint()
        with pytest.raises(PeerError, match="already tainted"):
            peer.taint()

    def test_preparing_again_forgets_what_the_other_slot_held(self, peer: SpirePeer) -> None:
        first = peer.authorities()["active"]
        peer.prepare()
        peer.activate()
        spare, spare_too = peer.prepare(), peer.prepare()
        assert peer.bundle().kids > {first, spare, spare_too}
        assert peer.authorities()["prepared"] == spare_too
        with pytest.raises(PeerError):
            peer.taint()

    def test_a_stream_brings_a_prepared_key(self, shared_peer: SpirePeer) -> None:
        with client.watch_jwt_bundles(shared_peer.workload_api, timeout=_PATIENCE) as stream:
            next(stream)
            new = shared_peer.prepare()
            documents = (json.loads(message["spiffe://example.org"]) for message in stream)
            assert any(new in kids(document) for document in documents)

    def test_cached_tokens_outlive_activate_and_not_taint(self, shared_peer: SpirePeer) -> None:
        old, cached = shared_peer.authorities()["active"], shared_peer.mint("cached")
        assert kid_of(cached) == old
        new = shared_peer.prepare()
        shared_peer.activate()
        shared_peer.wait_for_agent()
        assert shared_peer.mint("cached") == cached
        assert kid_of(shared_peer.mint(f"fresh-{new}")) == new
        assert kid_of(shared_peer.mint_at_server("cached")) == new
        shared_peer.taint()
        assert eventually(lambda: kid_of(shared_peer.mint("cached")) == new)
        assert old in kids(shared_peer.jwks()), "a tainted key stays in the bundle until it is revoked"
        shared_peer.revoke()
        assert eventually(lambda: old not in kids(shared_peer.jwks()))


class TestLoss:
    def test_lost_keys_leave_the_old_authority_and_add_one(self, peer: SpirePeer) -> None:
        before = peer.bundle()
        peer.lose_keys()
        after = peer.bundle()
        new = peer.authorities()
        assert new.keys() == {"active"}
        assert after.kids == before.kids | {new["active"]}
        assert after.sequence_number == before.sequence_number + 2
        peer.wait_for_agent()
        assert kid_of(peer.mint("after")) == new["active"]

    def test_a_lost_datastore_makes_the_bundle_disjoint_and_counts_anew(self, peer: SpirePeer) -> None:
        peer.prepare()
        before = peer.bundle()
        peer.lose_keys_and_datastore()
        after = peer.bundle()
        assert not after.kids & before.kids
        assert (before.sequence_number, after.sequence_number) == (2, 1)
        peer.wait_for_agent()
        assert kid_of(peer.mint("after")) in after.kids

    def test_a_restart_keeps_everything(self, peer: SpirePeer) -> None:
        peer.prepare()
        bundle, authorities = peer.bundle(), peer.authorities()
        peer.kill_server()
        peer.start_server()
        assert (peer.bundle(), peer.authorities()) == (bundle, authorities)

    def test_an_agent_outlives_its_server(self, peer: SpirePeer) -> None:
        shown, cached = peer.jwks(), peer.mint("cached")
        peer.kill_server()
        assert refused(peer.bundle) is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(OSError, match=r"refused"):
            read_endpoint(peer)
        assert kids(peer.jwks()) == kids(shown)
        assert peer.mint("cached") == cached
        started = time.monotonic()
        # At the deadline both ends give up, and either may be the first to say so.
        assert refused(lambda: peer.mint("never seen", timeout=3)) in {
            grpc.StatusCode.DEADLINE_EXCEEDED,
            grpc.StatusCode.UNAVAILABLE,
        }
        assert time.monotonic() - started > 2.5, "it hangs until then"
        assert kids(peer.jwks()) == kids(shown)
        peer.start_server()
        peer.wait_for_agent()
        assert claims_of(peer.mint("never seen"))["aud"] == ["never seen"]

    def test_an_agent_stops_when_its_server_is_another(self, make_peer: MakePeer) -> None:
        peer = make_peer()
        peer.wait_for_agent()
        peer.forget_keys()
        assert eventually(lambda: refused(peer.jwt_bundles) is grpc.StatusCode.UNAVAILABLE)
        peer.start_agent()
        peer.wait_for_agent()

    def test_without_agent_there_is_no_workload_api(self, peer: SpirePeer) -> None:
        peer.kill_agent()
        assert refused(peer.jwt_bundles) is grpc.StatusCode.UNAVAILABLE
        assert peer.bundle().kids
        peer.start_agent()
        peer.wait_for_agent()


class TestMovedClock:
    def test_a_day_rotates_at_a_half_and_at_five_sixths(self, peer: SpirePeer) -> None:
        peer.need(Ability.MOVE_CLOCK)
        first, born = peer.authorities()["active"], peer.bundle()
        peer.advance(_DAY / 2 - 60)
        assert peer.bundle() == born
        peer.advance(120)
        second = peer.authorities()["prepared"]
        assert peer.bundle().kids == {first, second}
        # The X.509 authority is prepared at the same time: two changes.
        assert peer.bundle().sequence_number == born.sequence_number + 2
        peer.advance(_DAY / 3 - 180)
        assert peer.authorities()["active"] == first
        peer.advance(120)
        assert peer.authorities() == {"active": second, "old": first}

    def test_expired_authorities_stay_for_24_to_30_hours(self, peer: SpirePeer) -> None:
        peer.need(Ability.MOVE_CLOCK)
        first = peer.authorities()["active"]
        peer.advance(2 * _DAY - 120)
        assert first in peer.bundle().kids
        peer.advance(6 * 3600 + 240)
        after = peer.bundle()
        assert first not in after.kids
        assert peer.authorities()["active"] in after.kids
        peer.wait_for_agent()

    def test_tokens_follow_the_clock_and_never_outlive_their_key(self, peer: SpirePeer) -> None:
        peer.need(Ability.MOVE_CLOCK)
        peer.advance(_DAY / 6)
        claims = claims_of(peer.mint("moved"))
        assert abs(claims["iat"] - time.time() - _DAY / 6) < 60
        expiry = {key.kid: key.expires_at for key in peer.bundle().jwt_authorities}
        long_lived = peer.mint_at_server("moved", ttl=3 * _DAY)
        assert claims_of(long_lived)["exp"] == expiry[kid_of(long_lived)]

    def test_an_agent_renews_in_the_second_half_of_a_life(self, peer: SpirePeer) -> None:
        peer.need(Ability.MOVE_CLOCK)
        token = peer.mint("renewed")
        peer.advance(100)
        assert peer.mint("renewed") == token
        peer.advance(60)
        assert peer.mint("renewed") != token

    def test_an_agent_lags_until_it_is_told(self, make_peer: MakePeer) -> None:
        peer = make_peer(sync_interval=0)
        shown = kids(peer.jwks())
        new = peer.prepare()
        assert kids(peer.jwks()) == shown
        peer.sync()
        assert kids(peer.jwks()) == shown | {new}
