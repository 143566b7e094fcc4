"""The crontab: its lines are run by a real shell, with stand-ins for the publisher and for logger."""

import os
import subprocess
from pathlib import Path

import pytest

from tests.deploy.unit_files import CRONTAB, PROGRAM, SYSTEMD, CronLine, crontab_lines, read_unit

PUBLISH, CHECK = list(crontab_lines())


@pytest.fixture
def box(tmp_path: Path) -> Path:
    """Give a folder with a `logger` that writes what it gets, and its options, to the file `log`."""
    logger = tmp_path / "logger"
    logger.write_text(f'#!/bin/sh\nsed "s/^/$* /" >> {tmp_path}/log\n')
    logger.chmod(0o755)
    (tmp_path / "log").touch()
    return tmp_path


def run_line(line: CronLine, box: Path, *, says: str, status: int) -> str:
    """Run one entry as cron does; give what cron would mail."""
    program = box / "program"
    program.write_text(f'#!/bin/sh\necho "$*" > {box}/words\n{says}\nexit {status}\n')
    program.chmod(0o755)
    done = subprocess.run(
        ["/bin/sh", "-c", line.command.replace(PROGRAM, str(program))],
        env={"PATH": f"{box}{os.pathsep}{os.environ['PATH']}"},
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    return done.stdout + done.stderr


def test_the_file_is_one_that_cron_reads() -> None:
    # /etc/cron.d: names of letters, digits, underscores and dashes only; the last line must end.
    assert CRONTAB.name.replace("-", "").isalnum()
    assert CRONTAB.read_text().endswith("\n")
    (user,) = read_unit(SYSTEMD / "spire-oidc-publisher.service")["Service"]["User"]
    for line in (PUBLISH, CHECK):
        assert line.user == user
        assert "%" not in line.command  # cron makes a line break of it
        assert "flock" not in line.command
    assert (PUBLISH.when, CHECK.when) == ("* * * * *", "*/15 * * * *")


def test_a_failed_run_is_in_the_log(box: Path) -> None:
    mail = run_line(PUBLISH, box, says="echo broken >&2", status=65)
    assert mail == ""
    assert (box / "log").read_text() == "-p daemon.err -t spire-oidc-publisher broken\n"
    assert (box / "words").read_text().startswith("publish --config ")


def test_a_good_run_says_nothing(box: Path) -> None:
    assert run_line(PUBLISH, box, says=":", status=0) == ""
    assert run_line(CHECK, box, says="echo all is well", status=0) == ""
    assert (box / "log").read_text() == ""


@pytest.mark.parametrize("status", [1, 75, 78])
def test_a_failed_check_is_mailed_and_in_the_log(box: Path, status: int) -> None:
    mail = run_line(CHECK, box, says='echo "- FRE002 stale"; echo "100 % of \\$it" >&2', status=status)
    assert mail == "- FRE002 stale\n100 % of $it\n"
    tag = "-p daemon.alert -t spire-oidc-publisher-check"
    assert (box / "log").read_text() == f"{tag} - FRE002 stale\n{tag} 100 % of $it\n"
    assert (box / "words").read_text().startswith("check --config ")
