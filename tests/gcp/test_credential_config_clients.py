"""Google's own libraries with nothing but the files and variables that our commands write and print.

Their APIs are the stand-in's; the SVIDs are SPIRE's, real or stand-in, or of an agent of the test's own where
they are X.509-SVIDs (the stand-in for SPIRE has none).
"""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.gcp import clients
from tests.gcp.clients import Client
from tests.gcp.scripted_agent import ISSUER, Agent, Authority, running_agent
from tests.google import fixtures
from tests.google.google import Google
from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.programs import ABSENT, find_spire
from tests.peers.start import SPIRE, start_peer

google, google_process = fixtures.google, fixtures.google_process

PROJECT, ACCOUNT = "123456789", "app@my-project.iam.gserviceaccount.com"
MEMBER = f"principal://iam.googleapis.com/projects/{PROJECT}/locations/global/workloadIdentityPools/spire-pool/subject/"
Start = Callable[[dict[str, str]], Client]


@pytest.fixture(params=["google-auth", "google-auth-library"])
def library(request: pytest.FixtureRequest) -> str:
    """Run the test with each library."""
    name: str = request.param
    return name


@pytest.fixture
def start(library: str) -> Iterator[Start]:
    """Start clients of that library, and end them."""
    started: list[Client] = []

    def make(environment: dict[str, str]) -> Client:
        kind = clients.python_client if library == "google-auth" else clients.node_client
        client = kind(environment)
        if client is None:
            pytest.skip(clients.ABSENT)
        started.append(client)
        return client

    yield make
    for client in started:
        client.close()


@pytest.fixture
def agent() -> Iterator[Agent]:
    with running_agent() as running:
        yield running


