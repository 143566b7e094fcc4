"""Read the shipped units and the crontab: enough of systemd.syntax(7) and crontab(5) for what is shipped."""

import shlex
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
SYSTEMD = DEPLOY / "systemd"
EXAMPLE = DEPLOY / "publisher.toml"
CRONTAB = DEPLOY / "cron" / "spire-oidc-publisher"
PROGRAM = "/opt/spire-oidc-publisher/bin/spire-oidc-publisher"
SETTINGS = "/etc/spire-oidc-publisher/publisher.toml"

Unit = dict[str, dict[str, list[str]]]
"""Section, directive, its values in order: systemd lets a directive stand several times."""


class UnitSyntaxError(Exception):
    """Report a line that is no section, directive or comment."""


def unit_names(*endings: str) -> list[str]:
    """List the shipped units with such an ending."""
    return sorted(path.name for path in SYSTEMD.iterdir() if path.suffix in endings)


def read_unit(path: Path) -> Unit:
    """Parse a unit or a drop-in.

    Raises:
        UnitSyntaxError: it would be ignored by systemd with nothing but a line in the log.

    """
    unit: Unit = {}
    section = None
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
        if not line or line.startswith(("#", ";")):
            continue
        if line.startswith("[") and line.endswith("]"):
            section = unit.setdefault(line[1:-1], {})
            continue
        name, equals, value = line.partition("=")
        # No line is continued: a comment inside a continued line is where units go wrong.
        if (
            section is None
            or not equals
            or not name.isalnum()
            or line.endswith("\\")
            or value != value.strip()
        ):
            raise UnitSyntaxError(f"{path.name} line {number}: {line}")
        section.setdefault(name, []).append(value)
    return unit


def command_of(unit: Unit) -> list[str]:
    """Split the one `ExecStart` of a unit into words."""
    (line,) = unit["Service"]["ExecStart"]
    return shlex.split(line)


def seconds(text: str) -> int:
    """Read a time of a unit or of our command line, in whole seconds."""
    number, unit = text[:-1], text[-1]
    return int(number) * {"s": 1, "m": 60, "h": 3600}[unit]


@dataclass(frozen=True, slots=True, kw_only=True)
class CronLine:
    """Hold one entry of a `/etc/cron.d` file: five fields of time, the user, the command for /bin/sh."""

    when: str
    user: str
    command: str


def crontab_lines() -> Iterator[CronLine]:
    """Give the entries of the crontab; settings of variables and comments are left out."""
    for line in CRONTAB.read_text(encoding="utf-8").splitlines():
        if line and line[0] in "*0123456789@":
            *when, user, command = line.split(maxsplit=6)
            yield CronLine(when=" ".join(when), user=user, command=command)


def installed(folder: Path) -> Path:
    """Copy every unit and every drop-in to `folder` as on a host, with programs that exist on this machine.

    `systemd-analyze verify` refuses an `ExecStart` that is not there; /bin/true stands for the publisher.
    """
    substitute = shutil.which("true") or "/bin/true"
    for name in unit_names(".service", ".timer"):
        text = (SYSTEMD / name).read_text(encoding="utf-8")
        (folder / name).write_text(text.replace(PROGRAM, substitute), encoding="utf-8")
    return folder


def with_example(folder: Path, name: str, service: str = "spire-oidc-publisher.service") -> Path:
    """Put one of the example drop-ins beside the copied publisher's unit."""
    drop_ins = folder / f"{service}.d"
    drop_ins.mkdir()
    shutil.copy(SYSTEMD / "examples" / name, drop_ins / name)
    return folder


def systemd_analyze(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run `systemd-analyze`, which needs no running systemd for what is asked of it here."""
    program = shutil.which("systemd-analyze")
    assert program is not None, "ask shutil.which first and print the skip"
    return subprocess.run([program, *words], cwd=cwd, capture_output=True, text=True, timeout=60, check=False)
