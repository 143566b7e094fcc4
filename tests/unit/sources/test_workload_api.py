import os
from datetime import UTC, datetime, timedelta

import pytest
from grpc import StatusCode

from publisher import strict_json
from publisher.bundle.fetched import Fetched, SourceKind, Witness
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import (
    BundleError,
    ExitStatus,
    PublisherError,
    SourceSettingsError,
    SourceUnavailableError,
)
from publisher.ports import Deadline
from publisher.sources.protocol import workload_pb2
from publisher.sources.witness import AUDIENCE
from publisher.sources.workload_api import WorkloadApiSource
from publisher.wiring import SystemClock
from tests import keys
from tests.doubles import StoppedClock
from tests.unit.sources.grpc_peer import (
    GrpcPeer,
    bundles,
    gives,
    hang,
    in_turn,
    signer,
    status,
    svid,
)

EXAMPLE, OTHER = TrustDomain(name="example.org"), TrustDomain(name="other.org")
DENIED = status(StatusCode.PERMISSION_DENIED, "no identity issued")
AWAY = status(StatusCode.UNAVAILABLE, "workload attestation failed")


def fetch(peer: GrpcPeer, wanted: TrustDomain | None = None) -> Fetched:
    """Fetch on a clock that only the pauses move: retrying takes no time, and calls have all of it."""
    return WorkloadApiSource(peer.endpoint, wanted).fetch(Deadline(StoppedClock(datetime.now(UTC)), 30))


def refused(peer: GrpcPeer, error: type[PublisherError], wanted: TrustDomain | None = None) -> str:
    with pytest.raises(error) as caught:
        fetch(peer, wanted)
    assert caught.value.remedy
    assert str(caught.value).isprintable()
    return str(caught.value)


def test_bundle_and_witness() -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = bundles(example_org=keys.jwks("two", "one"))
        issued = datetime.now(UTC).replace(microsecond=0) - timedelta(seconds=9)
        peer.fetch_svid = svid(iss="https://issuer.example.org", iat=issued.timestamp())
        fetched = fetch(peer)
        assert peer.stream_ended.wait(10)
    assert fetched == Fetched(
        bundle=keys.bundle("one", "two"),
        source=SourceKind.WORKLOAD_API,
        witness=Witness(iss="https://issuer.example.org", kid="one", issued_at=issued),
    )
    assert peer.calls == ["bundles", "svid"]
    assert all(metadata["workload.spiffe.io"] == "true" for metadata in peer.metadata)
    assert workload_pb2.JWTSVIDRequest.FromString(peer.requests[1]).audience == [AUDIENCE]


def test_over_tcp_past_any_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    with GrpcPeer("127.0.0.1") as peer:
        assert fetch(peer).bundle == keys.bundle("one")


def test_over_tcp_an_agents_own_words_are_shown() -> None:
    with GrpcPeer("127.0.0.1") as peer:
        peer.fetch_bundles = AWAY
        what = refused(peer, SourceUnavailableError)
        assert "answers UNAVAILABLE 'workload attestation failed'" in what


def test_tokens_without_iss_are_told() -> None:
    with GrpcPeer() as peer:
        assert signer(fetch(peer)) == (None, "one")


@pytest.mark.parametrize(
    ("wanted", "chosen"),
    [(EXAMPLE, keys.bundle("one")), (OTHER, keys.bundle("two", trust_domain="other.org"))],
)
def test_the_wanted_trust_domain_is_chosen(wanted: TrustDomain, chosen: object) -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = bundles(example_org=keys.jwks("one"), other_org=keys.jwks("two"))
        assert fetch(peer, wanted).bundle == chosen


def test_of_a_federated_bundle_the_servers_life_is_unknown() -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = bundles(example_org=keys.jwks("one"), other_org=keys.jwks("two"))
        fetched = fetch(peer, OTHER)
        assert [finding.code for finding in fetched.findings] == ["SRC003"]
        assert fetched.witness is None
        peer.fetch_svid = svid("two")
        assert "kid 'two', which is not in the bundle" in refused(peer, SourceUnavailableError, OTHER)
        peer.fetch_svid = svid(sub="spiffe://third.org/publisher")
        assert "JWT-SVID of third.org and not its bundle" in refused(peer, SourceUnavailableError, OTHER)


