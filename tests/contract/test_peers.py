"""One contract for SPIRE and its stand-in: what they say, to whom, under which settings."""

import base64
import json
from typing import Any

import grpc
import jwt
import pytest

from tests.conftest import MakePeer
from tests.peers import client
from tests.peers.endpoint import read_endpoint
from tests.peers.peer import PeerError, SpirePeer
from tests.peers.reading import claims_of, eventually, kid_of, kids, refused

_DAY = 86400


class TestShapes:
    def test_workload_api_gives_a_standard_jwks(self, shared_peer: SpirePeer) -> None:
        document = shared_peer.jwks()
        assert document.keys() == {"keys"}
        for key in document["keys"]:
            assert key.keys() == {"kty", "kid", "crv", "x", "y"}
            assert len(key["kid"]) == 32
            assert "=" not in key["x"] + key["y"]

    def test_workload_api_needs_its_header(self, shared_peer: SpirePeer) -> None:
        def ask() -> object:
            return client.fetch_jwt_bundles(shared_peer.workload_api, metadata=())

        assert refused(ask) is grpc.StatusCode.INVALID_ARGUMENT

    def test_a_jwt_svid_needs_an_audience(self, shared_peer: SpirePeer) -> None:
        assert refused(shared_peer.mint) is grpc.StatusCode.INVALID_ARGUMENT

    def test_a_jwt_svid_is_what_the_specification_says(self, shared_peer: SpirePeer) -> None:
        token = shared_peer.mint("one")
        assert jwt.get_unverified_header(token).keys() == {"alg", "kid", "typ"}
        claims = claims_of(token)
        assert claims.keys() == {"aud", "exp", "iat", "iss", "sub"}
        assert claims["aud"] == ["one"]
        assert claims["sub"] == shared_peer.spiffe_id
        assert claims["iss"] == shared_peer.options.jwt_issuer
        assert claims["exp"] - claims["iat"] == shared_peer.options.svid_ttl

    def test_a_jwt_svid_verifies_by_the_workload_apis_bundle(self, shared_peer: SpirePeer) -> None:
        shared_peer.wait_for_agent()
        token = shared_peer.mint("verified")
        (key,) = (key for key in shared_peer.jwks()["keys"] if key["kid"] == kid_of(token))
        verified = jwt.decode(token, jwt.PyJWK(key, algorithm="ES256"), audience="verified")
        assert verified["sub"] == shared_peer.spiffe_id

    def test_server_api_tells_what_the_workload_api_tells_and_expiry(self, shared_peer: SpirePeer) -> None:
        shared_peer.wait_for_agent()
        bundle = shared_peer.bundle()
        assert bundle.trust_domain == "example.org"
        assert bundle.kids == kids(shared_peer.jwks())
        assert bundle.x509_authorities
        assert bundle.refresh_hint == 0
        now = shared_peer.now()
        assert all(now < key.expires_at <= now + _DAY for key in bundle.jwt_authorities)

    def test_server_api_honours_the_output_mask(self, shared_peer: SpirePeer) -> None:
        masked = client.get_bundle(shared_peer.server_api, mask=(3,))
        assert masked.trust_domain == "example.org"
        assert masked.jwt_authorities
        assert (masked.x509_authorities, masked.sequence_number) == ((), 0)
        nothing = client.get_bundle(shared_peer.server_api, mask=())
        assert nothing.trust_domain == "example.org"
        assert nothing.jwt_authorities == ()

    def test_bundle_endpoint_serves_a_spiffe_bundle(self, shared_peer: SpirePeer) -> None:
        status, content_type, body = read_endpoint(shared_peer)
        document = json.loads(body)
        assert (status, content_type) == (200, "application/json")
        assert document.keys() == {"keys", "spiffe_sequence", "spiffe_refresh_hint"}
        assert document["spiffe_refresh_hint"] == 300
        assert document["spiffe_sequence"] == shared_peer.bundle().sequence_number
        self._check_spiffe_keys(shared_peer, document)

    def test_bundle_endpoint_has_one_path_and_one_method(self, shared_peer: SpirePeer) -> None:
        assert read_endpoint(shared_peer, "bundle")[0] == 404
        assert read_endpoint(shared_peer, method="POST")[0] == 405

    def test_bundle_show_gives_a_spiffe_bundle_without_hint(self, shared_peer: SpirePeer) -> None:
        document = json.loads(shared_peer.spiffe_bundle())
        assert document.keys() == {"keys", "spiffe_sequence"}
        self._check_spiffe_keys(shared_peer, document)

    def test_agent_output_is_one_array(self, shared_peer: SpirePeer) -> None:
        shared_peer.wait_for_agent()
        svids, bundles = json.loads(shared_peer.agent_output("pasted"))
        (svid,) = svids["svids"]
        assert (svid["spiffe_id"], svid["hint"]) == (shared_peer.spiffe_id, "")
        assert claims_of(svid["svid"])["aud"] == ["pasted"]
        document = json.loads(base64.b64decode(bundles["bundles"]["spiffe://example.org"]))
        assert kids(document) == shared_peer.bundle().kids

    def _check_spiffe_keys(self, peer: SpirePeer, document: dict[str, Any]) -> None:
        by_use = {
            use: [key for key in document["keys"] if key["use"] == use] for use in ("jwt-svid", "x509-svid")
        }
        assert sum(map(len, by_use.values())) == len(document["keys"])
        assert {key["kid"] for key in by_use["jwt-svid"]} == peer.bundle().kids
        assert all(key.keys() == {"use", "kty", "kid", "crv", "x", "y"} for key in by_use["jwt-svid"])
        assert all(key.keys() == {"use", "kty", "crv", "x", "y", "x5c"} for key in by_use["x509-svid"])


