"""Who is behind a connection: real processes, of several users, that share, hand on and end."""

import os
import resource
import secrets
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from publisher.gcp.metadata_server.caller import Caller, calling
from publisher.gcp.metadata_server.connection import Peer
from publisher.gcp.metadata_server.errors import ForbiddenError, UnavailableError
from publisher.gcp.metadata_server.holders import Holders, Look, look
from publisher.gcp.metadata_server.process import Process, ProcessGoneError, ProcessHiddenError
from publisher.gcp.metadata_server.socket_diag import ClientSocket, find_client
from tests.gcp.metadata.workloads import NEEDS_ROOT, Workload, workload

ALICE, BOB = 54321, 54322
SLEEP = "/usr/bin/sleep"


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def accepted(server: socket.socket, client: Workload) -> tuple[socket.socket, Peer]:
    client.do("connect", server.getsockname()[1])
    connection, _ = server.accept()
    return connection, Peer(connection.getpeername(), connection.getsockname())


@contextmanager
def found(peer: Peer) -> Iterator[Caller]:
    with calling(peer, Holders().find) as caller:
        yield caller


def refusal(peer: Peer) -> str:
    with pytest.raises(ForbiddenError) as caught, found(peer):
        pass
    return caught.value.reason


@NEEDS_ROOT
def test_the_process_of_a_connection_is_found_and_is_still_the_same(server: socket.socket) -> None:
    with workload(ALICE) as alice:
        connection, peer = accepted(server, alice)
        with connection, found(peer) as caller:
            assert caller.pids == (alice.pid,)
            assert caller.socket.uid == ALICE
            caller.confirm()


@pytest.mark.allow_hosts(["127.0.0.1", "::1", "::ffff:127.0.0.1"])
@pytest.mark.parametrize("address", ["::1", "::ffff:127.0.0.1"])
def test_ipv6_and_ipv4_in_ipv6_are_found_too(address: str) -> None:
    host = "::1" if address == "::1" else "127.0.0.1"
    family = socket.AF_INET6 if host == "::1" else socket.AF_INET
    with socket.create_server((host, 0), family=family) as server, socket.socket(socket.AF_INET6) as client:
        client.connect((address, server.getsockname()[1]))
        connection, _ = server.accept()
        with connection:
            client_socket = find_client(connection.getpeername()[:2], connection.getsockname()[:2])
    assert client_socket is not None
    assert client_socket.uid == os.geteuid()


def test_an_inode_and_a_cookie_are_those_of_the_client(server: socket.socket) -> None:
    with socket.create_connection(server.getsockname()) as client:
        connection, _ = server.accept()
        with connection:
            one = find_client(connection.getpeername(), connection.getsockname())
            assert one is not None
            assert one.inode == os.fstat(client.fileno()).st_ino
        assert one == ClientSocket(inode=one.inode, uid=os.geteuid(), cookie=one.cookie)


def test_a_socket_that_listens_is_nobody_s_connection(server: socket.socket) -> None:
    # Where there is no connection the kernel finds whoever listens at the client's port.
    assert find_client(server.getsockname(), ("127.0.0.1", 9)) is None


@NEEDS_ROOT
def test_a_connection_that_was_closed_is_nobody_s(server: socket.socket) -> None:
    with workload(ALICE) as alice:
        connection, peer = accepted(server, alice)
        with connection:
            alice.do("close")
            assert "not of a process in the network namespace" in refusal(peer)


@NEEDS_ROOT
def test_a_client_that_the_kernel_does_not_know_here_is_refused(server: socket.socket) -> None:
    # So it looks when a client comes from another network namespace; here nobody is at that address at all.
    peer = Peer(("127.0.0.1", 1), server.getsockname())
    assert "not of a process in the network namespace" in refusal(peer)


@NEEDS_ROOT
def test_children_of_one_user_that_share_a_connection_are_all_found(server: socket.socket) -> None:
    with workload(ALICE) as alice:
        connection, peer = accepted(server, alice)
        child = alice.do("fork")
        with connection, found(peer) as caller:
            assert set(caller.pids) == {alice.pid, child}


