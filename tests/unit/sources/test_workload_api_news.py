import itertools
import json
import random
import socket
import tempfile
import time
from pathlib import Path

import pytest
from grpc import StatusCode

from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError, SourceSettingsError
from publisher.sources.news import Pauses
from publisher.sources.protocol import workload_pb2
from publisher.sources.workload_api_news import WorkloadApiNews, digest
from tests import keys
from tests.unit.sources.grpc_peer import Answer, GrpcPeer, Pushed, bundles, gives, hang, in_turn, status
from tests.unit.sources.listening import Listening, pauses_of
from tests.unit.sources.relay import Relay

EXAMPLE = TrustDomain(name="example.org")
QUICK = Pauses(first=0.01, longest=0.05, most=0.05)
DENIED = status(StatusCode.PERMISSION_DENIED, "no identity issued")


def news(peer: GrpcPeer | Relay, wanted: TrustDomain | None = None) -> WorkloadApiNews:
    return WorkloadApiNews(peer.endpoint, wanted, pauses=QUICK)


def pushing(peer: GrpcPeer) -> Pushed:
    pushed = Pushed()
    peer.fetch_bundles = pushed
    return pushed


def ends_at_once(answer: Answer) -> Answer:
    """Answer, and end the stream."""
    return lambda request, context: iter([answer(request, context)])


class TestContent:
    def test_the_order_of_keys_and_members_does_not_count(self) -> None:
        seen = set()
        for order in itertools.permutations(["one", "two", "three"]):
            shuffled = [
                dict(random.sample(list(keys.jwk(kid).items()), k=len(keys.jwk(kid)))) for kid in order
            ]
            seen.add(self._digest({"spiffe://example.org": keys.jwks(*shuffled)}))
        assert len(seen) == 1

    @pytest.mark.parametrize(
        "other",
        [
            {},
            {"spiffe://example.org": keys.jwks("one")},
            {"spiffe://example.org": keys.jwks("one", "two", "two")},
            {"spiffe://example.org": keys.jwks("one", keys.jwk("two", seed="another"))},
            {"spiffe://example.org": json.dumps({**json.loads(keys.jwks("one", "two")), "more": 1}).encode()},
            {"spiffe://example.org": b"{}"},
            {"spiffe://example.org": b"[]"},
            {"spiffe://example.org": b'{"keys": 1}'},
            {"spiffe://example.org": b"no json"},
            {"spiffe://other.org": keys.jwks("one", "two")},
            {"spiffe://example.org": keys.jwks("one", "two"), "spiffe://other.org": keys.jwks("one")},
        ],
    )
    def test_every_other_content_does(self, other: dict[str, bytes]) -> None:
        one = {"spiffe://example.org": keys.jwks("one", "two")}
        assert self._digest(one) != self._digest(other)

    def test_with_a_trust_domain_the_others_do_not_count(self) -> None:
        one, two = keys.jwks("one"), keys.jwks("two")
        alone = {"spiffe://example.org": one}
        assert self._digest(alone, EXAMPLE) == self._digest({**alone, "spiffe://other.org": two}, EXAMPLE)
        assert self._digest(alone, EXAMPLE) != self._digest({"spiffe://example.org": two}, EXAMPLE)
        assert self._digest(alone, EXAMPLE) != self._digest({}, EXAMPLE)

    def test_what_is_no_message_is_refused(self) -> None:
        with pytest.raises(BundleError, match="no JWTBundlesResponse"):
            digest(b"\xff\xff", None, "there")

    def _digest(self, offered: dict[str, bytes], wanted: TrustDomain | None = None) -> bytes:
        message = workload_pb2.JWTBundlesResponse(bundles=offered).SerializeToString()
        return digest(message, wanted, "there")


class TestOneStream:
    def test_the_first_answer_and_every_other_content_rings(self) -> None:
        with GrpcPeer() as peer:
            pushed = pushing(peer)
            with Listening(news(peer)) as listening:
                pushed.push(bundles(example_org=keys.jwks("one", "two")))
                assert listening.has_rung(1)
                pushed.push(bundles(example_org=keys.jwks("two", "one")))
                assert listening.stays_silent()
                pushed.push(bundles(example_org=keys.jwks("two")))
                assert listening.has_rung(2)
                pushed.push(bundles(example_org=keys.jwks("two"), other_org=keys.jwks("a")))
                assert listening.has_rung(3)
            assert peer.calls == ["bundles"]
            assert peer.metadata[0]["workload.spiffe.io"] == "true"

    def test_it_outlives_the_patience_for_its_first_answer(self) -> None:
        with GrpcPeer() as peer:
            pushed = pushing(peer)
            impatient = WorkloadApiNews(peer.endpoint, None, pauses=QUICK, patience=0.2, settled=0.2)
            with Listening(impatient) as listening:
                pushed.push(bundles(example_org=keys.jwks("one")))
                assert listening.has_rung(1)
                assert listening.stays_silent(0.6)
                pushed.push(bundles(example_org=keys.jwks("two")))
                assert listening.has_rung(2)
            assert peer.calls == ["bundles"]

    def test_tcp(self) -> None:
        with GrpcPeer("127.0.0.1") as peer, Listening(news(peer)) as listening:
            assert listening.has_rung(1)


