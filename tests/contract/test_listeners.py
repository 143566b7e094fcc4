"""One contract for every listener, on every SPIRE: what rings, what does not, and how little it costs."""

import json
import resource
import time
from pathlib import Path

import pytest

from publisher.bundle.fetched import SourceKind
from publisher.bundle.trust_domain import TrustDomain
from publisher.https import Https
from publisher.ports import Call, Listener
from publisher.sources.bell import Bell
from publisher.sources.bundle_endpoint_news import BundleEndpointNews
from publisher.sources.file_news import FileNews
from publisher.sources.news import Pauses
from publisher.sources.server_api_news import ServerApiNews
from publisher.sources.workload_api_news import WorkloadApiNews
from publisher.wiring import SystemClock
from tests.conftest import MakePeer
from tests.peers.peer import SpirePeer
from tests.peers.reading import eventually
from tests.peers.start import STANDIN
from tests.unit.sources.listening import Listening

EXAMPLE = TrustDomain(name="example.org")
LISTENED = (SourceKind.WORKLOAD_API, SourceKind.SERVER_API, SourceKind.BUNDLE_ENDPOINT, SourceKind.FILE)
EVERY = 0.1
QUICK = Pauses(first=0.05, longest=0.5, most=1.0)

_IDLE, _MOST_CPU = 3.0, 0.05
_QUIET = 1.5
"""Seconds without a ring: longer than the agents of these tests take from one sync to the next."""


@pytest.fixture(params=LISTENED)
def kind(request: pytest.FixtureRequest) -> SourceKind:
    chosen: SourceKind = request.param
    return chosen


class Heard:
    """A listener at a peer. A file is kept up to date as a cron job would: written when it differs."""

    def __init__(self, kind: SourceKind, peer: SpirePeer, directory: Path, *, every: float = EVERY) -> None:
        self.kind = kind
        self.tells_taint = kind in {SourceKind.SERVER_API, SourceKind.BUNDLE_ENDPOINT}
        self._peer = peer
        self._file = directory / "bundle.json"
        self.listener = self._make(every)

    def _make(self, every: float) -> Listener:
        peer = self._peer
        match self.kind:
            case SourceKind.WORKLOAD_API:
                return WorkloadApiNews(peer.workload_api, EXAMPLE)
            case SourceKind.SERVER_API:
                return ServerApiNews(peer.server_api, poll_every=every, pauses=QUICK)
            case SourceKind.BUNDLE_ENDPOINT:
                web = Https(peer.ca_file)
                return BundleEndpointNews(
                    peer.bundle_endpoint, EXAMPLE, web, SystemClock(), shortest=every, longest=every
                )
            case _:
                self.bring_up_to_date()
                return FileNews(str(self._file), poll_every=every)

    def bring_up_to_date(self) -> None:
        """Do what lies between SPIRE and the listener, other than waiting."""
        if self.kind is not SourceKind.FILE:
            return
        keys = json.dumps(sorted(self._peer.bundle().kids))
        if not self._file.exists() or self._file.read_text() != keys:
            new = self._file.with_suffix(".new")
            new.write_text(keys)
            new.rename(self._file)


@pytest.fixture
def heard(kind: SourceKind, shared_peer: SpirePeer, tmp_path: Path) -> Heard:
    shared_peer.wait_for_agent()
    return Heard(kind, shared_peer, tmp_path)