@NEEDS_ROOT
def test_more_than_32_processes_on_one_connection_are_refused(server: socket.socket) -> None:
    with workload(ALICE) as alice:
        connection, peer = accepted(server, alice)
        for _ in range(32):
            alice.do("fork")
        with connection:
            assert "more than 32 processes" in refusal(peer)


@NEEDS_ROOT
def test_a_connection_that_processes_of_two_users_hold_is_refused(server: socket.socket) -> None:
    with workload() as root:
        root.do("half_become", 0)
        connection, peer = accepted(server, root)
        root.do("fork_as", BOB)
        with connection, pytest.raises((ForbiddenError, UnavailableError)), found(peer):
            pass


@NEEDS_ROOT
def test_a_connection_from_before_a_change_of_user_is_refused(server: socket.socket) -> None:
    with workload() as daemon:
        connection, peer = accepted(server, daemon)
        daemon.do("become", ALICE)
        with connection, pytest.raises((ForbiddenError, UnavailableError)), found(peer):
            pass
        again, peer = accepted(server, daemon)
        with again, found(peer) as caller:
            assert caller.socket.uid == ALICE


@NEEDS_ROOT
def test_a_process_of_two_users_at_once_is_refused(server: socket.socket) -> None:
    # As a set-uid program is: its effective user, which SPIRE attests, is not the one that started it.
    with workload() as both:
        both.do("half_become", ALICE)
        connection, peer = accepted(server, both)
        with connection:
            assert "of one user and held by a process of another" in refusal(peer)


@NEEDS_ROOT
def test_a_connection_handed_to_another_user_s_process_is_refused(server: socket.socket) -> None:
    name = secrets.token_hex(8)
    with workload(ALICE) as alice, workload(BOB) as bob:
        connection, peer = accepted(server, alice)
        with connection:
            bob.do("wait_at", name)
            alice.do("send_to", name)
            # On its way it is held by alice alone, and alice made it.
            with found(peer) as caller:
                assert caller.pids == (alice.pid,)
            bob.do("receive")
            assert "of one user and held by a process of another" in refusal(peer)
            alice.do("close")
            assert "of one user and held by a process of another" in refusal(peer)


@NEEDS_ROOT
def test_a_connection_on_its_way_is_held_by_nobody(server: socket.socket) -> None:
    name = secrets.token_hex(8)
    with workload(ALICE) as alice, workload(BOB) as bob:
        connection, peer = accepted(server, alice)
        with connection:
            bob.do("wait_at", name)
            alice.do("send_to", name)
            alice.do("close")
            assert "no process holds" in refusal(peer)


@NEEDS_ROOT
def test_what_changes_between_finding_and_confirming_is_noticed(server: socket.socket) -> None:
    name = secrets.token_hex(8)
    with workload(ALICE) as alice, workload(ALICE) as other:
        connection, peer = accepted(server, alice)
        with connection, found(peer) as caller:
            caller.confirm()
            other.do("wait_at", name)
            alice.do("send_to", name)
            other.do("receive")
            alice.do("close")
            with pytest.raises(ForbiddenError, match="changed"):
                caller.confirm()


@NEEDS_ROOT
def test_a_process_that_ends_meanwhile_is_not_confirmed(server: socket.socket) -> None:
    with workload(ALICE) as alice:
        connection, peer = accepted(server, alice)
        child = alice.do("fork")
        with connection, found(peer) as caller:
            alice.do("kill", child)
            with pytest.raises(ForbiddenError, match="changed"):
                caller.confirm()


@NEEDS_ROOT
def test_a_program_that_takes_the_place_of_another_is_found_by_the_connection_that_it_kept(
    server: socket.socket,
) -> None:
    with workload(ALICE) as alice:
        connection, peer = accepted(server, alice)
        alice.tell("run", SLEEP)
        with connection:
            time.sleep(0.2)
            # The same process, with another program now: only the agent can tell, and is asked every time.
            with found(peer) as caller:
                assert caller.pids == (alice.pid,)


