import socket
import tempfile
from pathlib import Path

import pytest
from grpc import StatusCode

from publisher.errors import SourceSettingsError
from publisher.sources.news import Pauses
from publisher.sources.protocol import server_pb2
from publisher.sources.server_api_news import ServerApiNews
from tests.unit.sources.grpc_peer import Answer, GrpcPeer, gives, hang, in_turn, server_bundle, status
from tests.unit.sources.listening import Listening, pauses_of
from tests.unit.sources.relay import Relay

QUICK = Pauses(first=0.01, longest=0.05, most=0.05)


def news(peer: GrpcPeer, every: float = 0.02, patience: float = 5) -> ServerApiNews:
    return ServerApiNews(peer.endpoint, poll_every=every, pauses=QUICK, patience=patience)


def numbers(*numbers: int) -> Answer:
    return in_turn(*(server_bundle(sequence_number=number) for number in numbers))


def test_only_another_number_rings_a_lower_one_too() -> None:
    with GrpcPeer() as peer:
        peer.get_bundle = numbers(4, 4, 5, 5, 2, 2)
        assert pauses_of(ServerApiNews(peer.endpoint, poll_every=7), 8) == ([7] * 8, 3)


def test_zero_is_a_number_like_others() -> None:
    with GrpcPeer() as peer:
        peer.get_bundle = numbers(0, 0, 1)
        assert pauses_of(news(peer), 3)[1] == 2


def test_nothing_but_the_number_is_asked_for_over_one_connection() -> None:
    with GrpcPeer() as peer, Relay(peer.endpoint) as relay:
        through = ServerApiNews(relay.endpoint, poll_every=0.01, pauses=QUICK)
        assert pauses_of(through, 10)[1] == 1
        masks = [server_pb2.GetBundleRequest.FromString(request).output_mask for request in peer.requests]
        assert masks == [server_pb2.BundleMask(sequence_number=True)] * 10
        assert relay.connections == 1


def test_a_lost_connection_is_made_anew() -> None:
    with GrpcPeer() as peer, Relay(peer.endpoint) as relay:
        with Listening(ServerApiNews(relay.endpoint, poll_every=0.05, pauses=QUICK)) as listening:
            assert listening.has_rung(1)
            relay.cut()
            peer.get_bundle = numbers(9)
            assert listening.has_rung(2)
        assert relay.connections == 2


def test_a_socket_that_another_server_put_in_the_place_of_a_living_ones() -> None:
    with GrpcPeer() as old, GrpcPeer() as new, Listening(news(old)) as listening:
        assert listening.has_rung(1)
        path = Path(old.endpoint.removeprefix("unix://"))
        path.rename(path.with_name("old.sock"))
        assert listening.stays_silent(), "where there is no other, the old one is asked"
        Path(new.endpoint.removeprefix("unix://")).rename(path)
        assert listening.has_rung(2), "though the number is the same"
        asked = len(old.calls)
        assert listening.stays_silent()
        assert len(old.calls) == asked
        assert new.calls


def test_its_return_rings_though_the_number_is_that_of_before() -> None:
    with GrpcPeer() as peer:
        away = status(StatusCode.UNAVAILABLE, "closing")
        peer.get_bundle = in_turn(
            server_bundle(sequence_number=4), away, away, server_bundle(sequence_number=4)
        )
        assert pauses_of(news(peer), 6)[1] == 2


@pytest.mark.parametrize(
    "answer",
    [
        status(StatusCode.INVALID_ARGUMENT),
        status(StatusCode.UNIMPLEMENTED),
        status(StatusCode.PERMISSION_DENIED),
        gives(b"\xff\xff\xff"),
        gives(b"x" * (5 * 1024 * 1024)),
    ],
)
def test_what_only_a_person_can_change_is_asked_every_five_minutes(answer: Answer) -> None:
    with GrpcPeer() as peer:
        peer.get_bundle = answer
        assert pauses_of(ServerApiNews(peer.endpoint, poll_every=1), 3) == ([300] * 3, 0)


def test_other_errors_are_asked_again_after_growing_pauses() -> None:
    pauses, rings = pauses_of(ServerApiNews("unix:///nobody/there", poll_every=1), 9)
    assert rings == 0
    for pause, longest in zip(pauses, (1, 2, 4, 8, 16, 32, 60, 60, 60), strict=True):
        assert longest / 2 <= pause <= longest


def test_a_silent_server_is_given_up_and_left_at_the_stop() -> None:
    with GrpcPeer() as peer:
        peer.get_bundle = in_turn(hang, server_bundle(sequence_number=4))
        with Listening(news(peer, patience=0.2)) as listening:
            assert listening.has_rung(1)
        peer.get_bundle = hang
        with Listening(news(peer, patience=30)) as listening:
            assert listening.stays_silent(0.2)
        assert listening.seconds_to_stop < 5


def test_a_socket_that_says_nothing(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    path = Path(tempfile.mkdtemp(dir="/tmp")) / "mute.sock"
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(str(path))
        mute.listen(9)
        quiet = ServerApiNews(f"unix://{path}", poll_every=1, pauses=QUICK, patience=0.1)
        assert pauses_of(quiet, 3)[1] == 0
    path.unlink()
    path.parent.rmdir()
    (record,) = caplog.records
    assert "is silent" in record.getMessage()


def test_only_unix_sockets_are_the_servers() -> None:
    with pytest.raises(SourceSettingsError, match="unix:///absolute/path"):
        ServerApiNews("tcp://127.0.0.1:1", poll_every=5)
