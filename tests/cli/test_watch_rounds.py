"""One publication's rounds: what hangs is left behind once, what fails renews the client, nothing leaks."""

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from publisher.cli.rounds import LONGEST_HANG, Around, HangsError, Rounds
from publisher.cli.runs import OutOfTimeError, PublicationThread
from publisher.cli.service import Service
from publisher.cli.signals import Signals
from publisher.errors import (
    ExitStatus,
    SinkSettingsError,
    SourceError,
    SourceUnavailableError,
    WebUntrustedError,
)
from publisher.findings import Finding
from publisher.ports import Call, Deadline
from publisher.sd_notify import Notifier
from publisher.settings.layers import Layers, Reader
from publisher.settings.run import RunSettings, Selected
from publisher.settings.watch_target import read_watch_target
from publisher.use_cases.pace import Pace
from publisher.wiring import SystemClock, Wiring
from publisher.wiring.clients import ClientKeeper, Lease
from publisher.wiring.watching import FreshWeb, WatchWiring
from tests.cli.running import ISSUER, Place
from tests.watching import wait_until


@dataclass(frozen=True, slots=True)
class Hooked(WatchWiring):
    """The wiring of `watch`, with something that happens before each round's adapters are made."""

    before: list[Callable[[Lease], object]]
    looking: list[Callable[[Lease], object]]

    @contextmanager
    def round(self, deadline: Deadline, notice: Callable[[Finding], None]) -> Iterator[tuple[Wiring, Lease]]:
        with self.clients.lease(deadline) as lease:

            @dataclass(frozen=True, slots=True)
            class Late(Wiring):
                def adapters(_self, target: Any) -> Any:  # noqa: N805 (the outer self is meant)
                    if self.before:
                        self.before.pop(0)(lease)
                    return Wiring.adapters(_self, target)

                def sink(_self, target: Any) -> Any:  # noqa: N805 (the outer self is meant)
                    if self.looking:
                        self.looking.pop(0)(lease)
                    return Wiring.sink(_self, target)

            yield Late(clock=self.clock, notice=notice, take_client=lease.client), lease


class ShiftedClock(SystemClock):
    """The machine's clock, ahead by what a test says."""

    ahead = 0.0

    def monotonic(self) -> float:
        return super().monotonic() + self.ahead


class ScriptedBell:
    """Call for so many rounds at once, then for the end."""

    def __init__(self, rounds: int) -> None:
        self.left = rounds

    def wait(self, seconds: float) -> Call:
        self.left -= 1
        return Call.STOP if self.left < 1 else Call.NEWS


class JumpingBell:
    """Let the machine sleep for a minute during the first wait, and end at the second one."""

    def __init__(self, clock: ShiftedClock) -> None:
        self._clock = clock

    def wait(self, seconds: float) -> Call:
        if self._clock.ahead:
            return Call.STOP
        self._clock.ahead += 60
        return Call.TIME


@dataclass
class Stage:
    """One publication of a file to a directory, whose rounds are done when told."""

    folder: Path
    before: list[Callable[[Lease], object]] = field(default_factory=list)
    looking: list[Callable[[Lease], object]] = field(default_factory=list)
    told: int = 0
    closed: list[object] = field(default_factory=list)
    closed_at_iam: list[object] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.place = Place(folder=self.folder)
        self.place.sink.mkdir()
        self.place.has("one", "two")
        typed: dict[str, object] = {
            "issuer": ISSUER,
            "sink": str(self.place.sink),
            "source": f"file:{self.place.bundle}",
            "trust-domain": "example.org",
            "verify-url": False,
        }
        self.target = read_watch_target(
            Reader(layers=Layers(command="watch", command_line=typed, environment={}))
        )
        self.clock = clock = ShiftedClock()
        keeper = ClientKeeper(clock, open_client=object, close=self.closed.append)
        run = RunSettings(json=False, verbose=False, quiet=False, timeout=1)
        self.wiring = Hooked(run, clock, keeper, self.before, self.looking)
        of_iam = ClientKeeper(clock, open_client=object, close=self.closed_at_iam.append)
        object.__setattr__(self.wiring, "provider_clients", of_iam)
        self.around = Around(
            wiring=self.wiring,
            pace=Pace(confirm_every=60),
            stop=threading.Event(),
            slots=threading.Semaphore(1),
            told=self._tell,
        )
        self.restart()

    def restart(self) -> None:
        """Forget what the process knew."""
        self.rounds = Rounds("name", self.target, ScriptedBell(1), self.around)

    def _tell(self) -> None:
        self.told += 1

    def use_clients(self) -> None:
        """Open both clients, as rounds do that need them."""
        for keeper in (self.wiring.clients, self.wiring.provider_clients):
            with keeper.lease(Deadline(self.clock, 5)) as lease:
                lease.client()

    def do(self) -> None:
        """Do one round, in this thread."""
        self.rounds.run()


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def failing(error: Exception) -> Callable[[Lease], object]:
    def fail(lease: Lease) -> object:
        lease.client()
        raise error

    return fail


