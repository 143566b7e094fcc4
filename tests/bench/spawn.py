"""Run what one is told, one process at a time, and tell what it cost. Started as a program of its own.

Linux counts the memory of whoever starts a process into the peak of the started one. So this stays small:
the standard library only, and little of it.
"""

import json
import os
import sys
import time


def main() -> None:
    """Read a command a line, as JSON; answer each with a line: status, seconds, bytes."""
    for line in sys.stdin:
        asked = json.loads(line)
        # Sinks and sources that fail say why on stderr; what a command prints is not ours to read.
        log = os.open(asked["log"], os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        nothing = os.open(os.devnull, os.O_RDWR)
        files = [(os.POSIX_SPAWN_DUP2, nothing, 0), (os.POSIX_SPAWN_DUP2, nothing, 1)]
        files.append((os.POSIX_SPAWN_DUP2, log, 2))
        started = time.monotonic()
        child = os.posix_spawn(
            asked["command"][0], asked["command"], asked["environment"], file_actions=files
        )
        _, status, usage = os.wait4(child, 0)
        wall = time.monotonic() - started
        os.close(log)
        os.close(nothing)
        answer = {
            "status": os.waitstatus_to_exitcode(status),
            "cpu": usage.ru_utime + usage.ru_stime,
            "wall": wall,
            "memory": usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024),
        }
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
