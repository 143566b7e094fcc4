"""Log lines: for a person, for a machine, and never forged."""

import io
import json
import logging
import subprocess
import sys
import warnings

import pytest

from publisher import logs
from publisher.findings import Finding, Severity
from tests.cli.running import LIMIT, ROOT, clean

LOG = logging.getLogger("publisher.test")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def configured(
    stream: io.StringIO, *, verbose: bool = False, quiet: bool = False, colour: bool = False
) -> io.StringIO:
    logs.configure(stream, verbose=verbose, quiet=quiet, colour=colour)
    return stream


def finding(severity: Severity) -> Finding:
    return Finding(code="ROT001", severity=severity, where="here", what="is wrong", remedy="mend it")


def test_json_lines() -> None:
    stream = configured(io.StringIO())
    logs.log_finding(LOG, finding(Severity.ERROR))
    token = logs.publication_name.set("prod")
    LOG.info("done %d", 3)
    logs.publication_name.reset(token)
    first, second = (json.loads(line) for line in stream.getvalue().splitlines())
    assert list(first)[:3] == ["time", "severity", "message"]
    assert first["severity"] == "ERROR"
    assert (first["code"], first["where"], first["what"], first["remedy"]) == (
        "ROT001",
        "here",
        "is wrong",
        "mend it",
    )
    assert first["time"].endswith("Z")
    assert (second["message"], second["publication"]) == ("done 3", "prod")
    assert "publication" not in first


def test_plain_lines_on_a_terminal() -> None:
    stream = configured(Terminal(), colour=True)
    LOG.warning("careful")
    token = logs.publication_name.set("prod")
    LOG.info("done")
    logs.publication_name.reset(token)
    assert stream.getvalue() == "\x1b[33mwarning\x1b[0m: careful\ninfo: prod: done\n"


@pytest.mark.parametrize("stream", [Terminal(), io.StringIO()])
def test_nothing_from_outside_forges_a_line_or_moves_a_cursor(stream: io.StringIO) -> None:
    configured(stream)
    LOG.error("a\nERROR b\x1b[2J\u202e%s", "x" * 5000)
    (line,) = stream.getvalue().splitlines()
    assert line.isascii()
    assert line.isprintable()
    assert len(line) < 2000


def test_half_a_surrogate_pair_is_escaped() -> None:
    assert logs.printable("a\udcff\x7f") == "a\\udcff\\x7f"


LEVELS = [(False, False, "iwe"), (True, False, "diwe"), (False, True, "e"), (True, True, "diwe")]


@pytest.mark.parametrize(("verbose", "quiet", "said"), LEVELS)
def test_levels(verbose: bool, quiet: bool, said: str) -> None:
    stream = configured(io.StringIO(), verbose=verbose, quiet=quiet)
    for level, letter in ((10, "d"), (20, "i"), (30, "w"), (40, "e")):
        LOG.log(level, letter)
        logging.getLogger("some.library").log(level, letter.upper())
    messages = [json.loads(line)["message"] for line in stream.getvalue().splitlines()]
    assert "".join(message for message in messages if message.islower()) == said
    assert "".join(message for message in messages if message.isupper()) == ("E" if said == "e" else "WE")


def test_a_traceback_stays_within_its_lines() -> None:
    terminal = configured(Terminal(), verbose=True)
    error = ValueError("a\x1b[2J")
    LOG.debug("went wrong", exc_info=error)
    machine = configured(io.StringIO(), verbose=True)
    LOG.debug("went wrong", exc_info=error)
    assert "\x1b" not in terminal.getvalue()
    assert "ValueError" in terminal.getvalue()
    assert "ValueError" in json.loads(machine.getvalue())["traceback"]


def test_configuring_again_replaces_and_leaves_others_alone() -> None:
    other = logging.NullHandler()
    root = logging.getLogger()
    root.addHandler(other)
    first, second = configured(io.StringIO()), configured(io.StringIO())
    LOG.error("once")
    assert (first.getvalue(), second.getvalue().count("once")) == ("", 1)
    assert other in root.handlers
    assert logs.is_configured()
    logs.configure(None, verbose=False, quiet=False, colour=False)
    LOG.error("to nobody")
    assert "nobody" not in second.getvalue()


def test_warnings_of_libraries_are_logged() -> None:
    script = (
        "import sys, warnings; from publisher import logs\n"
        "logs.configure(sys.stderr, verbose=False, quiet=False, colour=False)\nwarnings.warn('old')\n"
    )
    command = [sys.executable, "-c", script]
    done = subprocess.run(command, cwd=ROOT, env=clean({}), capture_output=True, timeout=LIMIT, check=True)
    assert "old" in json.loads(done.stderr)["message"]
    assert warnings.filters
