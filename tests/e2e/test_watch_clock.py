"""`watch` when the time of day jumps: the real service on real sockets, in this process, with another clock.

No test may set the machine's clock, and a time namespace moves every clock but that one.
"""

import os
import signal
import threading
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from publisher.cli.service import Service
from publisher.errors import ExitStatus
from publisher.sd_notify import Notifier
from publisher.settings.layers import Layers, Reader
from publisher.settings.run import RunSettings, Selected
from publisher.settings.watch_target import read_watch_target
from publisher.sinks.gcs import open_client
from publisher.wiring import SystemClock
from publisher.wiring.clients import ClientKeeper
from publisher.wiring.watching import WatchWiring
from tests.e2e.conftest import Story
from tests.e2e.test_watch import manifest
from tests.watching import wait_until


class SetClock(SystemClock):
    """The machine's clock, its time of day set to another one."""

    shift = timedelta()

    def now(self) -> datetime:
        return super().now() + self.shift


@pytest.mark.parametrize("seconds", [120, -120])
def test_connections_are_made_anew_and_a_round_follows(
    story: Story, seconds: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", "publisher")
    for name, value in story.emulator.environment.items():
        monkeypatch.setenv(name, value)
    clock = SetClock()
    opened, closed = list[Any](), list[Any]()

    def opening() -> Any:
        opened.append(open_client())
        return opened[-1]

    def closing(client: Any) -> None:
        client.close()
        closed.append(client)

    run = RunSettings(json=False, verbose=False, quiet=False, timeout=30)
    wiring = WatchWiring(run, clock, ClientKeeper(clock, open_client=opening, close=closing))
    typed: dict[str, object] = {
        "source": story.workload_api,
        "sink": f"gs://{story.bucket}",
        "issuer": story.issuer,
        "bucket-url": story.issuer,
        "ca-file": str(story.ca_file),
    }
    target = read_watch_target(Reader(layers=Layers(command="watch", command_line=typed, environment={})))
    warm = list[int]()
    service = Service(
        [Selected(name=None, settings=target)], wiring, Notifier(), lambda: warm.append(len(opened))
    )

    def confirmed() -> datetime:
        return datetime.fromisoformat(manifest(story)["confirmed_at"])

    def set_the_clock() -> None:
        try:
            wait_until(lambda: "INFO" in caplog.text and "published keys" in caplog.text)
            clock.shift = timedelta(seconds=seconds)
            wait_until(lambda: "its clock was set" in caplog.text)
            wait_until(lambda: len(opened) == 2)
            wait_until(lambda: abs((confirmed() - clock.now()).total_seconds()) < 60)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)

    operator = threading.Thread(target=set_the_clock)
    operator.start()
    status = service.run()
    operator.join()
    assert status == ExitStatus.DONE, caplog.text
    assert f"({seconds:+} s)" in caplog.text
    assert warm == [1], "once, after the first round"
    assert closed == opened
    assert len(opened) == 2
    assert confirmed().tzinfo == UTC