class TestCallers:
    def test_without_entry_nothing_is_given(self, make_peer: MakePeer) -> None:
        peer = make_peer(registered=False)
        assert refused(peer.jwt_bundles) is grpc.StatusCode.PERMISSION_DENIED
        assert refused(lambda: peer.mint("any")) is grpc.StatusCode.PERMISSION_DENIED
        peer.add_entry()
        peer.wait_for_agent()
        assert claims_of(peer.mint("any"))["sub"] == peer.spiffe_id
        peer.remove_entry()
        assert eventually(lambda: refused(peer.jwt_bundles) is grpc.StatusCode.PERMISSION_DENIED)
        assert refused(lambda: peer.mint("any")) is grpc.StatusCode.PERMISSION_DENIED

    def test_an_unauthenticated_verifier_gets_own_bundles_only(self, make_peer: MakePeer) -> None:
        peer = make_peer(registered=False, allow_unauthenticated_verifiers=True, federated=("other.test",))
        peer.wait_for_agent()
        assert peer.jwt_bundles().keys() == {"spiffe://example.org"}
        assert refused(lambda: peer.mint("any")) is grpc.StatusCode.PERMISSION_DENIED

    def test_an_entry_brings_federated_bundles(self, make_peer: MakePeer) -> None:
        peer = make_peer(federated=("other.test", "third.test"))
        peer.wait_for_agent()
        bundles = peer.jwt_bundles()
        assert bundles.keys() == {"spiffe://example.org", "spiffe://other.test", "spiffe://third.test"}
        foreign = json.loads(bundles["spiffe://other.test"])
        assert kids(foreign)
        assert not kids(foreign) & peer.bundle().kids


class TestSettings:
    @pytest.mark.parametrize(
        ("key_type", "members", "algorithm"),
        [
            ("ec-p384", {"kty", "kid", "crv", "x", "y"}, "ES384"),
            ("rsa-2048", {"kty", "kid", "n", "e"}, "RS256"),
            ("rsa-4096", {"kty", "kid", "n", "e"}, "RS256"),
        ],
    )
    def test_key_types(self, make_peer: MakePeer, key_type: str, members: set[str], algorithm: str) -> None:
        peer = make_peer(key_type=key_type)
        peer.wait_for_agent()
        (key,) = peer.jwks()["keys"]
        assert key.keys() == members
        token = peer.mint("typed")
        assert jwt.get_unverified_header(token)["alg"] == algorithm
        assert jwt.decode(token, jwt.PyJWK(key, algorithm=algorithm), audience="typed")

    def test_without_jwt_issuer_there_is_no_iss_and_a_restart_brings_one(self, peer: SpirePeer) -> None:
        assert "iss" not in claims_of(peer.mint("before"))
        peer.reconfigure(jwt_issuer="https://issuer.example/later", svid_ttl=120)
        peer.wait_for_agent()
        claims = claims_of(peer.mint("after"))
        assert claims["iss"] == "https://issuer.example/later"
        assert claims["exp"] - claims["iat"] == 120

    def test_disabled_jwt_svids_give_an_empty_set(self, make_peer: MakePeer) -> None:
        peer = make_peer(jwt_svids=False)
        peer.wait_for_agent()
        assert peer.jwks() == {"keys": []}
        assert peer.bundle().jwt_authorities == ()
        assert refused(lambda: peer.mint("any")) is grpc.StatusCode.UNAVAILABLE
        with pytest.raises(PeerError):
            peer.prepare()

    def test_authorities_rotate_by_themselves(self, make_peer: MakePeer) -> None:
        peer = make_peer(ca_ttl=16)
        first = peer.authorities()["active"]
        assert eventually(lambda: "prepared" in peer.authorities())
        assert peer.bundle().kids > {first}
