"""The program's first and last lines, in this process."""

import io
import json
import os
import signal
import sys
from collections.abc import Iterator, MutableMapping
from pathlib import Path
from typing import TextIO

import click
import pytest

from publisher.cli import main
from publisher.cli.entry import TerminatedError
from publisher.cli.root import root


@pytest.fixture
def commands() -> Iterator[MutableMapping[str, click.Command]]:
    """Commands to add for one test."""
    before, handler = dict(root.commands), signal.getsignal(signal.SIGTERM)
    yield root.commands
    root.commands.clear()
    root.commands.update(before)
    signal.signal(signal.SIGTERM, handler)


def ended(monkeypatch: pytest.MonkeyPatch, *arguments: str) -> object:
    monkeypatch.setattr(sys, "argv", ["spire-oidc-publisher", *arguments])
    with pytest.raises(SystemExit) as caught:
        main()
    return caught.value.code


def raising(error: BaseException) -> click.Command:
    def callback() -> None:
        raise error

    return click.Command("raising", callback=callback)


ENDS = [
    (TerminatedError(), 143, "stopped by SIGTERM"),
    (KeyboardInterrupt(), 130, "interrupted"),
    (click.UsageError("no \x1b[2J"), 2, "no \\x1b[2J; see: spire-oidc-publisher raising --help"),
    (click.ClickException("plain"), 2, "plain; see: spire-oidc-publisher --help"),
    (RuntimeError("hunter2"), 75, "unexpected builtins.RuntimeError"),
    (BrokenPipeError(), 0, ""),
]


@pytest.mark.parametrize(("error", "status", "said"), ENDS)
def test_every_end(
    commands: MutableMapping[str, click.Command],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    error: BaseException,
    status: int,
    said: str,
) -> None:
    commands["raising"] = raising(error)
    assert ended(monkeypatch, "raising") == status
    err = capsys.readouterr().err.strip()
    assert "hunter2" not in err
    assert said in (json.loads(err.splitlines()[-1])["message"] if err else "")


def test_help_and_no_command(
    commands: object, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert ended(monkeypatch, "--help") == 0
    assert ended(monkeypatch) == 2
    assert ended(monkeypatch, "publish", "--nope") == 2
    captured = capsys.readouterr()
    assert "Commands:" in captured.out
    assert "No such option" in captured.err


def test_sigterm_is_answered(
    commands: MutableMapping[str, click.Command], monkeypatch: pytest.MonkeyPatch
) -> None:
    commands["raising"] = click.Command("raising", callback=lambda: signal.raise_signal(signal.SIGTERM))
    assert ended(monkeypatch, "raising") == 143


class Gone(io.StringIO):
    """A stream whose reader went away before the last flush."""

    def __init__(self, spare: TextIO) -> None:
        super().__init__()
        self.spare = spare

    def flush(self) -> None:
        raise BrokenPipeError

    def fileno(self) -> int:
        return self.spare.fileno()


def test_the_last_flush_may_fail(commands: object, monkeypatch: pytest.MonkeyPatch) -> None:
    with Path(os.devnull).open("w") as spare:
        monkeypatch.setattr(sys, "stdout", Gone(spare))
        assert ended(monkeypatch, "--help") == 0
