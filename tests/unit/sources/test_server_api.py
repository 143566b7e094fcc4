import dataclasses
from datetime import UTC, datetime
from typing import Any

import pytest
from grpc import StatusCode

from publisher import strict_json
from publisher.bundle.fetched import Fetched, SourceKind
from publisher.bundle.trust_bundle import MOST_KEYS
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError, PublisherError, SourceSettingsError, SourceUnavailableError
from publisher.findings import Severity
from publisher.ports import Deadline
from publisher.sources.protocol import server_pb2
from publisher.sources.server_api import ServerApiSource
from publisher.wiring import SystemClock
from tests import keys
from tests.doubles import StoppedClock
from tests.unit.sources.grpc_peer import GrpcPeer, gives, hang, in_turn, server_bundle, server_key, status

OTHER = TrustDomain(name="other.org")


def fetch(peer: GrpcPeer, wanted: TrustDomain | None = None) -> Fetched:
    """Fetch on a clock that only the pauses move: retrying takes no time, and calls have all of it."""
    return ServerApiSource(peer.endpoint, wanted).fetch(Deadline(StoppedClock(), 30))


def refused(peer: GrpcPeer, error: type[PublisherError], wanted: TrustDomain | None = None) -> str:
    with pytest.raises(error) as caught:
        fetch(peer, wanted)
    assert caught.value.remedy
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_everything_that_only_the_server_tells() -> None:
    with GrpcPeer() as peer:
        peer.get_bundle = server_bundle(
            sequence_number=7,
            refresh_hint=300,
            jwt_authorities=[server_key("b", expires_at=1_800_000_000), server_key("a", tainted=True)],
        )
        fetched = fetch(peer, TrustDomain(name="example.org"))
    expires_at = datetime(2027, 1, 15, 8, tzinfo=UTC)
    assert fetched.bundle == keys.bundle(
        keys.authority("a", tainted=True),
        keys.authority("b", tainted=False, expires_at=expires_at),
        sequence_number=7,
        refresh_hint=300,
    )
    assert (fetched.source, fetched.witness) == (SourceKind.SERVER_API, None)
    (finding,) = fetched.findings
    assert (finding.code, finding.severity) == ("SRC002", Severity.WARNING)
    assert "kid 'a'" in finding.where
    assert "spire-server localauthority jwt revoke -authorityID 'a'" in finding.remedy


def test_only_what_is_needed_is_asked_for() -> None:
    with GrpcPeer() as peer:
        fetch(peer)
        request = server_pb2.GetBundleRequest.FromString(peer.requests[0])
    assert request.output_mask == server_pb2.BundleMask(
        jwt_authorities=True, refresh_hint=True, sequence_number=True
    )


@pytest.mark.parametrize("alg", ["ES256", "ES384", "RS256"])
def test_keys_of_each_type(alg: str) -> None:
    with GrpcPeer() as peer:
        peer.get_bundle = server_bundle(
            jwt_authorities=[server_pb2.JWTKey(key_id="one", public_key=keys.der("one", alg))]
        )
        bundle = fetch(peer).bundle
    assert bundle.jwt_authorities == (keys.authority("one", alg, tainted=False),)
    assert (bundle.sequence_number, bundle.refresh_hint) == (0, None)


@pytest.mark.parametrize(
    ("fields", "what"),
    [
        ({"trust_domain": "other.org"}, "offers other.org, not example.org"),
        ({"trust_domain": ""}, "trust domain ''"),
        ({"jwt_authorities": []}, "no JWT authorities yet"),
        ({"jwt_authorities": [server_key("one", public_key=b"")]}, "kid 'one': not a PKIX public key"),
        ({"jwt_authorities": [server_key("one", public_key=keys.der("one", "ES512"))]}, "not supported"),
        ({"jwt_authorities": [server_key("\n")]}, r"kid '\n'"),
        ({"jwt_authorities": [server_key("one"), server_key("one")]}, "two keys of kid 'one'"),
        ({"jwt_authorities": [server_pb2.JWTKey()] * (MOST_KEYS + 1)}, "has 2001 keys, more than 2000"),
        ({"jwt_authorities": [server_key("one", expires_at=-1)]}, "expires_at -1 is no time"),
        ({"jwt_authorities": [server_key("one", expires_at=2**62)]}, "is no time"),
        ({"refresh_hint": -1}, "refresh_hint -1"),
        ({"sequence_number": 2**63}, "sequence_number 9223372036854775808"),
    ],
)
def test_bad_content_is_unsafe_and_not_fetched_again(fields: dict[str, Any], what: str) -> None:
    with GrpcPeer() as peer:
        peer.get_bundle = server_bundle(**{"jwt_authorities": [server_key("one")], **fields})
        assert what in refused(peer, BundleError, keys.EXAMPLE_ORG)
        assert peer.calls == ["server"]


def test_the_answer_is_bounded_and_a_message() -> None:
    with GrpcPeer() as peer:
        peer.get_bundle = gives(b" " * (strict_json.LARGEST + 1))
        assert "more than 4194304 bytes" in refused(peer, BundleError)
        peer.get_bundle = gives(b"\xff\xff")
        assert "is no Bundle" in refused(peer, BundleError)


def test_a_denial_is_a_setting_to_correct() -> None:
    with GrpcPeer() as peer:
        peer.get_bundle = status(StatusCode.PERMISSION_DENIED, "not local")
        assert "denies the bundle to this process ('not local')" in refused(peer, SourceSettingsError)
        assert peer.calls == ["server"]


def test_what_may_pass_is_waited_for() -> None:
    with GrpcPeer() as peer:
        away = status(StatusCode.UNAVAILABLE, "starting")
        peer.get_bundle = in_turn(away, away, peer.get_bundle)
        assert dataclasses.replace(fetch(peer).bundle, sequence_number=None) == keys.bundle(
            keys.authority("one", tainted=False)
        )
        peer.get_bundle = away
        assert "answers UNAVAILABLE 'starting'" in refused(peer, SourceUnavailableError)


def test_a_server_that_hangs_is_given_up() -> None:
    with GrpcPeer() as peer:
        peer.get_bundle = hang
        deadline = Deadline(SystemClock(), 2)
        with pytest.raises(SourceUnavailableError, match="is silent"):
            ServerApiSource(peer.endpoint, None).fetch(deadline)
        assert not deadline.passed


def test_the_socket_must_be_a_unix_socket() -> None:
    with pytest.raises(SourceSettingsError, match="has the scheme 'tcp'"):
        ServerApiSource("tcp://127.0.0.1:8081", None)
