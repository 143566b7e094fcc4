"""Find every process that holds a socket: one look at all processes serves all who wait for one."""

import os
import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from publisher.gcp.metadata_server.errors import UnavailableError
from publisher.gcp.metadata_server.process import PROC, Process, ProcessGoneError, ProcessHiddenError

_SECONDS: Final = 5.0
_SOCKET = "socket:["
_KEPT = 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Hold what one look found: the pids by socket, and the users of processes that could not be looked into.

    A security module can hide a process even from CAP_SYS_PTRACE. `hidden` has a pid for each of its uids.
    Of `nameless`, the pid of one more, not even those are known.
    """

    holders: Mapping[int, frozenset[int]]
    hidden: Mapping[int, int]
    nameless: int | None = None

    def of(self, inode: int, uid: int) -> frozenset[int]:
        """Give the pids of all processes that hold this socket, which a process of user `uid` made.

        Hidden processes of other users do not matter: a socket that one of them made has their uid.

        Raises:
            UnavailableError: a process of that user, or of nobody knows whom, is hidden and may hold it, too.

        """
        if self.nameless is not None:
            raise UnavailableError(f"process {self.nameless} cannot be looked into, not even for its user")
        if uid in self.hidden:
            raise UnavailableError(
                f"the open files of process {self.hidden[uid]}, of the same user, cannot be looked at: "
                "it takes CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH, and no security module that hides them"
            )
        return self.holders.get(inode, frozenset())


class Holders:
    """Look through the open files of all processes of this machine.

    It is done anew for every request, because a socket can be handed on at any time. A look counts only for
    those who asked before it began; whoever asks while one is under way waits for the next, together with
    all others that do: fifty requests at once cost two looks, not fifty.
    """

    def __init__(self) -> None:
        self._condition = threading.Condition()
        self._wanted: set[int] = set()
        self._looking = False
        self._turn = 0
        self._found: dict[int, Look | OSError] = {}

    def find(self, inode: int, uid: int) -> frozenset[int]:
        """Give the pids of all processes that hold the socket, which a process of user `uid` made.

        Raises:
            UnavailableError: another holder may be hidden, or the looking takes too long.

        """
        with self._condition:
            turn = self._turn + 1  # the next look to begin
            self._wanted.add(inode)
            while turn not in self._found:
                if not self._looking and self._turn < turn:
                    self._look_once()
                elif not self._condition.wait(_SECONDS):
                    raise UnavailableError("looking through the processes of this machine takes too long")
            found = self._found[turn]
        if isinstance(found, OSError):
            raise UnavailableError(f"the processes of this machine cannot be looked at ({found.strerror})")
        return found.of(inode, uid)

    def _look_once(self) -> None:
        """Look for all that are wanted now, with the lock given away meanwhile."""
        wanted, self._wanted = self._wanted, set()
        self._looking = True
        self._turn += 1
        turn = self._turn
        self._condition.release()
        result: Look | OSError = OSError(0, "the look was cut off")
        try:
            result = look(wanted)
        except OSError as error:
            result = error
        finally:
            self._condition.acquire()
            self._looking = False
            self._found[turn] = result
            self._found.pop(turn - _KEPT, None)  # whoever waited for that one has had it for long
            self._condition.notify_all()


def look(inodes: Iterable[int]) -> Look:
    """Find the holders of these sockets among all processes. One that ends meanwhile holds nothing.

    Raises:
        OSError: there is no list of processes.

    """
    wanted = {f"{_SOCKET}{inode}]": inode for inode in inodes}
    found: dict[int, set[int]] = {}
    hidden: dict[int, int] = {}
    nameless: int | None = None
    for name in os.listdir(PROC):  # noqa: PTH208 (names, many times a second)
        if not name.isdigit():
            continue
        pid = int(name)
        try:
            for inode in _sockets(f"{PROC}/{name}/fd", wanted):
                found.setdefault(inode, set()).add(pid)
        except PermissionError:
            try:
                hidden |= dict.fromkeys(_users_of(pid), pid)
            except ProcessHiddenError:
                nameless = pid
    holders = {inode: frozenset(pids) for inode, pids in found.items()}
    return Look(holders=holders, hidden=hidden, nameless=nameless)


def _sockets(folder: str, wanted: Mapping[str, int]) -> Iterable[int]:
    try:
        files = os.listdir(folder)  # noqa: PTH208
    except (FileNotFoundError, ProcessLookupError):
        return
    for file in files:
        try:
            target = os.readlink(f"{folder}/{file}")  # noqa: PTH115
        except (FileNotFoundError, ProcessLookupError):
            continue
        if target in wanted:
            yield wanted[target]


def _users_of(pid: int) -> Iterable[int]:
    """Give the users of a process that hides its files; none, if it has only ended meanwhile.

    Raises:
        ProcessHiddenError: it hides them as well.

    """
    try:
        with Process(pid) as process:
            return process.look().uids
    except ProcessHiddenError:
        raise
    except ProcessGoneError:
        return ()
