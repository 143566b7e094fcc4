"""Be the publisher's command again and again: import it once, and fork a process for every run.

Each line of standard input is one run as JSON (`launcher.Order`); its process is the real program from the
first line of its `main` to its end or its death, in a session of its own. Answers with two lines: its pid,
then its wait status.
"""

import importlib
import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from tests.crashes.steps import Point, Tracer

LIMIT = 60
"""Seconds after which the kernel ends a run."""

_MODULES = (
    *("publisher.cli.entry", "publisher.cli.publishing", "publisher.sources.file"),
    *("publisher.sinks.directory", "publisher.sinks.state_file", "publisher.sinks.gcs"),
)
"""What a run imports on its way: none of them starts a thread, which a fork would lose."""


def main() -> None:
    before = set(os.environ)
    for name in _MODULES:
        importlib.import_module(name)
    set_by_libraries = {name: value for name, value in os.environ.items() if name not in before}
    for line in sys.stdin:
        pid = os.fork()
        if not pid:
            run(json.loads(line), set_by_libraries)
        say(pid)
        say(os.waitpid(pid, 0)[1])


def say(number: int) -> None:
    sys.stdout.write(f"{number}\n")
    sys.stdout.flush()


def run(order: dict[str, Any], set_by_libraries: dict[str, str]) -> None:
    """Become one run of the program."""
    os.setsid()
    signal.alarm(LIMIT)
    new = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    for number, name in enumerate(("/dev/null", "out", "err")):
        path = Path(order["folder"]) / name
        opened = os.open(path, new if number else os.O_RDONLY, 0o644)
        os.dup2(opened, number)
        os.close(opened)
    record = os.open(Path(order["folder"]) / "steps", new, 0o644)
    os.environ.clear()
    os.environ.update(set_by_libraries | order["environment"])
    os.umask(order["umask"])
    if order["uid"] is not None:
        os.setgroups([])
        os.setgid(order["uid"])
        os.setuid(order["uid"])
    point = Point(**order["point"]) if order["point"] else None
    Tracer(order["roots"], record, point, order["command"]).install()
    sys.argv = ["spire-oidc-publisher", *order["arguments"]]
    status = 0
    try:
        importlib.import_module("publisher.cli").main()
    except SystemExit as ended:
        status = int(ended.code or 0)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


if __name__ == "__main__":
    main()