class TestEveryListener:
    def test_a_life_of_a_key_rings_within_seconds(self, heard: Heard, shared_peer: SpirePeer) -> None:
        with Listening(heard.listener) as listening:
            assert listening.has_rung(1)
            assert listening.stays_silent(_QUIET)
            for change in (shared_peer.prepare, shared_peer.activate, shared_peer.taint, shared_peer.revoke):
                rung = listening.rings
                change()
                heard.bring_up_to_date()
                # To activate changes no bundle; to taint, nothing but its sequence number.
                if change == shared_peer.activate or (change == shared_peer.taint and not heard.tells_taint):
                    assert listening.stays_silent(_QUIET), change.__name__
                else:
                    assert listening.has_rung(rung + 1), change.__name__

    def test_idle_costs_next_to_nothing(
        self, kind: SourceKind, shared_peer: SpirePeer, tmp_path: Path
    ) -> None:
        shared_peer.wait_for_agent()
        with Listening(Heard(kind, shared_peer, tmp_path, every=5).listener) as listening:
            assert listening.has_rung(1)
            assert _cpu_seconds_of(_IDLE) < _MOST_CPU
            assert listening.rings == 1

    def test_a_burst_is_one_call_of_a_bell(
        self, heard: Heard, shared_peer: SpirePeer, peer_kind: str
    ) -> None:
        listening = Listening(heard.listener)
        bell = Bell(listening.stop)
        listening.also = bell.ring
        with listening:
            assert listening.has_rung(1)
            assert bell.wait(20) is Call.NEWS
            before = shared_peer.bundle()
            for _ in range(17 if peer_kind == STANDIN else 4):  # real SPIRE starts a program for each step
                for change in (
                    shared_peer.prepare,
                    shared_peer.activate,
                    shared_peer.taint,
                    shared_peer.revoke,
                ):
                    change()
                heard.bring_up_to_date()
            after = shared_peer.bundle()
            assert after.kids != before.kids
            assert after.sequence_number - before.sequence_number >= (50 if peer_kind == STANDIN else 12)
            assert listening.has_rung(2)
            time.sleep(_QUIET)
            assert bell.wait(0) is Call.NEWS
            assert bell.wait(0) is Call.TIME


class TestServerLoss:
    def test_a_dead_server_behind_a_living_agent_neither_rings_nor_spins(
        self, peer: SpirePeer, tmp_path: Path
    ) -> None:
        with Listening(Heard(SourceKind.WORKLOAD_API, peer, tmp_path).listener) as listening:
            assert listening.has_rung(1)
            peer.kill_server()
            assert _cpu_seconds_of(_IDLE) < _MOST_CPU
            assert listening.rings == 1
            peer.start_server()
            assert listening.stays_silent(_QUIET)
            peer.prepare()
            assert listening.has_rung(2)

    @pytest.mark.parametrize("kind", [SourceKind.SERVER_API, SourceKind.BUNDLE_ENDPOINT])
    def test_a_server_that_is_back_rings(
        self, kind: SourceKind, peer: SpirePeer, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "publisher")
        with Listening(Heard(kind, peer, tmp_path).listener) as listening:
            assert listening.has_rung(1)
            peer.kill_server()
            assert eventually(lambda: "waiting for" in caplog.text)
            assert listening.rings == 1
            peer.start_server()
            assert listening.has_rung(2)
            assert eventually(lambda: "is back" in caplog.text)
        assert len(caplog.records) == 2

    @pytest.mark.parametrize("kind", [SourceKind.SERVER_API, SourceKind.BUNDLE_ENDPOINT])
    def test_a_dead_server_is_not_hammered(self, kind: SourceKind, peer: SpirePeer, tmp_path: Path) -> None:
        peer.kill_server()
        listeners: dict[SourceKind, Listener] = {
            SourceKind.SERVER_API: ServerApiNews(peer.server_api, poll_every=1),
            SourceKind.BUNDLE_ENDPOINT: BundleEndpointNews(
                peer.bundle_endpoint, EXAMPLE, Https(peer.ca_file), SystemClock(), shortest=1, longest=60
            ),
        }
        with Listening(listeners[kind]) as listening:
            assert _cpu_seconds_of(_IDLE) < _MOST_CPU
            assert listening.rings == 0


