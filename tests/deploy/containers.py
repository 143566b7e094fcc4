"""Read the Containerfile, and run what it would run: the same files and command, no engine."""

import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from function.stage import ROOT, stage

CONTAINER = ROOT / "deploy" / "container"
CONTAINERFILE = CONTAINER / "Containerfile"
NOBODY = 65532
SECONDS = 30.0


@dataclass(frozen=True, kw_only=True)
class Instruction:
    """One instruction of a stage; `words` are its arguments, options included."""

    stage: int
    name: str
    text: str

    @property
    def words(self) -> list[str]:
        return self.text.split()


def instructions() -> list[Instruction]:
    text = re.sub(r"^#.*\n", "", CONTAINERFILE.read_text(encoding="utf-8"), flags=re.MULTILINE)
    found: list[Instruction] = []
    number = -1
    for line in text.replace("\\\n", " ").splitlines():
        name, _, rest = line.strip().partition(" ")
        if name:
            number += name == "FROM"
            found.append(Instruction(stage=number, name=name, text=rest.strip()))
    return found


def of_last_stage(name: str) -> list[Instruction]:
    last = instructions()[-1].stage
    return [one for one in instructions() if one.stage == last and one.name == name]


def command() -> list[str]:
    """Give the CMD, which must be in exec form: a shell would keep SIGTERM for itself."""
    (found,) = of_last_stage("CMD")
    words: list[str] = json.loads(found.text)
    return words


def variables() -> dict[str, str]:
    pairs = (word.partition("=") for one in of_last_stage("ENV") for word in one.words)
    return {name: value for name, _, value in pairs}


@contextmanager
def image() -> Iterator[Path]:
    """Make the folder that the image has, where everybody may read and nobody but root may write."""
    # Not pytest's folder: only its owner may enter that.
    root = Path(tempfile.mkdtemp(prefix="image-", dir="/tmp"))
    try:
        folder = root / "issuer"
        stage(folder)
        for name in ("main.py", "requirements.txt"):
            (folder / name).unlink()
        for program in CONTAINER.glob("*.py"):
            shutil.copyfile(program, folder / program.name)
        for path in (folder, *folder.rglob("*")):
            path.chmod(0o555 if path.is_dir() else 0o444)
        root.chmod(0o755)
        yield folder
    finally:
        for path in (root, *(path for path in root.rglob("*") if path.is_dir())):
            path.chmod(0o755)
        shutil.rmtree(root)


@dataclass(frozen=True, kw_only=True)
class Running:
    port: int
    process: subprocess.Popen[bytes]
    log_file: Path

    def exchange(self, sent: bytes, end: bytes | None = None) -> bytes:
        """Send bytes over a connection of its own; give what comes until that end, or until it is closed."""
        answer = b""
        with socket.create_connection(("127.0.0.1", self.port), timeout=SECONDS) as connection:
            connection.sendall(sent)
            while (end is None or not answer.endswith(end)) and (piece := connection.recv(65536)):
                answer += piece
        return answer

    @property
    def log(self) -> str:
        return self.log_file.read_text(errors="replace")


@contextmanager
def running(
    words: list[str], folder: Path, log_file: Path, environment: Mapping[str, str], port: int
) -> Iterator[Running]:
    """Run a command in the image's folder, as its user, until the block ends."""
    user, prefix = _nobody(Path(words[0]))
    with log_file.open("wb") as log:
        process = subprocess.Popen(
            [*prefix, *words],
            cwd=folder,
            env=dict(environment),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            user=user,
            group=user,
            extra_groups=None if user is None else [],
        )
    started = Running(port=port, process=process, log_file=log_file)
    try:
        _wait(started)
        yield started
    finally:
        process.kill()
        process.wait(timeout=10)


def _nobody(program: Path) -> tuple[int | None, list[str]]:
    """Say how to run without root's rights: as another user, or as root without any capability.

    The second where the interpreter lies in root's home, which nobody else may enter: such a root cannot
    write where modes forbid it.
    """
    if os.geteuid() != 0:
        return None, []
    entered = [parent for path in (program.absolute(), program.resolve()) for parent in path.parents]
    if all(folder.stat().st_mode & 0o001 for folder in entered):
        return NOBODY, []
    setpriv = shutil.which("setpriv")
    return None, [setpriv, "--bounding-set=-all", "--inh-caps=-all"] if setpriv else []


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait(started: Running) -> None:
    end = time.monotonic() + SECONDS
    while time.monotonic() < end and started.process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", started.port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"it does not listen: {started.log[-2000:]}")