def test_a_round_publishes_and_stands(stage: Stage) -> None:
    stage.do()
    standing = stage.rounds.standing
    assert (standing.rounds, standing.changed, standing.status) == (1, 1, ExitStatus.DONE)
    assert standing.name == "name"
    assert stage.place.kids == ["one", "two"]
    assert stage.told == 1
    assert stage.rounds.trouble() is None


def test_a_round_that_hangs_is_left_behind_and_no_other_begins_before_its_end(stage: Stage) -> None:
    release = threading.Event()
    stage.before.append(lambda _lease: release.wait(60))
    stage.do()
    assert isinstance(stage.rounds.standing.error, OutOfTimeError)
    threads = sum(isinstance(thread, PublicationThread) for thread in threading.enumerate())
    for _ in range(3):
        stage.do()
        assert isinstance(stage.rounds.standing.error, HangsError)
    assert sum(isinstance(thread, PublicationThread) for thread in threading.enumerate()) == threads
    assert stage.rounds.standing.retries == 4
    release.set()
    wait_until(lambda: not PublicationThread.any_left())
    stage.do()
    assert stage.rounds.standing.status is ExitStatus.DONE


@pytest.mark.parametrize(
    ("error", "spoilt"),
    [
        (SinkSettingsError("there", "is forbidden", "ask"), True),
        (SourceUnavailableError("there", "is away", "wait"), False),
        (ValueError("hunter2"), True),
    ],
)
def test_what_fails_at_the_sink_renews_the_client(stage: Stage, error: Exception, spoilt: bool) -> None:
    stage.before.append(failing(error))
    stage.do()
    assert stage.rounds.standing.retries == 1
    assert bool(stage.closed) is spoilt
    assert "hunter2" not in str(stage.rounds.standing.error)
    stage.do()
    assert stage.rounds.standing.retries == 0