def run(*arguments: str, endpoint: str = "", **environment: str) -> str:
    """Run one of our commands in a process of its own."""
    ended = subprocess.run(
        [sys.executable, "-m", "publisher", "gcp", *arguments],
        env={**os.environ, "SPIFFE_ENDPOINT_SOCKET": endpoint, **environment},
        capture_output=True,
        text=True,
        timeout=clients.LIMIT,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout


def configured(
    google: Google, tmp_path: Path, provider: str, *arguments: str, account: bool, direct: bool = False
) -> dict[str, str]:
    """Write a configuration, and give the environment of a workload that uses it.

    It has Google's own addresses, which a proxy leads to the stand-in, unless it is for `direct` use.
    """
    impersonating = ("--service-account", ACCOUNT, "--token-lifetime", "20m") if account else ()
    file = str(tmp_path / "credentials.json")
    words = ("credential-config", "--provider", provider, "--write-to", file, *impersonating, *arguments)
    words = (*words, "--project-id", "my-project")  # without it Node asks for it, which takes another role
    said = run(*words, **(google.environment if direct else {}))
    return {**(google.environment if direct else google.proxied_environment), **clients.exports(said)}


def furnished(google: Google, spiffe_id: str) -> str:
    """Make project, pool, account and its binding; give the pool."""
    google.create_project()
    pool = google.create_pool()
    google.create_service_account(ACCOUNT)
    google.bind(ACCOUNT, "roles/iam.workloadIdentityUser", MEMBER + spiffe_id)
    return pool


def program(tmp_path: Path) -> str:
    """Give an executable of this program, whatever the tests were started with."""
    script = tmp_path / "spire-oidc-publisher"
    script.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m publisher "$@"\n')
    script.chmod(0o755)
    return str(script)


@pytest.mark.parametrize("account", [False, True], ids=["federated", "impersonated"])
@pytest.mark.parametrize("way", ["executable", "file"])
def test_jwt_svids_of_a_spire_become_access_tokens(
    google: Google, make_peer: Callable[..., SpirePeer], start: Start, tmp_path: Path, way: str, account: bool
) -> None:
    peer = make_peer(jwt_issuer=ISSUER)
    peer.wait_for_agent()
    provider = google.create_oidc_provider(furnished(google, peer.spiffe_id), issuer=ISSUER, jwks=peer.jwks())
    if way == "executable":
        arguments = ["--program", program(tmp_path), "--output-file", str(tmp_path / "answer.json")]
        arguments += ["--workload-api", peer.workload_api]
    else:
        arguments = ["--way", "file", "--folder", str(tmp_path / "svids")]
        files = ("svid-files", "--folder", str(tmp_path / "svids"), "--svids", "jwt", "--provider", provider)
        run(*files, endpoint=peer.workload_api)
    environment = configured(google, tmp_path, provider, *arguments, account=account)
    client = start({**environment, "PYTHONPATH": str(Path.cwd())})
    bearer = google.who_am_i(client.token())
    wanted = f"serviceAccount:{ACCOUNT}" if account else MEMBER + peer.spiffe_id
    assert wanted in {bearer["principal"], *bearer.get("members", [])}
    if account:
        assert bearer["expires_in"] <= 1200
    # With an account the library keeps the federated token, and asks for no other while that lives.
    if way == "executable" and not account:
        peer.kill_agent()
        assert client.token(), "the kept answer serves while it lives"
        (tmp_path / "answer.json").unlink()
        assert "UNAVAILABLE" in client.refresh()["error"]


def test_a_failure_is_told_by_the_library_in_our_words(
    google: Google, agent: Agent, start: Start, tmp_path: Path
) -> None:
    provider = google.create_oidc_provider(furnished(google, "x"), issuer=ISSUER, jwks=agent.jwks)
    arguments = [
        "--program",
        program(tmp_path),
        "--workload-api",
        agent.endpoint,
        "--executable-timeout",
        "5s",
    ]
    environment = configured(google, tmp_path, provider, *arguments, account=False)
    client = start({**environment, "PYTHONPATH": str(Path.cwd())})
    assert client.token()
    agent.identities = []
    assert "register it: spire-server entry create" in client.refresh()["error"]


def test_a_wrong_audience_is_refused_by_sts_and_the_right_one_is_asked_for(
    google: Google, agent: Agent, start: Start, tmp_path: Path
) -> None:
    pool = furnished(google, "x")
    provider = google.create_oidc_provider(pool, issuer=ISSUER, jwks=agent.jwks, audiences=["spire"])
    arguments = ["--program", program(tmp_path), "--workload-api", agent.endpoint]
    environment = configured(google, tmp_path, provider, *arguments, account=False)
    assert "audience" in start({**environment, "PYTHONPATH": str(Path.cwd())}).refresh()["error"]
    environment = configured(google, tmp_path, provider, *arguments, "--audience", "spire", account=False)
    assert start({**environment, "PYTHONPATH": str(Path.cwd())}).token()


def x509_configured(
    google: Google, tmp_path: Path, anchor: str, spiffe_id: str, *, account: bool, library: str
) -> dict[str, str]:
    provider = google.create_x509_provider(furnished(google, spiffe_id), anchors=[anchor])
    # The library for Node takes no proxy for mutual TLS: it is given the stand-in's own addresses.
    direct = library != "google-auth"
    arguments = ("--way", "x509", "--folder", str(tmp_path / "svids"))
    return configured(google, tmp_path, provider, *arguments, account=account, direct=direct)


@pytest.mark.parametrize("account", [False, True], ids=["federated", "impersonated"])
@pytest.mark.parametrize("has_intermediate", [False, True], ids=["root", "intermediate"])
def test_x509_svids_become_access_tokens_while_they_rotate(
    google: Google,
    agent: Agent,
    library: str,
    start: Start,
    tmp_path: Path,
    has_intermediate: bool,
    account: bool,
) -> None:
    agent.authority = Authority(has_intermediate=has_intermediate)
    spiffe_id = agent.identities[0].spiffe_id
    environment = x509_configured(
        google, tmp_path, agent.authority.pem, spiffe_id, account=account, library=library
    )
    files = ("svid-files", "--folder", str(tmp_path / "svids"), "--svids", "x509")
    run(*files, endpoint=agent.endpoint)
    client = start(environment)
    for _ in range(3):
        bearer = google.who_am_i(client.token())
        wanted = f"serviceAccount:{ACCOUNT}" if account else MEMBER + spiffe_id
        assert wanted in {bearer["principal"], *bearer.get("members", [])}
        run(*files, endpoint=agent.endpoint)  # a new certificate, of a new key


def test_x509_svids_of_real_spire_become_access_tokens(
    google: Google, library: str, start: Start, tmp_path: Path
) -> None:
    if find_spire() is None:
        pytest.skip(ABSENT)
    peer = start_peer(SPIRE, PeerOptions())
    try:
        run(
            *("svid-files", "--folder", str(tmp_path / "svids"), "--svids", "x509"),
            endpoint=peer.workload_api,
        )
        anchor = (tmp_path / "svids/svid_bundle.pem").read_text()
        client = start(
            x509_configured(google, tmp_path, anchor, peer.spiffe_id, account=True, library=library)
        )
        bearer = google.who_am_i(client.token())
        assert f"serviceAccount:{ACCOUNT}" in {bearer["principal"], *bearer.get("members", [])}
    finally:
        peer.stop()
