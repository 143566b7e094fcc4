"""What systemd itself says of the units; it needs no running systemd for that."""

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.deploy.unit_files import SYSTEMD, installed, read_unit, systemd_analyze, unit_names, with_example

MOST_EXPOSED = 20
"""Tenths of systemd's own scale, so 2.0 of 10."""

needs_analyze = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None, reason="no systemd-analyze on the PATH"
)
EXAMPLES = sorted(path.name for path in (SYSTEMD / "examples").iterdir())


@needs_analyze
def test_verify_has_nothing_to_say(tmp_path: Path) -> None:
    folder = installed(tmp_path)
    names = [f"./{name}" for name in unit_names(".service", ".timer")]
    done = systemd_analyze("verify", "--man=no", *names, cwd=folder)
    # Where a unit has a mistake that systemd passes over, the status is 0 and stderr names the line.
    ours = [line for line in done.stderr.splitlines() if "spire-oidc-publisher" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@needs_analyze
def test_verify_would_notice_a_misspelt_directive(tmp_path: Path) -> None:
    unit = installed(tmp_path) / "spire-oidc-publisher.service"
    unit.write_text(unit.read_text().replace("ProtectSystem=", "ProtectsSystem="))
    done = systemd_analyze("verify", "--man=no", f"./{unit.name}", cwd=tmp_path)
    assert "ProtectsSystem" in done.stderr


@needs_analyze
@pytest.mark.parametrize("service", ["spire-oidc-publisher.service", "spire-oidc-publisher-watch.service"])
@pytest.mark.parametrize("example", EXAMPLES)
def test_verify_has_nothing_to_say_with_an_example_drop_in(
    tmp_path: Path, example: str, service: str
) -> None:
    folder = with_example(installed(tmp_path), example, service)
    done = systemd_analyze("verify", "--man=no", f"./{service}", cwd=folder)
    ours = [line for line in done.stderr.splitlines() if "spire-oidc-publisher" in line]
    assert (done.returncode, ours) == (0, []), done.stderr


@needs_analyze
@pytest.mark.parametrize("name", unit_names(".service"))
def test_the_exposure_is_at_most_2(tmp_path: Path, name: str) -> None:
    folder = installed(tmp_path)
    done = systemd_analyze(
        "security", "--offline=true", f"--threshold={MOST_EXPOSED}", f"./{name}", cwd=folder
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-analyze has no security --offline (systemd older than 250)")
    assert done.returncode == 0, done.stdout[-200:] + done.stderr
    assert "Overall exposure level" in done.stdout


@needs_analyze
@pytest.mark.parametrize("name", unit_names(".timer"))
def test_systemd_reads_the_calendar(tmp_path: Path, name: str) -> None:
    (calendar,) = read_unit(SYSTEMD / name)["Timer"]["OnCalendar"]
    done = systemd_analyze("calendar", "--iterations=2", calendar, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "Next elapse" in done.stdout


@pytest.mark.skipif(shutil.which("systemd-sysusers") is None, reason="no systemd-sysusers on the PATH")
def test_sysusers_takes_its_file(tmp_path: Path) -> None:
    configuration = SYSTEMD / "sysusers.d" / "spire-oidc-publisher.conf"
    done = subprocess.run(
        ["systemd-sysusers", "--dry-run", f"--root={tmp_path}", "--inline", *_lines(configuration)],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "unrecognized option" in done.stderr:
        pytest.skip("this systemd-sysusers has no --dry-run (systemd older than 250)")
    assert done.returncode == 0, done.stderr
    assert "spire-oidc-publisher" in done.stdout + done.stderr


def _lines(path: Path) -> list[str]:
    return [line for line in path.read_text().splitlines() if line and not line.startswith("#")]
