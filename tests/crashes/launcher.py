"""Run the publisher's command, whole or up to a point of its life."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tests.crashes.steps import Point, Step

ROOT = Path(__file__).parents[2]
Started = Callable[[int], None]
"""Is told the id of a process that was started."""

_OURS = ("SPIRE_OIDC_PUBLISHER_", "SPIFFE_", "NO_COLOR", "COVERAGE_")


@dataclass(frozen=True, kw_only=True)
class Order:
    """What to run and how. At `point` the process dies, or runs `command`; `roots` are watched for steps.

    `folder` takes the streams and the record of the steps.
    """

    arguments: Sequence[str]
    folder: str
    roots: Sequence[str]
    point: Point | None = None
    command: str | None = None
    environment: Mapping[str, str]
    umask: int = 0o077
    uid: int | None = None


@dataclass(frozen=True, kw_only=True)
class Ran:
    """What a run left. `status` is negative after a signal."""

    status: int
    out: str
    err: str
    steps: tuple[Step, ...]

    @property
    def killed(self) -> bool:
        return self.status == -signal.SIGKILL

    @property
    def publication(self) -> dict[str, Any]:
        only: dict[str, Any]
        (only,) = json.loads(self.out)["publications"]
        return only

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for finding in self.publication["findings"]]


def ignore(_pid: int) -> None:
    """Need no process id."""


def clean_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Leave out what the machine's own settings, and the tests' coverage, would add."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OURS)}
    return {**kept, **(extra or {})}


class Launcher:
    """Start runs one after the other, each in a process of its own; one launcher for one thread."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.crashes.forking"],
            cwd=ROOT,
            env=clean_environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def run(self, order: Order, started: Started) -> Ran:
        """Run to the end; `started` is told the process's id. The kernel ends a run that hangs."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(asdict(order)) + "\n")
        self._process.stdin.flush()
        started(int(self._process.stdout.readline()))
        status = os.waitstatus_to_exitcode(int(self._process.stdout.readline()))
        assert status != -signal.SIGALRM, "the run did not end"
        folder = Path(order.folder)
        return Ran(
            status=status,
            out=(folder / "out").read_text(),
            err=(folder / "err").read_text(),
            steps=read_steps(folder / "steps"),
        )

    def close(self) -> None:
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        self._process.wait(timeout=30)


def read_steps(record: Path) -> tuple[Step, ...]:
    found = [json.loads(line) for line in record.read_text().splitlines()]
    return tuple(Step(**{**one, "places": tuple(one["places"])}) for one in found)


@contextmanager
def running_launchers(count: int) -> Iterator[list[Launcher]]:
    launchers = [Launcher() for _ in range(count)]
    try:
        yield launchers
    finally:
        for launcher in launchers:
            launcher.close()


def each(launchers: Sequence[Launcher], jobs: Sequence[Any], work: Callable[[Launcher, Any], None]) -> None:
    """Do every job, as many at once as there are launchers; raise the first failure."""
    waiting, failures = list(reversed(jobs)), list[BaseException]()

    def serve(launcher: Launcher) -> None:
        while waiting and not failures:
            try:
                job = waiting.pop()
            except IndexError:
                return
            try:
                work(launcher, job)
            except BaseException as failure:  # noqa: BLE001 - raised in the test's own thread
                failures.append(failure)

    threads = [threading.Thread(target=serve, args=(launcher,)) for launcher in launchers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