def test_a_recycled_pid_is_another_process() -> None:
    with workload() as first:
        process = Process(first.pid)
        seen = process.look()
        assert process.look() == seen
    with process:  # ended and buried by now
        with pytest.raises(ProcessGoneError):
            process.look()
        with pytest.raises(ProcessGoneError):
            process.holds(1)


@NEEDS_ROOT
def test_the_very_same_pid_again_is_not_taken_for_the_process_that_had_it() -> None:
    last_pid = "/proc/sys/kernel/ns_last_pid"
    if not os.access(last_pid, os.W_OK):
        pytest.skip(f"{last_pid} cannot be written: this kernel gives no pid on demand")
    with workload() as first:
        pid = first.pid
        process = Process(pid)
        seen = process.look()
    with process:
        for _ in range(200):
            with open(last_pid, "w") as file:  # noqa: PTH123 (one write to the kernel)
                file.write(str(pid - 1))
            child = os.posix_spawn(SLEEP, [SLEEP, "60"], {})
            try:
                if child == pid:
                    with pytest.raises(ProcessGoneError):
                        process.look()
                    with Process(pid) as other:
                        # Within one tick of the clock it may even have the time of the other's start.
                        assert other.look().started >= seen.started
                    return
            finally:
                os.kill(child, 9)
                os.waitpid(child, 0)
    pytest.skip("other processes took the pid every time")


def test_a_zombie_is_nobody() -> None:
    child = os.posix_spawn("/bin/true", ["/bin/true"], {})
    try:
        with Process(child) as process:
            os.waitid(os.P_PID, child, os.WEXITED | os.WNOWAIT)  # ended, and left unburied
            with pytest.raises(ProcessGoneError):
                process.look()
    finally:
        os.waitpid(child, 0)


def test_no_such_process() -> None:
    with pytest.raises(ProcessGoneError):
        Process(2**22 + 1)


def test_a_hidden_process_of_the_same_user_leaves_room_for_doubt() -> None:
    seen = Look(holders={7: frozenset({1})}, hidden={0: 99})
    assert seen.of(7, ALICE) == {1}
    assert seen.of(8, ALICE) == frozenset()
    with pytest.raises(UnavailableError, match="process 99"):
        seen.of(7, 0)


def test_a_hidden_process_of_nobody_knows_whom_leaves_room_for_doubt_about_everybody() -> None:
    seen = Look(holders={7: frozenset({1})}, hidden={}, nameless=99)
    with pytest.raises(UnavailableError, match="process 99"):
        seen.of(7, ALICE)


def test_a_process_that_cannot_be_opened_just_now_has_not_ended() -> None:
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    lowest = os.open("/", os.O_RDONLY)
    os.close(lowest)
    resource.setrlimit(resource.RLIMIT_NOFILE, (lowest, limits[1]))
    try:
        with pytest.raises(ProcessHiddenError, match="Too many open files"):
            Process(os.getpid())
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)


def test_many_who_ask_at_once_share_a_look_that_began_after_they_asked() -> None:
    from concurrent.futures import ThreadPoolExecutor  # noqa: PLC0415

    holders = Holders()
    with socket.socket() as one, socket.socket() as other, ThreadPoolExecutor(16) as pool:
        inodes = [os.fstat(each.fileno()).st_ino for each in (one, other)] * 40
        found_pids = list(pool.map(lambda inode: holders.find(inode, ALICE), inodes))
    assert all(os.getpid() in pids for pids in found_pids)
    assert holders.find(inodes[0], ALICE) == frozenset()  # closed by now: nothing is remembered


def test_one_look_finds_several_sockets() -> None:
    with socket.socket() as one, socket.socket() as other:
        inodes = [os.fstat(each.fileno()).st_ino for each in (one, other)]
        assert set(look(inodes).holders) == set(inodes)