def test_a_round_that_hangs_and_a_jump_of_the_clock_end_the_connections_to_every_service(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    stage.use_clients()
    release = left_hanging(stage)
    assert (len(stage.closed), len(stage.closed_at_iam)) == (1, 1)
    release.set()
    wait_until(lambda: not PublicationThread.any_left())
    stage.use_clients()
    Rounds("name", stage.target, JumpingBell(stage.clock), stage.around).run()
    assert (len(stage.closed), len(stage.closed_at_iam)) == (2, 2)
    assert "the machine slept or its clock was set (-60 s)" in caplog.text


def test_a_service_that_starts_in_an_outage_tells_what_is_published(stage: Stage) -> None:
    stage.do()
    published = stage.rounds.standing
    stage.restart()
    stage.place.bundle.unlink()
    stage.do()
    standing = stage.rounds.standing
    assert standing.error is not None
    assert (standing.rounds, standing.failed, standing.last_success_at) == (1, 1, None)
    assert standing.manifest == published.manifest
    assert [lead.needed for lead in standing.lead_times] == [lead.needed for lead in published.lead_times]
    manifest = stage.place.sink / ".well-known" / "spire-oidc-publication.json"
    manifest.unlink()
    stage.do()
    assert stage.rounds.standing.manifest == published.manifest, "once is enough"


@pytest.mark.parametrize("there", ["absent", "no manifest", "another issuer's", "away"])
def test_where_nothing_can_be_seen_nothing_is_told(stage: Stage, there: str) -> None:
    stage.do()
    stage.restart()
    stage.place.bundle.unlink()
    manifest = stage.place.sink / ".well-known" / "spire-oidc-publication.json"
    match there:
        case "absent":
            manifest.unlink()
        case "no manifest":
            manifest.write_text("hello")
        case "another issuer's":
            manifest.write_text(manifest.read_text().replace(ISSUER, f"{ISSUER}/other"))
        case "away":
            stage.looking += [lambda _lease: None, failing(SinkSettingsError("there", "is forbidden", "ask"))]
    stage.do()
    assert stage.rounds.standing.manifest is None
    assert isinstance(stage.rounds.standing.error, SourceError), "what the round met is what is told"


def test_a_sink_that_hangs_while_it_is_looked_at_is_left_behind_too(stage: Stage) -> None:
    stage.place.bundle.unlink()
    release = threading.Event()

    def hang(_lease: Lease) -> None:
        stage.clock.ahead += 60
        release.wait(60)

    stage.looking += [lambda _lease: None, hang]
    stage.do()
    assert isinstance(stage.rounds.standing.error, SourceError)
    stage.do()
    assert isinstance(stage.rounds.standing.error, HangsError)
    release.set()
    wait_until(lambda: not PublicationThread.any_left())
    stage.do()
    assert isinstance(stage.rounds.standing.error, SourceError)


def left_hanging(stage: Stage) -> threading.Event:
    release = threading.Event()
    stage.before.append(lambda _lease: release.wait(60))
    stage.do()
    return release


def test_only_a_hang_that_lasts_is_a_reason_to_end(stage: Stage) -> None:
    release = left_hanging(stage)
    assert stage.rounds.trouble() is None
    stage.clock.ahead += LONGEST_HANG + 1
    stage.rounds.beat()
    assert "hanging in a library" in (stage.rounds.trouble() or "")
    release.set()
    wait_until(lambda: not PublicationThread.any_left())
    assert stage.rounds.trouble() is None


def test_a_loop_that_does_not_turn_is_a_reason_to_end(stage: Stage) -> None:
    stage.do()
    stage.clock.ahead += 30
    assert stage.rounds.trouble() is None
    stage.clock.ahead += 30
    assert "has not turned for" in (stage.rounds.trouble() or "")


def test_a_service_with_a_round_that_hangs_for_ever_ends_to_be_restarted(
    stage: Stage, caplog: pytest.LogCaptureFixture
) -> None:
    release = threading.Event()
    began = threading.Event()

    def hang(_lease: Lease) -> None:
        began.set()
        release.wait(60)

    stage.before.append(hang)

    def let_time_pass() -> None:
        began.wait(60)
        while not release.wait(0.1):
            stage.clock.ahead += 4

    service = Service([Selected(name="name", settings=stage.target)], stage.wiring, Notifier())
    passing = threading.Thread(target=let_time_pass)
    passing.start()
    try:
        assert service.run() == ExitStatus.TEMPORARY
    finally:
        release.set()
        passing.join(60)
    assert "name: the service ends to be restarted: a round has been hanging" in caplog.text
    wait_until(lambda: not PublicationThread.any_left())


def test_a_ca_file_that_is_replaced_by_nonsense_is_an_answer_that_did_not_come(stage: Stage) -> None:
    with pytest.raises(WebUntrustedError, match="holds no certificate"):
        FreshWeb(stage.place.bundle).get("https://127.0.0.1:1", Deadline(stage.clock, 1))


def test_signals_wake_and_are_told_once() -> None:
    with Signals() as signals:
        for number in (signal.SIGHUP, signal.SIGTERM):
            signal.raise_signal(number)
        signals.wait(60)
        assert signals.taken() == (signal.SIGHUP, signal.SIGTERM)
        assert signals.taken() == ()
        for _ in range(100_000):
            signals.wake()  # more than the pipe holds
        signals.wait(60)
        signals.wait(0.01)
        assert signals.taken() == ()
