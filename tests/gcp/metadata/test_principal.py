"""From a connection to accounts: several identities, several processes, and too many requests of one user."""

import asyncio
import os
import socket as sockets
import tempfile
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Any

import grpc
import pytest

from publisher.gcp.metadata_server.connection import Peer
from publisher.gcp.metadata_server.errors import ForbiddenError, UnavailableError
from publisher.gcp.metadata_server.holders import look
from publisher.gcp.metadata_server.identities_file import Identity
from publisher.gcp.metadata_server.principal import MOST_OF_A_USER, CallerPrincipals, Principal
from tests.gcp.metadata.agents import Answer, agent, client, messages, svid
from tests.gcp.metadata.workloads import Workload, workload

NAMES = ("b", "a", "unused")
EMAIL = "b@project.iam.gserviceaccount.com"


def holders(inode: int, _uid: int) -> frozenset[int]:
    return look([inode]).holders.get(inode, frozenset())


async def at_once(work: Callable[[], Principal]) -> Principal:
    return work()


@contextmanager
def principals(answer: Answer) -> Iterator[CallerPrincipals]:
    """Ask an agent that answers so; a is federated, b acts as a service account, in the order b, a."""
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        path = f"{folder}/admin.sock"
        with agent(path, answer), client(path) as asking:
            found = [
                Identity(spiffe_id=f"spiffe://example.org/{name}", service_account=None) for name in NAMES
            ]
            found[0] = Identity(spiffe_id=found[0].spiffe_id, service_account=EMAIL)
            yield CallerPrincipals(
                agent=asking,
                audience="aud",
                identities={one.spiffe_id: one for one in found},
                find_holders=holders,
                in_thread=at_once,
            )


@contextmanager
def connected(process: Workload) -> Iterator[Peer]:
    with sockets.create_server(("127.0.0.1", 0)) as server:
        process.do("connect", server.getsockname()[1])
        connection, _ = server.accept()
        with connection:
            yield Peer(connection.getpeername(), connection.getsockname())


def of(found: CallerPrincipals, peer: Peer) -> Principal:
    reply = found.of(peer)
    assert isinstance(reply, Awaitable)
    return asyncio.run(_wait(reply))


async def _wait(reply: Awaitable[Principal]) -> Principal:
    return await reply


def by_pid(names: Callable[[int], tuple[str, ...]]) -> Answer:
    def answer(request: Any, _context: grpc.ServicerContext) -> Any:
        svids = [svid(f"/{name}", f"eyJ.{name}.{request.pid}") for name in names(request.pid)]
        return messages.FetchJWTSVIDsResponse(svids=svids)

    return answer


def test_of_several_identities_the_file_says_which_is_the_default() -> None:
    with (
        workload() as process,
        connected(process) as peer,
        principals(by_pid(lambda _pid: ("a", "stranger", "b"))) as found,
    ):
        principal = of(found, peer)
        assert [account.email for account in principal.accounts] == [EMAIL, None]
        assert [account.subject() for account in principal.accounts] == [
            f"eyJ.b.{process.pid}",
            f"eyJ.a.{process.pid}",
        ]
        assert principal.confirm
        principal.confirm()
        principal.release()
        assert not found.asking


def test_processes_that_share_a_connection_must_have_the_same_identities() -> None:
    with workload() as process, connected(process) as peer:
        child = process.do("fork")
        with principals(by_pid(lambda _pid: ("a",))) as found:
            of(found, peer).release()
        with (
            principals(by_pid(lambda pid: ("a", "b") if pid == child else ("a",))) as found,
            pytest.raises(ForbiddenError, match="shared by processes of different identities"),
        ):
            of(found, peer)


def test_a_process_that_shares_its_connection_during_an_exchange_is_not_confirmed() -> None:
    with (
        workload() as process,
        connected(process) as peer,
        principals(by_pid(lambda _pid: ("a",))) as found,
    ):
        principal = of(found, peer)
        assert principal.confirm
        process.do("fork")
        with pytest.raises(ForbiddenError, match="changed while they waited"):
            principal.confirm()
        principal.release()


def test_a_process_that_ends_while_the_agent_answers_gets_nothing() -> None:
    with workload() as process, connected(process) as peer:

        def answer(request: Any, _context: grpc.ServicerContext) -> Any:
            process.tell("close")
            process.answer()
            return messages.FetchJWTSVIDsResponse(svids=[svid("/a")])

        with principals(answer) as found, pytest.raises(ForbiddenError, match="changed"):
            of(found, peer)


def test_one_user_has_not_all_of_the_server_s_threads() -> None:
    with (
        workload() as process,
        connected(process) as peer,
        principals(by_pid(lambda _pid: ("a",))) as found,
    ):
        found.asking[os.geteuid()] = MOST_OF_A_USER
        with pytest.raises(UnavailableError, match="of this user"):
            of(found, peer)
        found.asking.clear()
        of(found, peer).release()


def test_no_descriptor_is_left_behind() -> None:
    with (
        workload() as process,
        connected(process) as peer,
        principals(by_pid(lambda _pid: ("a",))) as found,
    ):
        of(found, peer).release()
        before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
        for _ in range(20):
            of(found, peer).release()
            of(found, peer)  # cut off: nobody releases it
        assert len(os.listdir("/proc/self/fd")) <= before + 2  # noqa: PTH208
