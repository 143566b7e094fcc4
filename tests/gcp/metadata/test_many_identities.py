"""Many identities on one host: each process is answered as itself, by a real agent's word."""

import json
import os
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import cast

import pytest

from publisher.errors import SettingsError
from publisher.gcp.metadata_server.privileges import check_many_identities
from tests.gcp.metadata.serving import DEFAULT, ROOT, Serving, serving
from tests.gcp.metadata.workloads import NEEDS_ROOT, workload
from tests.gcp.metadata.world import ISSUER, PROJECT_ID, World, new_world
from tests.google import fixtures
from tests.google.google import Google
from tests.peers.peer import PeerOptions
from tests.peers.programs import ABSENT, find_spire
from tests.peers.real_peer import RealPeer
from tests.peers.start import SPIRE, start_peer


def _missing() -> str:
    try:
        check_many_identities()
    except SettingsError as error:
        return str(error)
    return ""


pytestmark = [
    NEEDS_ROOT,
    pytest.mark.skipif(find_spire() is None, reason=ABSENT),
    pytest.mark.skipif(bool(_missing()), reason=_missing()),
]

google, google_process = fixtures.google, fixtures.google_process
ALICE, BOB, CAROL, DAVE, STRANGER = 54321, 54322, 54323, 54324, 54399
UIDS = {"alice": ALICE, "bob": BOB, "carol": CAROL, "dave": DAVE}
ACCOUNTS = "/computeMetadata/v1/instance/service-accounts"
LIMIT = 60.0
DROP_IN = ROOT / "deploy/systemd/examples/metadata-identities.conf"


def as_installed() -> tuple[str, ...]:
    """Have no capabilities but those of the drop-in for systemd: root's others would hide what it lacks."""
    line = next(one for one in DROP_IN.read_text().splitlines() if one.startswith("CapabilityBoundingSet="))
    names = [name.removeprefix("CAP_").lower() for name in line.partition("=")[2].split()]
    return ("setpriv", ",".join(["--bounding-set=-all", *(f"+{name}" for name in names)]))


def email(name: str) -> str:
    return f"{name}@{PROJECT_ID}.iam.gserviceaccount.com"


@pytest.fixture(scope="module")
def spire() -> Iterator[RealPeer]:
    """Have an agent that lets our own process ask for others. Dave is registered, but not in the file."""
    options = PeerOptions(jwt_issuer=ISSUER, authorized_delegates=("spiffe://example.org/publisher",))
    peer = cast("RealPeer", start_peer(SPIRE, options))
    try:
        for name, uid in UIDS.items():
            peer.add_workload(f"/{name}", uid)
        peer.wait_for_agent()
        yield peer
    finally:
        peer.stop()


@pytest.fixture
def world(google: Google, spire: RealPeer) -> World:
    made = new_world(google, spire)
    for name in ("alice", "bob"):
        made.account(email(name), f"spiffe://example.org/{name}")
    return made


@pytest.fixture
def server(world: World, spire: RealPeer, tmp_path: Path) -> Iterator[Serving]:
    """Answer alice and bob as service accounts, carol as her federated identity."""
    file = tmp_path / "identities.toml"
    accounts = {"alice": email("alice"), "bob": email("bob"), "carol": None}
    file.write_text(
        "".join(
            f'[[identity]]\nspiffe_id = "spiffe://example.org/{name}"\n'
            + (f'service_account = "{account}"\n' if account else "")
            for name, account in accounts.items()
        )
    )
    common = ("--provider", world.provider, "--project-id", PROJECT_ID, "--timeout", "5s")
    many = ("--identities", str(file), "--admin-socket", spire.admin_api)
    with serving(*common, *many, environment=world.google.environment, prefix=as_installed()) as running:
        _wait_for_entries(running)
        yield running


def _wait_for_entries(server: Serving) -> None:
    """Wait until the agent has learnt the registrations at a sync."""
    end = time.monotonic() + LIMIT
    for name, uid in UIDS.items():
        with workload(uid) as process:
            while "no registration" in process.do("once", server.port, f"{ACCOUNTS}/")[1]:
                assert time.monotonic() < end, name
                time.sleep(0.2)


def principal(world: World, token: str) -> str:
    return str(world.google.who_am_i(token)["principal"])


def test_each_process_is_answered_as_itself(world: World, server: Serving) -> None:
    with workload(ALICE) as alice, workload(BOB) as bob, workload(CAROL) as carol:
        accounts = [one.do("once", server.port, f"{ACCOUNTS}/") for one in (alice, bob, carol)]
        tokens = [
            json.loads(one.do("once", server.port, f"{DEFAULT}/token")[1])["access_token"]
            for one in (alice, bob, carol)
        ]
    assert accounts == [
        [200, f"{email('alice')}/\ndefault/\n"],
        [200, f"{email('bob')}/\ndefault/\n"],
        [200, "default/\n"],
    ]
    assert principal(world, tokens[0]).endswith(email("alice"))
    assert principal(world, tokens[1]).endswith(email("bob"))
    assert principal(world, tokens[2]) == world.member("spiffe://example.org/carol")


def test_who_has_no_registration_gets_403_and_its_reason(server: Serving) -> None:
    with workload(STRANGER) as stranger:
        status, body = stranger.do("once", server.port, f"{DEFAULT}/token")
    assert status == 403
    assert f"process {stranger.pid} of uid {STRANGER}" in body
    assert "spire-server entry create" in body