@pytest.mark.parametrize(
    ("jwks", "wanted", "what"),
    [
        ({"example_org": keys.jwks("one"), "other_org": keys.jwks("two")}, None, "several trust domains"),
        ({"example_org": keys.jwks("one")}, OTHER, "offers example.org, not other.org"),
        ({}, None, "no trust domain"),
        ({"example_org": b'{"keys":[]}'}, None, "no JWT authorities yet"),
        ({"example_org": b'{"keys":[{'}, None, "not JSON"),
        ({"example_org": keys.jwks(keys.jwk("one", d="AA"))}, None, "private"),
        ({"Example_org": keys.jwks("one")}, None, "trust domain 'spiffe://Example.org'"),
    ],
)
def test_bad_content_is_unsafe_and_not_fetched_again(
    jwks: dict[str, bytes], wanted: TrustDomain | None, what: str
) -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = bundles(**jwks)
        assert what in refused(peer, BundleError, wanted)
        assert peer.calls == ["bundles"]


def test_two_spellings_of_a_trust_domain_are_refused() -> None:
    offered = {name: keys.jwks("one") for name in ("example.org", "spiffe://example.org")}
    with GrpcPeer() as peer:
        peer.fetch_bundles = gives(workload_pb2.JWTBundlesResponse(bundles=offered).SerializeToString())
        assert "two bundles of one trust domain" in refused(peer, BundleError)


def test_an_answer_over_the_limit_is_unsafe() -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = bundles(example_org=b" " * (strict_json.LARGEST + 1))
        assert "more than 4194304 bytes" in refused(peer, BundleError)


def test_an_answer_that_is_no_message_is_unsafe() -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = gives(b"\xff\xff\xff")
        assert "is no JWTBundlesResponse" in refused(peer, BundleError)


@pytest.mark.parametrize("passing", [DENIED, AWAY, status(StatusCode.UNKNOWN), status(StatusCode.INTERNAL)])
def test_what_may_pass_is_waited_for(passing: object) -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = in_turn(passing, passing, peer.fetch_bundles)  # type: ignore[arg-type]
        assert fetch(peer).bundle == keys.bundle("one")
        assert peer.calls == ["bundles", "bundles", "bundles", "svid"]


def test_a_process_that_is_not_registered_learns_how() -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = DENIED
        clock = StoppedClock()
        deadline = Deadline(clock, 30)
        with pytest.raises(SourceUnavailableError) as caught:
            WorkloadApiSource(peer.endpoint, None).fetch(deadline)
        assert len(peer.calls) > 5
    assert deadline.remaining() > 7
    assert caught.value.exit_status is ExitStatus.TEMPORARY
    assert "the agent knows no entry for this process ('no identity issued')" in caught.value.what
    assert f"-selector unix:uid:{os.geteuid()}" in caught.value.remedy


@pytest.mark.parametrize("method", ["fetch_bundles", "fetch_svid"])
def test_an_invalid_request_is_never_repeated(method: str) -> None:
    with GrpcPeer() as peer:
        setattr(peer, method, status(StatusCode.INVALID_ARGUMENT, "audience\nmust"))
        what = refused(peer, SourceSettingsError)
        assert r"refuses the request as invalid ('audience\nmust')" in what
        assert len(peer.calls) == (1 if method == "fetch_bundles" else 2)


def test_another_interface_is_told() -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = status(StatusCode.UNIMPLEMENTED)
        assert "is another interface" in refused(peer, SourceSettingsError)


def test_a_stream_that_ends_at_once_may_pass() -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = lambda _request, _context: None
        assert "ended its stream before the first answer" in refused(peer, SourceUnavailableError)
        assert len(peer.calls) > 5


