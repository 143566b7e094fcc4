"""Count what this process does to files, and do something before, in or after the n-th of it.

Runs inside the publisher's process: functions of the standard library are wrapped, none of ours. A step is
one call that changes files or makes a change durable, below one of the `roots`.
"""

import builtins
import io
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

BEFORE, HALF, AFTER = "before", "half", "after"
"""Where in a step: `half` is for writes only, half of whose bytes are then in the file."""

NAMES = (
    *("write", "pwrite", "writev", "sendfile", "copy_file_range", "fsync", "fdatasync", "sync"),
    *("rename", "replace", "renames", "link", "symlink", "unlink", "remove", "mkdir", "rmdir", "mkfifo"),
    *("chmod", "fchmod", "lchmod", "chown", "fchown", "lchown", "truncate", "ftruncate", "utime"),
    *("setxattr", "removexattr", "posix_fallocate"),
)
_CHANGING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC
_open_file, _append = builtins.open, os.write


@dataclass(frozen=True, kw_only=True)
class Step:
    """One call: what, on which paths, and whether the system refused it."""

    number: int
    kind: str
    places: tuple[str, ...]
    failed: bool = False


@dataclass(frozen=True, kw_only=True)
class Point:
    """A moment of a run: before, half through or after its n-th step, from 1."""

    number: int
    where: str


def points(steps: Sequence[Step], *, twice: bool = True) -> list[Point]:
    """Give every moment that a run of these steps can die at.

    Without `twice` a moment after a step is left out if another step follows: nothing on disk changes
    between the two.
    """
    last = len(steps)
    return [
        Point(number=step.number, where=where)
        for step in steps
        for where in (BEFORE, HALF, AFTER)
        if where == BEFORE
        or (where == HALF and step.kind == "write")
        or (where == AFTER and not step.failed and (twice or step.number == last))
    ]


class Tracer:
    """Record every step to a file descriptor; at one point, die or run a shell command."""

    def __init__(self, roots: Sequence[str], record: int, point: Point | None, command: str | None) -> None:
        self._roots = [os.path.realpath(root) for root in roots]
        self._record = record
        self._point = point
        self._command = command
        self._count = 0
        self._lock = threading.RLock()

    def install(self) -> None:
        """Wrap the standard library."""
        for name in NAMES:
            if hasattr(os, name):
                setattr(os, name, self._wrapped(name, getattr(os, name)))
        os.open = self._wrapped("open", os.open)
        builtins.open = io.open = self._open

    def step(
        self, kind: str, places: Sequence[str], act: Callable[[], Any], half: Callable[[], Any] | None = None
    ) -> Any:
        """Do one thing and record it, if it is below one of the roots."""
        if not any(place.startswith(root) for place in places for root in self._roots):
            return act()
        with self._lock:
            self._count += 1
            number = self._count
        self._reach(number, BEFORE)
        if half is not None and self._point == Point(number=number, where=HALF):
            half()
            self._reach(number, HALF)
        failed = True
        try:
            result = act()
            failed = False
        finally:
            step = Step(number=number, kind=kind, places=tuple(places), failed=failed)
            _append(self._record, json.dumps(asdict(step)).encode() + b"\n")
        self._reach(number, AFTER)
        return result

    def _reach(self, number: int, where: str) -> None:
        if self._point != Point(number=number, where=where):
            return
        if self._command is None:
            os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(60)  # it is never seen
        self._point = None
        subprocess.run(["/bin/sh", "-c", str(self._command)], check=False, timeout=20)

    def _wrapped(self, name: str, original: Callable[..., Any]) -> Callable[..., Any]:
        def call(*arguments: Any, **options: Any) -> Any:
            if name == "open" and not arguments[1] & _CHANGING:
                return original(*arguments, **options)
            places = list(_places(name, arguments, options))
            half = None
            if name == "write":
                half = lambda: original(arguments[0], arguments[1][: len(arguments[1]) // 2])  # noqa: E731
            return self.step(name, places, lambda: original(*arguments, **options), half)

        return call

    def _open(self, file: Any, mode: str = "r", buffering: int = -1, *rest: Any, **options: Any) -> Any:
        if not set(mode) & set("wax+"):
            return _open_file(file, mode, buffering, *rest, **options)
        place = _at(file, None)
        raw_mode = mode.replace("b", "").replace("t", "")
        how = {name: options.pop(name) for name in ("closefd", "opener") if name in options}
        opener: Callable[[], _TracedFile] = lambda: _TracedFile(self, place, file, raw_mode, **how)  # noqa: E731
        raw = opener() if isinstance(file, int) or "opener" in how else self.step("open", [place], opener)
        if buffering == 0:
            return raw
        buffered = io.BufferedRandom(raw) if "+" in mode else io.BufferedWriter(raw)
        return buffered if "b" in mode else io.TextIOWrapper(buffered, *rest, **options)


class _TracedFile(io.FileIO):
    """A file whose writes are steps: the interpreter's own do not go through `os.write`."""

    def __init__(self, tracer: Tracer, place: str, *arguments: Any, **options: Any) -> None:
        self._tracer, self._place = tracer, place
        super().__init__(*arguments, **options)

    def write(self, data: Any) -> int:
        whole = super().write
        part = bytes(data)[: len(data) // 2]
        written: int = self._tracer.step("write", [self._place], lambda: whole(data), lambda: whole(part))
        return written


def _places(name: str, arguments: Sequence[Any], options: dict[str, Any]) -> list[str]:
    if name in {"rename", "replace", "link"}:
        return [_at(arguments[0], options.get("src_dir_fd")), _at(arguments[1], options.get("dst_dir_fd"))]
    if name == "symlink":
        return [_at(arguments[1], options.get("dir_fd"))]
    if not arguments:
        return []
    return [_at(arguments[0], options.get("dir_fd"))]


def _at(path: Any, folder: int | None) -> str:
    """Give the absolute path of a descriptor or of a name; the last part of it may be a link."""
    if isinstance(path, int):
        return _descriptor(path)
    name = os.fsdecode(path)
    if name.startswith("/proc/self/fd/"):
        return _descriptor(int(name.rsplit("/", 1)[1]))
    above = Path.cwd() if folder is None else Path(_descriptor(folder))
    return str((above / name).parent.resolve() / Path(name).name)


def _descriptor(number: int) -> str:
    try:
        return str(Path(f"/proc/self/fd/{number}").readlink())
    except OSError:
        return ""
