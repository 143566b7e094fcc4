"""The plugin without its processes: a library that hangs, and settings that a worker before it accepted."""

import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path

import pytest

from publisher.errors import SinkUnavailableError
from publisher.findings import Finding
from publisher.ports import Deadline
from publisher.settings.targets import PublishTarget
from publisher.spire_plugin.plugin import LONGEST_HANG, Accepted, Around, Plugin
from publisher.spire_plugin.settings import BadSettingsError
from publisher.spire_plugin.turns import OutOfTimeError
from publisher.use_cases.publish import Adapters
from tests.doubles import StoppedClock
from tests.peers import wire
from tests.plugin.messages import bundle

DATA = 'sink = "gs://my-bucket"\nissuer = "https://storage.googleapis.com/my-bucket"'
PATIENCE = 20.0
LOOK = 5.0
PUSH = wire.encode({1: bundle("a", number=1)})


class HurryingClock(StoppedClock):
    """A clock on which five seconds pass between two looks at it: nobody waits for real."""

    def monotonic(self) -> float:
        self.advance(seconds=LOOK)
        return StoppedClock.monotonic(self)

    def now(self) -> datetime:
        return self.time


class Hanging:
    """A plugin whose library hangs until it is let go, and then says that the bucket is away."""

    def __init__(self) -> None:
        self.clock = HurryingClock()
        self.begun, self.let_go = threading.Semaphore(0), threading.Event()
        self.hung: list[str] = []
        around = Around(clock=self.clock, open_adapters=self.adapters, hung=self.hung.append)
        self.plugin = Plugin(around)

    def adapters(
        self, _target: PublishTarget, _deadline: Deadline, _notice: Callable[[Finding], None]
    ) -> AbstractContextManager[Adapters]:
        self.begun.release()
        assert self.let_go.wait(PATIENCE)
        raise SinkUnavailableError("gs://my-bucket", "is away", "wait")


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    made = Hanging()
    yield made
    made.let_go.set()


class TestHanging:
    def test_what_hangs_longer_than_a_minute_is_told_at_the_next_answer(self, hanging: Hanging) -> None:
        hanging.plugin.configure(f'{DATA}\ntimeout = "1s"', "example.org")
        ((name, error),) = hanging.plugin.publish(PUSH)
        assert (name, type(error)) == (None, OutOfTimeError)
        assert hanging.begun.acquire(timeout=PATIENCE)
        assert hanging.hung == [], "a slow bucket is no hang"
        hanging.clock.advance(seconds=LONGEST_HANG)
        hanging.plugin.publish(PUSH)
        assert hanging.hung == ["the publication"]

    def test_it_is_named_and_the_others_are_not(self, hanging: Hanging, tmp_path: Path) -> None:
        file = tmp_path / "publisher.toml"
        file.write_text(f'{DATA}\n[[publication]]\nname = "one"\n'.replace("\n[[", '\ntimeout = "1s"\n[['))
        hanging.plugin.configure(f'config_file = "{file}"', "example.org")
        hanging.plugin.publish(PUSH)
        assert hanging.begun.acquire(timeout=PATIENCE)
        hanging.clock.advance(seconds=LONGEST_HANG)
        hanging.plugin.publish(PUSH)
        assert hanging.hung == ["publication one"]

    def test_work_that_ended_hangs_no_more(self, hanging: Hanging) -> None:
        hanging.plugin.configure(f'{DATA}\ntimeout = "1s"', "example.org")
        hanging.let_go.set()
        hanging.clock.advance(seconds=LONGEST_HANG)
        turns = hanging.plugin._configured.turns  # type: ignore[union-attr]  # it is configured
        hanging.plugin.publish(PUSH)
        assert hanging.begun.acquire(timeout=PATIENCE)
        turns[0].close()
        turns[0]._thread.join(PATIENCE)
        hanging.clock.advance(seconds=LONGEST_HANG)
        hanging.plugin.publish(PUSH)
        assert hanging.hung == []


class TestAccepted:
    def test_the_file_is_handed_over_as_it_was_judged(self, tmp_path: Path) -> None:
        file = tmp_path / "publisher.toml"
        file.write_text(DATA)
        accepted = Hanging().plugin.configure(f'config_file = "{file}"', "example.org")
        assert accepted.file == DATA
        file.write_text("nonsense")
        again = Hanging().plugin
        again.restore(accepted)
        assert again._configured is not None
        assert again._configured.settings.publications[0].target.sink.uri == "gs://my-bucket"

    def test_without_a_file_there_is_none(self) -> None:
        assert Hanging().plugin.configure(DATA, "example.org").file is None

    def test_what_this_version_refuses_is_said_at_every_push(self, caplog: pytest.LogCaptureFixture) -> None:
        plugin = Hanging().plugin
        plugin.restore(Accepted(text="gone = 1", trust_domain="example.org"))
        assert "no longer accepted" in caplog.text
        for _ in range(2):
            ((_, error),) = plugin.publish(PUSH)
            assert isinstance(error, BadSettingsError)
            assert "unknown member 'gone'" in str(error)