def test_who_is_registered_and_not_in_the_file_gets_403_and_its_reason(world: World, server: Serving) -> None:
    world.google.forget()
    with workload(DAVE) as dave:
        status, body = dave.do("once", server.port, f"{DEFAULT}/token")
    assert status == 403
    assert "no service account is set for 'spiffe://example.org/dave'" in body
    assert world.google.journal() == []


@pytest.mark.parametrize("what", ["token", "identity?audience=a", "email", "?recursive=true"])
def test_nobody_gets_another_s_service_account(world: World, server: Serving, what: str) -> None:
    with workload(ALICE) as alice, workload(BOB) as bob:
        assert alice.do("once", server.port, f"{DEFAULT}/token")[0] == 200
        world.google.forget()
        for name in (email("alice"), email("alice").replace("@", "%40")):
            assert bob.do("once", server.port, f"{ACCOUNTS}/{name}/{what}")[0] == 404
    assert world.google.journal() == []


def test_a_connection_is_not_trusted_once(server: Serving) -> None:
    """Whoever holds the connection at a request is who counts, not who opened it."""
    name = "metadata-" + os.urandom(8).hex()
    with workload(ALICE) as alice, workload(BOB) as bob:
        alice.do("connect", server.port)
        assert alice.do("ask", f"{DEFAULT}/token")[0] == 200
        bob.do("wait_at", name)
        alice.do("send_to", name)
        bob.do("receive")
        status, body = bob.do("ask", f"{DEFAULT}/token")
        assert status == 403
        assert "held by a process of another" in body
        alice.do("close")
        assert bob.do("ask", f"{DEFAULT}/token")[0] == 403


def test_children_that_share_their_parent_s_connection_share_its_identity(server: Serving) -> None:
    with workload(ALICE) as alice:
        alice.do("connect", server.port)
        alice.do("fork")
        assert alice.do("ask", f"{DEFAULT}/email") == [200, email("alice")]


def test_a_process_that_changes_its_user_is_another_at_the_next_request(server: Serving) -> None:
    with workload() as daemon:
        daemon.do("become", ALICE)
        daemon.do("connect", server.port)
        assert daemon.do("ask", f"{DEFAULT}/email") == [200, email("alice")]


def test_two_users_under_load_never_get_each_other_s_token(world: World, server: Serving) -> None:
    """Hundreds of connections of three users and of one without registration, side by side."""
    owners: dict[str, int] = {}
    lock = threading.Lock()
    seen: Counter[tuple[int, int]] = Counter()

    def hammer(uid: int) -> None:
        with workload(uid) as process:
            for status, body in process.do("hammer", server.port, f"{DEFAULT}/token", 6.0):
                with lock:
                    seen[uid, status] += 1
                    if status == 200:
                        token = json.loads(body)["access_token"]
                        assert owners.setdefault(token, uid) == uid, "a token of another user"

    users = [ALICE, BOB, CAROL, STRANGER] * 3
    with ThreadPoolExecutor(len(users)) as pool:
        list(pool.map(hammer, users))
    for uid in (ALICE, BOB, CAROL):
        assert seen[uid, 200] > 20, seen
    assert seen[STRANGER, 403] > 20, seen
    assert not seen[STRANGER, 200]
    expected = {
        ALICE: email("alice"),
        BOB: email("bob"),
        CAROL: "spiffe://example.org/carol",
    }
    for token, uid in owners.items():
        assert principal(world, token).endswith(expected[uid])
    # One exchange for each identity, however many of its processes asked.
    assert world.google.count("POST .*/v1/token") == 3


def test_short_lives_and_recycled_pids_get_nobody_else_s_token(world: World, server: Serving) -> None:
    """Processes of two users ask, leave the connection to a child, and end at once, pids being reused."""
    owners: dict[str, int] = {}
    lock = threading.Lock()

    def one(uid: int) -> None:
        with workload(uid) as process:
            status, body = process.do("once", server.port, f"{DEFAULT}/token")
            process.tell("once", server.port, f"{DEFAULT}/token")  # and nobody waits for its answer
        if status == 200:
            with lock:
                assert owners.setdefault(json.loads(body)["access_token"], uid) == uid

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(one, [ALICE, BOB] * 40))
    assert set(owners.values()) == {ALICE, BOB}


def test_an_agent_that_is_away_is_a_503_for_everybody_and_nobody_is_answered_from_memory(
    world: World, server: Serving, spire: RealPeer
) -> None:
    with ExitStack() as stack:
        alice = stack.enter_context(workload(ALICE))
        assert alice.do("once", server.port, f"{DEFAULT}/token")[0] == 200
        spire.kill_agent()
        try:
            status, body = alice.do("once", server.port, f"{DEFAULT}/token")
            assert status == 503
            assert "Delegated Identity API" in body
            assert "start spire-agent" in body
        finally:
            spire.start_agent()
            spire.wait_for_agent()
        end = time.monotonic() + LIMIT
        while alice.do("once", server.port, f"{DEFAULT}/token")[0] != 200:
            assert time.monotonic() < end
            time.sleep(0.2)
    assert "eyJ" not in server.log
    assert "ya29." not in server.log


def test_google_s_library_gets_the_identity_of_its_own_process(world: World, server: Serving) -> None:
    with workload(BOB) as bob:
        info = bob.do("once", server.port, f"{DEFAULT}/?recursive=true")
        root = bob.do("once", server.port, "/computeMetadata/v1/?recursive=true")
        project = bob.do("once", server.port, "/computeMetadata/v1/project/project-id")
    assert json.loads(info[1])["email"] == email("bob")
    assert set(json.loads(root[1])["instance"]["serviceAccounts"]) == {"default", email("bob")}
    assert project == [200, PROJECT_ID]
