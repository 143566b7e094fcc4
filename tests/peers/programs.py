"""SPIRE's programs: where they are, and how one is run and ended."""

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.peers.peer import PeerError

_LONGEST_COMMAND = 30.0
_LONGEST_LIFE = 3600
ABSENT = "no spire-server and spire-agent in SPIRE_BIN or on the PATH"
"""What is printed where real SPIRE is not tested."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpirePrograms:
    """Hold the two programs and the version that the server tells."""

    server: Path
    agent: Path
    version: str


def find_spire() -> SpirePrograms | None:
    """Find both programs in the folder `SPIRE_BIN`, or else on the PATH. None: they are not there."""
    folder = os.environ.get("SPIRE_BIN") or None
    server, agent = (shutil.which(name, path=folder) for name in ("spire-server", "spire-agent"))
    if not server or not agent:
        return None
    told = subprocess.run(
        [server, "--version"], capture_output=True, text=True, timeout=_LONGEST_COMMAND, check=False
    )
    version = (told.stdout + told.stderr).strip() or "of unknown version"
    return SpirePrograms(server=Path(server), agent=Path(agent), version=version)


def run_command(program: Path, *words: str) -> str:
    """Run one of SPIRE's commands to its end and give its stdout.

    Raises:
        PeerError: it failed, or took longer than 30 s.

    """
    try:
        done = subprocess.run(
            [program, *words], capture_output=True, text=True, timeout=_LONGEST_COMMAND, check=False
        )
    except subprocess.TimeoutExpired as error:
        raise PeerError(f"{program.name} {' '.join(words[:3])}: no end in {_LONGEST_COMMAND} s") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip()
        raise PeerError(f"{program.name} {' '.join(words[:3])}: {said[-500:]}")
    return done.stdout


class Daemon:
    """Run a program in the background, in a session of its own, until it is killed."""

    def __init__(
        self, log: Path, program: Path, *words: str, environment: Mapping[str, str] | None = None
    ) -> None:
        self._log = log
        # Where there is `timeout`, not even a killed test run leaves SPIRE behind for ever.
        bound = shutil.which("timeout")
        prefix = [bound, "--signal=KILL", str(_LONGEST_LIFE)] if bound else []
        with log.open("ab") as output:
            self._process = subprocess.Popen(
                [*prefix, program, *words],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                env=None if environment is None else dict(environment),
            )

    @property
    def running(self) -> bool:
        """Tell whether it has not ended."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End it at once, without a chance to clean up; one that has ended is left alone."""
        if self.running:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def last_words(self) -> str:
        """Give the end of its log."""
        return self._log.read_text(errors="replace")[-800:]