class TestEnds:
    def test_a_stream_that_ended_is_taken_up_again_and_rings(self) -> None:
        with GrpcPeer() as peer:
            pushed = pushing(peer)
            with Listening(news(peer)) as listening:
                for times in (1, 2, 3):
                    pushed.push(bundles(example_org=keys.jwks("one")))
                    assert listening.has_rung(times)
                    pushed.end()

    def test_a_lost_connection(self) -> None:
        with GrpcPeer() as peer, Relay(peer.endpoint) as relay:
            with Listening(news(relay)) as listening:
                for times in (1, 2, 3):
                    assert listening.has_rung(times)
                    relay.cut()
            assert relay.connections >= 3

    def test_a_socket_that_another_agent_put_in_the_place_of_a_living_ones(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        with GrpcPeer() as old, GrpcPeer() as new:
            watchful = WorkloadApiNews(old.endpoint, None, pauses=QUICK, look_every=0.05)
            with Listening(watchful) as listening:
                assert listening.has_rung(1)
                path = Path(old.endpoint.removeprefix("unix://"))
                path.rename(path.with_name("old.sock"))
                assert listening.stays_silent(), "where there is no other, the old one is listened to"
                assert not old.stream_ended.is_set()
                Path(new.endpoint.removeprefix("unix://")).rename(path)
                assert listening.has_rung(2)
                assert old.stream_ended.wait(10)
                assert listening.stays_silent()
            assert (old.calls, new.calls) == (["bundles"], ["bundles"])
        told = [record.getMessage() for record in caplog.records]
        assert ["was replaced" in line for line in told] == [True, False]
        assert told[1].endswith("is back")

    def test_an_agent_that_ends_its_streams_at_once_is_asked_ever_more_seldom(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        with GrpcPeer() as peer:
            peer.fetch_bundles = ends_at_once(bundles(example_org=keys.jwks("one")))
            pauses, rings = pauses_of(WorkloadApiNews(peer.endpoint, None), 11)
        assert rings == 11
        _are_growing(pauses)
        told = [record.getMessage() for record in caplog.records]
        assert [("waiting" in line, "back" in line) for line in told] == [
            (True, False),
            (False, True),
            (True, False),
        ]
        assert "has ended its stream" in told[0]

    def test_no_agent(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        pauses, rings = pauses_of(WorkloadApiNews("unix:///nobody/there", None), 11)
        assert rings == 0
        _are_growing(pauses)
        (record,) = caplog.records
        assert "no spire-agent at this socket" in record.getMessage()

    def test_a_stream_that_lasts_makes_good_for_the_failures_before(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")

        def lasts(_request: bytes, _context: object) -> object:
            yield bundles(example_org=keys.jwks("one"))(b"", None)
            time.sleep(1)

        with GrpcPeer() as peer:
            away = status(StatusCode.UNAVAILABLE)
            short = ends_at_once(bundles(example_org=keys.jwks("one")))
            peer.fetch_bundles = in_turn(*[away] * 4, short, short, short, lasts, short)
            pauses, rings = pauses_of(WorkloadApiNews(peer.endpoint, None, patience=0.2, settled=0.2), 9)
        assert rings == 5
        assert pauses[6] > 3
        assert pauses[7] <= 0.1
        assert pauses[8] <= 0.2
        assert caplog.records[-1].getMessage().startswith("waiting")

    @pytest.mark.parametrize(
        "answer",
        [
            status(StatusCode.INVALID_ARGUMENT),
            status(StatusCode.UNIMPLEMENTED),
            gives(b"\xff\xff\xff"),
            gives(b"x" * (5 * 1024 * 1024)),
        ],
    )
    def test_what_only_a_person_can_change_is_asked_every_five_minutes(self, answer: Answer) -> None:
        with GrpcPeer() as peer:
            peer.fetch_bundles = answer
            assert pauses_of(WorkloadApiNews(peer.endpoint, None), 3) == ([300] * 3, 0)

    def test_who_is_registered_late_is_told_once_how_and_rings_then(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO")
        with GrpcPeer() as peer:
            peer.fetch_bundles = in_turn(DENIED, DENIED, DENIED, bundles(example_org=keys.jwks("one")))
            with Listening(news(peer)) as listening:
                assert listening.has_rung(1)
        waiting, back = (record.getMessage() for record in caplog.records)
        assert "register it: spire-server entry create" in waiting
        assert back.endswith("is back")


class TestSilence:
    def test_a_silent_agent_is_asked_again(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        with GrpcPeer() as peer:
            peer.fetch_bundles = in_turn(hang, bundles(example_org=keys.jwks("one")))
            with Listening(WorkloadApiNews(peer.endpoint, None, pauses=QUICK, patience=0.2)) as listening:
                assert listening.has_rung(1)
        assert "is silent" in caplog.records[0].getMessage()

    def test_so_is_a_socket_that_says_nothing(self, caplog: pytest.LogCaptureFixture) -> None:
        caplog.set_level("INFO")
        path = Path(tempfile.mkdtemp(dir="/tmp")) / "mute.sock"
        with socket.socket(socket.AF_UNIX) as mute:
            mute.bind(str(path))
            mute.listen(9)
            quiet = WorkloadApiNews(f"unix://{path}", None, pauses=QUICK, patience=0.1)
            assert pauses_of(quiet, 3)[1] == 0
        path.unlink()
        path.parent.rmdir()
        (record,) = caplog.records
        assert "is silent" in record.getMessage()

    def test_the_stop_ends_it(self) -> None:
        with GrpcPeer() as peer:
            peer.fetch_bundles = hang
            with Listening(news(peer)) as listening:
                assert listening.stays_silent(0.2)
                assert peer.calls == ["bundles"]
            assert peer.stream_ended.wait(10)


def test_another_kind_of_endpoint_is_refused() -> None:
    with pytest.raises(SourceSettingsError):
        WorkloadApiNews("http://127.0.0.1", None)


def _are_growing(pauses: list[float]) -> None:
    for pause, longest in zip(pauses, (0.1, 0.2, 0.4, 0.8, 1.6, 3.2, 6.4, 12.8, 15, 15, 15), strict=True):
        assert longest / 2 <= pause <= longest
