"""The Workload API: a JWT-SVID proves that the server lives only while it is young."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from grpc import StatusCode

from publisher.bundle.fetched import Fetched, Witness
from publisher.errors import SourceUnavailableError
from publisher.ports import Deadline
from publisher.sources.protocol import workload_pb2
from publisher.sources.witness import AUDIENCE, audience_of_the_time
from publisher.sources.workload_api import WorkloadApiSource
from tests.doubles import StoppedClock
from tests.unit.sources.grpc_peer import Answer, GrpcPeer, in_turn, signer, status, svid

DENIED = status(StatusCode.PERMISSION_DENIED, "no identity issued")
AWAY = status(StatusCode.UNAVAILABLE, "workload attestation failed")


def fetch(peer: GrpcPeer) -> Fetched:
    return WorkloadApiSource(peer.endpoint, None).fetch(Deadline(StoppedClock(datetime.now(UTC)), 30))


def refused(peer: GrpcPeer) -> str:
    with pytest.raises(SourceUnavailableError) as caught:
        fetch(peer)
    assert caught.value.remedy
    return caught.value.what


def audiences(peer: GrpcPeer) -> list[str]:
    """Give what JWT-SVIDs were asked for, in the order of the calls."""
    return [
        workload_pb2.JWTSVIDRequest.FromString(request).audience[0]
        for call, request in zip(peer.calls, peer.requests, strict=True)
        if call == "svid"
    ]


def by_audience(first: Answer, other: Answer) -> Answer:
    """Answer from the cache for the usual audience, and from the server for any other."""

    def answer(request: bytes, context: Any) -> Any:
        usual = workload_pb2.JWTSVIDRequest.FromString(request).audience == [AUDIENCE]
        return (first if usual else other)(request, context)

    return answer


def ago(**period: float) -> int:
    return int((datetime.now(UTC) - timedelta(**period)).timestamp())


LONG_AGO = {"a day": svid(iat=ago(hours=24)), "no iat": svid(iat=None), "ahead": svid(iat=ago(hours=-1))}


@pytest.mark.parametrize("cached", ["a day", "no iat"])
@pytest.mark.parametrize("host", [None, "127.0.0.1"])
def test_of_a_token_without_or_beyond_age_a_newer_one_is_asked_for(host: str | None, cached: str) -> None:
    with GrpcPeer(host) as peer:
        peer.fetch_svid = by_audience(LONG_AGO[cached], svid(iss="https://issuer"))
        clock = StoppedClock(datetime.now(UTC))
        source = WorkloadApiSource(peer.endpoint, None)
        for _ in range(2):
            assert signer(source.fetch(Deadline(clock, 30))) == ("https://issuer", "one")
        bucket = audience_of_the_time(clock.now())
        assert audiences(peer) == [AUDIENCE, bucket, AUDIENCE, bucket], "not a new one for each run"
        clock.advance(minutes=5)
        source.fetch(Deadline(clock, 30))
        assert audiences(peer)[4:] == [AUDIENCE, audience_of_the_time(clock.now())]
        assert audiences(peer)[5] != bucket


@pytest.mark.parametrize("cached", ["a day", "no iat"])
def test_an_agent_with_an_old_token_and_a_dead_server_gives_no_bundle(cached: str) -> None:
    with GrpcPeer() as peer:
        peer.fetch_svid = by_audience(LONG_AGO[cached], AWAY)
        assert "the agent answers, its server does not (UNAVAILABLE" in refused(peer)
        peer.fetch_svid = by_audience(LONG_AGO[cached], DENIED)
        assert "no JWT-SVID of the last 5 minutes" in refused(peer)


def test_over_tcp_an_expired_token_is_asked_past_and_never_passes() -> None:
    with GrpcPeer("127.0.0.1") as peer:
        peer.fetch_svid = by_audience(svid(iat=ago(minutes=2), exp=ago(minutes=1)), svid())
        assert signer(fetch(peer)) == (None, "one")
        peer.fetch_svid = svid(iat=ago(minutes=2), exp=ago(minutes=1))
        assert "a JWT-SVID that has expired" in refused(peer)


def test_a_server_whose_clock_is_wrong_still_lives() -> None:
    with GrpcPeer("127.0.0.1") as peer:
        for cached in ("a day", "ahead"):
            peer.fetch_svid = LONG_AGO[cached]
            witness = fetch(peer).witness
            assert witness == Witness(iss=None, kid="one"), "when it was signed, nobody can tell"


def test_an_old_token_of_a_revoked_key_is_asked_past_twice() -> None:
    with GrpcPeer() as peer:
        peer.fetch_svid = in_turn(svid("revoked", iat=ago(hours=1)), svid("revoked"), svid())
        assert signer(fetch(peer)) == (None, "one")
        assert len(set(audiences(peer))) == 3