class TestAgentLoss:
    def test_a_restarted_agent_rings_though_its_socket_is_a_new_file(
        self, peer: SpirePeer, tmp_path: Path, caplog: pytest.LogCaptureFixture
    ) -> None:
        caplog.set_level("INFO", "publisher")
        path = Path(peer.workload_api.removeprefix("unix://"))
        with Listening(Heard(SourceKind.WORKLOAD_API, peer, tmp_path).listener) as listening:
            assert listening.has_rung(1)
            before = path.stat()
            peer.kill_agent()
            assert eventually(lambda: "waiting for" in caplog.text)
            peer.start_agent()
            peer.wait_for_agent()
            assert listening.has_rung(2)
            after = path.stat()
            assert (after.st_ino, after.st_ctime_ns) != (before.st_ino, before.st_ctime_ns)
            assert eventually(lambda: "is back" in caplog.text)
            rung = listening.rings
            peer.prepare()
            assert listening.has_rung(rung + 1)
        assert len(caplog.records) == 2

    @pytest.mark.parametrize("kind", [SourceKind.WORKLOAD_API, SourceKind.SERVER_API])
    def test_another_one_on_the_same_path_is_listened_to_though_the_old_one_lives(
        self, kind: SourceKind, peer: SpirePeer, make_peer: MakePeer, tmp_path: Path
    ) -> None:
        def path_of(each: SpirePeer) -> Path:
            address = each.workload_api if kind is SourceKind.WORKLOAD_API else each.server_api
            return Path(address.removeprefix("unix://"))

        other = make_peer()
        other.wait_for_agent()
        with Listening(Heard(kind, peer, tmp_path).listener) as listening:
            assert listening.has_rung(1)
            second_name = other.directory / "second-name"
            second_name.hardlink_to(path_of(other))  # the other one is found at its own path as well
            second_name.rename(path_of(peer))
            assert listening.has_rung(2)
            other.prepare()
            assert listening.has_rung(3)
            assert listening.stays_silent(_QUIET)

    def test_an_agent_that_is_away_is_not_hammered(self, peer: SpirePeer, tmp_path: Path) -> None:
        peer.kill_agent()
        with Listening(Heard(SourceKind.WORKLOAD_API, peer, tmp_path).listener) as listening:
            time.sleep(1)  # the first attempts follow each other soon: an agent that restarts is back at once
            assert _cpu_seconds_of(_IDLE) < _MOST_CPU
            assert listening.rings == 0

    def test_who_is_not_registered_yet_rings_as_soon_as_it_is(
        self, make_peer: MakePeer, tmp_path: Path
    ) -> None:
        peer = make_peer(registered=False)
        with Listening(Heard(SourceKind.WORKLOAD_API, peer, tmp_path).listener) as listening:
            assert listening.stays_silent(0.5)
            peer.add_entry()
            assert listening.has_rung(1)

    def test_who_loses_its_entry_waits_for_another_one(self, peer: SpirePeer, tmp_path: Path) -> None:
        with Listening(Heard(SourceKind.WORKLOAD_API, peer, tmp_path).listener) as listening:
            assert listening.has_rung(1)
            peer.remove_entry()
            time.sleep(_QUIET)
            assert listening.rings == 1
            peer.add_entry()
            assert listening.has_rung(2)


def test_news_of_another_trust_domain_are_none(make_standin: MakePeer, tmp_path: Path) -> None:
    peer = make_standin(federated=("other.org",))
    listeners = [WorkloadApiNews(peer.workload_api, EXAMPLE), WorkloadApiNews(peer.workload_api, None)]
    with Listening(listeners[0]) as one, Listening(listeners[1]) as every:
        assert one.has_rung(1)
        assert every.has_rung(1)
        peer.federate("third.org")  # type: ignore[attr-defined]  # the stand-in's own
        assert every.has_rung(2)
        assert one.rings == 1


def _cpu_seconds_of(seconds: float) -> float:
    """Wait that long, and give the CPU seconds that this process took meanwhile."""
    before = resource.getrusage(resource.RUSAGE_SELF)
    time.sleep(seconds)
    after = resource.getrusage(resource.RUSAGE_SELF)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