def test_without_identity_the_servers_life_is_unknown() -> None:
    with GrpcPeer() as peer:
        peer.fetch_svid = DENIED
        fetched = fetch(peer)
        assert peer.calls == ["bundles", "svid"]
    assert fetched.bundle == keys.bundle("one")
    assert fetched.witness is None
    (finding,) = fetched.findings
    assert (finding.code, finding.severity) == ("SRC001", "info")
    assert "the server's life is unknown" in finding.what


def test_an_agent_whose_server_is_away_gives_no_bundle() -> None:
    with GrpcPeer() as peer:
        peer.fetch_svid = status(StatusCode.UNAVAILABLE, "could not fetch JWT-SVID: connection refused")
        what = refused(peer, SourceUnavailableError)
        assert "the agent answers, its server does not (UNAVAILABLE" in what
        peer.fetch_svid = in_turn(peer.fetch_svid, svid())
        assert signer(fetch(peer)) == (None, "one")


def test_an_agent_that_hangs_gives_no_bundle() -> None:
    with GrpcPeer() as peer:
        peer.fetch_svid = hang
        deadline = Deadline(SystemClock(), 4)
        with pytest.raises(SourceUnavailableError, match=r"its server does not .DEADLINE_EXCEEDED"):
            WorkloadApiSource(peer.endpoint, None).fetch(deadline)
        assert not deadline.passed


@pytest.mark.parametrize("host", [None, "127.0.0.1"])
def test_an_answer_without_svid_gives_no_bundle(host: str | None) -> None:
    with GrpcPeer(host) as peer:
        peer.fetch_svid = gives(b"")
        said = "answers without a JWT-SVID" if host else "no JWT-SVID that can be used"
        assert said in refused(peer, SourceUnavailableError)


def test_an_expired_svid_gives_no_bundle_and_is_not_shown() -> None:
    with GrpcPeer() as peer:
        peer.fetch_svid = svid(exp=1)
        what = refused(peer, SourceUnavailableError)
        assert "this machine's clock" in what
        assert "eyJ" not in what


def test_over_tcp_the_witness_is_checked_alike() -> None:
    with GrpcPeer("127.0.0.1") as peer:
        peer.fetch_svid = svid(aud=["other"])
        assert "JWT-SVID is malformed" in refused(peer, SourceUnavailableError)
        peer.fetch_svid = DENIED
        assert fetch(peer).witness is None


def test_a_new_key_is_waited_for() -> None:
    with GrpcPeer() as peer:
        peer.fetch_bundles = in_turn(peer.fetch_bundles, bundles(example_org=keys.jwks("one", "two")))
        peer.fetch_svid = svid("two")
        assert fetch(peer).bundle == keys.bundle("one", "two")
        assert peer.calls == ["bundles", "svid", "svid", "bundles", "svid"]


def test_a_signature_of_no_key_in_the_bundle_is_refused() -> None:
    with GrpcPeer() as peer:
        for answer, expected in (
            (svid("other"), "signed by kid 'other', which is not in the bundle"),
            (svid("one", seed="stolen"), "not signed by the key that the bundle has as kid 'one'"),
            (svid(aud=["other"]), "gives no JWT-SVID that can be used"),
        ):
            peer.fetch_svid = answer
            assert expected in refused(peer, SourceUnavailableError)


def test_a_cached_token_of_a_revoked_key_is_asked_past() -> None:
    with GrpcPeer() as peer:
        peer.fetch_svid = in_turn(svid("revoked"), svid("one", iss="https://issuer"))
        assert signer(fetch(peer)) == ("https://issuer", "one")
        assert peer.calls == ["bundles", "svid", "svid"]
        first, second = (workload_pb2.JWTSVIDRequest.FromString(data) for data in peer.requests[1:])
        assert first.audience == [AUDIENCE]
        assert second.audience[0].startswith(f"{AUDIENCE}:")
        peer.fetch_svid = in_turn(*[svid("revoked"), DENIED] * 50)
        assert "which is not in the bundle" in refused(peer, SourceUnavailableError)
