"""Find the process behind a connection, and make sure that it is still the same one."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Final

from publisher.gcp.metadata_server.connection import Peer
from publisher.gcp.metadata_server.errors import ForbiddenError
from publisher.gcp.metadata_server.process import Process, ProcessGoneError, Seen
from publisher.gcp.metadata_server.socket_diag import ClientSocket, find_client

MOST_HOLDERS: Final = 32
"""The most processes that may share a connection, as the workers of one server do after a fork."""

NOT_HERE: Final = "this connection is not of a process in the network namespace of the metadata server"
"""Why a client of another container, or one that has ended its half of the connection, is refused."""

_CHANGED = "the process behind this connection changed while it was asked who it is"


@dataclass(frozen=True, slots=True)
class Caller:
    """Hold the processes behind a connection: one, or several of one user that share it after a fork."""

    socket: ClientSocket
    processes: tuple[tuple[Process, Seen], ...]
    _peer: Peer
    _find_socket: Callable[[tuple[str, int], tuple[str, int]], ClientSocket | None]

    @property
    def pids(self) -> tuple[int, ...]:
        """Give their pids."""
        return tuple(process.pid for process, _ in self.processes)

    def confirm(self) -> None:
        """Make sure that the same processes, as the same users, hold the same socket still.

        Raises:
            ForbiddenError: one has ended or changed its user, or has let go of the socket.
            UnavailableError: the kernel does not tell.

        """
        if self._find_socket(self._peer.remote, self._peer.local) != self.socket:
            raise ForbiddenError(_CHANGED)
        for process, seen in self.processes:
            try:
                same = process.look() == seen and process.holds(self.socket.inode)
            except ProcessGoneError as error:
                raise ForbiddenError(_CHANGED) from error
            if not same:
                raise ForbiddenError(_CHANGED)


@contextmanager
def calling(
    peer: Peer,
    find_holders: Callable[[int, int], frozenset[int]],
    find_socket: Callable[[tuple[str, int], tuple[str, int]], ClientSocket | None] = find_client,
) -> Iterator[Caller]:
    """Find who is behind a connection at this moment; hold them while the block runs.

    Every process that holds the socket must run as the very user that made it, in all four of its uids. So
    neither a socket that was handed to another user's process, nor one that a set-uid program inherited, is
    answered; nor one that nobody holds, because it is on its way from one process to another.

    Raises:
        ForbiddenError: nobody, too many, or users that differ.
        UnavailableError: the kernel does not tell.

    """
    client = find_socket(peer.remote, peer.local)
    if client is None:
        raise ForbiddenError(NOT_HERE)
    pids = find_holders(client.inode, client.uid)
    if not pids:
        raise ForbiddenError("no process holds the other end of this connection")
    if len(pids) > MOST_HOLDERS:
        raise ForbiddenError(f"more than {MOST_HOLDERS} processes share this connection; open one in each")
    with ExitStack() as held:
        processes = []
        for pid in sorted(pids):
            try:
                process = held.enter_context(Process(pid))
                seen = process.look()
                # The pid was found some time ago: by now it may be of another process.
                if not process.holds(client.inode):
                    raise ForbiddenError(_CHANGED)
            except ProcessGoneError as error:
                raise ForbiddenError(_CHANGED) from error
            if set(seen.uids) != {client.uid}:
                raise ForbiddenError(
                    "this connection is of one user and held by a process of another, or of two at once; "
                    "open a connection in the process that asks, after it has changed its user"
                )
            processes.append((process, seen))
        yield Caller(client, tuple(processes), peer, find_socket)
