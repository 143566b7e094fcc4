"""One process, held so that its pid cannot be another's: what it is now, and whether it still is."""

import os
import re
import weakref
from dataclasses import dataclass
from types import TracebackType
from typing import Final, Self

PROC: Final = "/proc"
_LARGEST = 65536
_STAT_START = 19  # field 22 of proc_pid_stat(5), counted from the state, field 3
_UIDS = re.compile(rb"^Uid:\t(\d+)\t(\d+)\t(\d+)\t(\d+)$", re.MULTILINE)
_OVER = frozenset({b"Z", b"X", b"x"})


class ProcessGoneError(Exception):
    """Report a process that has ended, or cannot be looked into."""


class ProcessHiddenError(ProcessGoneError):
    """Report a process that cannot be looked into, and may well be there."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Hold what a process was at one moment: when it started, in clock ticks since boot, and its users.

    `uids`: real, effective, saved, and of file access.
    """

    started: int
    uids: tuple[int, int, int, int]


class Process:
    """Hold one process open by the folder that the kernel has for it.

    The folder stays that of this very process: once it has ended, everything in it is gone, even when another
    process has the same pid by then. The time of its start alone would not do: a pid that is given again
    within a tick of 10 ms comes with the same time.

    Raises:
        ProcessGoneError: there is none of that pid.
        ProcessHiddenError: there may be one, and it cannot be looked into.

    """

    def __init__(self, pid: int) -> None:
        self.pid = pid
        try:
            self._folder = os.open(f"{PROC}/{pid}", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except OSError as error:
            raise _lost(pid, error) from error
        # Whoever is cut off before it could close this leaves no descriptor behind.
        self._number = ""  # of the file that was the wanted socket last: looked at first
        self._close = weakref.finalize(self, os.close, self._folder)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of it; twice does no harm."""
        self._close()

    def look(self) -> Seen:
        """Look at it now.

        Raises:
            ProcessGoneError: it has ended, be it still unburied.
            ProcessHiddenError: it cannot be looked into.

        """
        # The name of a program may hold spaces and brackets; the last bracket ends it.
        fields = self._read("stat").rpartition(b")")[2].split()
        uids = _UIDS.search(self._read("status"))
        if len(fields) <= _STAT_START or uids is None:
            raise ProcessHiddenError(f"process {self.pid} cannot be looked into")
        if fields[0] in _OVER:
            raise ProcessGoneError(f"process {self.pid} has ended")
        one, two, three, four = (int(uid) for uid in uids.groups())
        return Seen(int(fields[_STAT_START]), (one, two, three, four))

    def holds(self, inode: int) -> bool:
        """Tell whether a socket is among its open files now.

        Raises:
            ProcessGoneError: it has ended, or its files may not be looked at.

        """
        wanted = f"socket:[{inode}]"
        try:
            files = os.open("fd", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError as error:
            raise _lost(self.pid, error) from error
        try:
            if self._number and _target(self._number, files) == wanted:
                return True
            for name in os.listdir(files):  # noqa: PTH208 (of a descriptor)
                if _target(name, files) == wanted:
                    self._number = name
                    return True
        except OSError as error:
            raise _lost(self.pid, error) from error
        finally:
            os.close(files)
        return False

    def _read(self, name: str) -> bytes:
        try:
            file = os.open(name, os.O_RDONLY | os.O_CLOEXEC, dir_fd=self._folder)
        except OSError as error:
            raise _lost(self.pid, error) from error
        try:
            return os.read(file, _LARGEST)
        except OSError as error:
            raise _lost(self.pid, error) from error
        finally:
            os.close(file)


def _lost(pid: int, error: OSError) -> ProcessGoneError:
    """Tell what has ended from what may not, or cannot just now, be looked at: that may be anybody."""
    if isinstance(error, FileNotFoundError | ProcessLookupError):
        return ProcessGoneError(f"process {pid} has ended")
    return ProcessHiddenError(f"process {pid} cannot be looked into ({error.strerror})")


def _target(name: str, folder: int) -> str | None:
    try:
        return os.readlink(name, dir_fd=folder)
    except OSError:  # closed meanwhile
        return None
