"""`gcp token` as Google's libraries run it: a process whose two streams are one."""

import json
import os
import stat
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from tests.gcp.scripted_agent import Agent, Identity, running_agent
from tests.peers.peer import SpirePeer
from tests.peers.reading import eventually

AUDIENCE = "//iam.googleapis.com/projects/1/locations/global/workloadIdentityPools/pool/providers/spire"
LIMIT = 60.0
NOISY = {"GRPC_VERBOSITY": "debug", "GRPC_TRACE": "all", "PYTHONWARNINGS": "always", "PYTHONDEVMODE": ""}


@pytest.fixture
def agent() -> Iterator[Agent]:
    with running_agent() as running:
        yield running


def ask(endpoint: str, *arguments: str, **environment: str | None) -> dict[str, Any]:
    """Run it with both streams merged, as google-auth does, and read what came as JSON."""
    wanted = {
        "SPIFFE_ENDPOINT_SOCKET": endpoint,
        "GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE": AUDIENCE,
        "SPIRE_OIDC_PUBLISHER_TIMEOUT": "5s",
        **environment,
    }
    ended = subprocess.run(
        [sys.executable, "-m", "publisher", "gcp", "token", *arguments],
        env={**os.environ, **{name: value for name, value in wanted.items() if value is not None}},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        timeout=LIMIT,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout
    answer: dict[str, Any] = json.loads(ended.stdout)
    assert ended.stdout.count(b"\n") == 1
    assert answer["version"] == 1
    return answer


def test_the_answer_has_the_token_and_its_time(agent: Agent) -> None:
    answer = ask(agent.endpoint, **NOISY)
    assert sorted(answer) == ["expiration_time", "id_token", "success", "token_type", "version"]
    assert answer["token_type"] == "urn:ietf:params:oauth:token-type:jwt"
    assert time.time() + 200 < answer["expiration_time"] < time.time() + 245


def test_a_spire_answers_and_refuses(peer: SpirePeer) -> None:
    assert ask(peer.workload_api)["code"] == "NO_ISSUER"
    assert ask(peer.workload_api, "--spiffe-id", "spiffe://example.org/nobody")["code"] == "NOT_REGISTERED"
    peer.reconfigure(jwt_issuer="https://issuer.example")
    assert ask(peer.workload_api, "--audience", "//another")["success"] is True
    peer.remove_entry()
    assert eventually(lambda: ask(peer.workload_api).get("code") == "NOT_REGISTERED")
    peer.kill_agent()
    assert ask(peer.workload_api)["code"] == "UNAVAILABLE"


@pytest.mark.parametrize("token_type", ["jwt", "id_token"])
def test_the_type_that_is_asked_for_is_answered(agent: Agent, token_type: str) -> None:
    wanted = f"urn:ietf:params:oauth:token-type:{token_type}"
    assert ask(agent.endpoint, GOOGLE_EXTERNAL_ACCOUNT_TOKEN_TYPE=wanted)["token_type"] == wanted


def test_one_of_several_identities_must_be_chosen(agent: Agent) -> None:
    agent.identities = [Identity(hint="one"), Identity(spiffe_id="spiffe://example.org/other", hint="two")]
    assert ask(agent.endpoint)["code"] == "SEVERAL_IDENTITIES"
    assert ask(agent.endpoint, "--hint", "three")["code"] == "NO_SUCH_IDENTITY"
    assert ask(agent.endpoint, "--hint", "two")["success"] is True
    assert ask(agent.endpoint, "--spiffe-id", "spiffe://example.org/app")["success"] is True
    assert ask(agent.endpoint, "--spiffe-id", "spiffe://example.org/none")["code"] == "NOT_REGISTERED"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--bad"], "USAGE"),
        (["unexpected"], "USAGE"),
        (["--timeout", "0s"], "USAGE"),
        (["--spiffe-id", "app"], "USAGE"),
        (["--hint", "\x1b"], "USAGE"),
        (["--audience", "x" * 257], "USAGE"),
        (["--workload-api", "https://example.org"], "USAGE"),
        (["--workload-api", "unix:///dev/null"], "SETTINGS"),
        (["--workload-api", "unix:///absent"], "UNAVAILABLE"),
    ],
)
def test_a_bad_command_line_is_answered_too(arguments: list[str], code: str) -> None:
    answer = ask("unix:///absent", *arguments)
    assert (answer["success"], answer["code"]) == (False, code)
    assert answer["message"]


def test_a_bad_environment_is_answered_too() -> None:
    assert ask("nonsense")["code"] == "SETTINGS"
    assert ask("unix:///absent", GOOGLE_EXTERNAL_ACCOUNT_AUDIENCE=None)["code"] == "USAGE"
    assert ask("unix:///absent", GOOGLE_EXTERNAL_ACCOUNT_REVOKE="1")["code"] == "SETTINGS"


@pytest.mark.parametrize(
    ("claims", "code"),
    [({"exp": 1}, "UNAVAILABLE"), ({"aud": ["//other"]}, "SETTINGS"), ({"iss": None}, "NO_ISSUER")],
)
def test_a_useless_token_is_no_answer_and_not_shown(agent: Agent, claims: dict[str, Any], code: str) -> None:
    agent.claims = claims
    answer = ask(agent.endpoint)
    assert answer["code"] == code
    assert "eyJ" not in json.dumps(answer)


def test_a_silent_agent_and_a_mad_one_are_answered_in_time(agent: Agent) -> None:
    agent.mangle = b"\xff\xff\xff"
    assert ask(agent.endpoint)["success"] is False
    agent.silent = True
    begun = time.monotonic()
    assert ask(agent.endpoint, "--timeout", "2s")["code"] == "UNAVAILABLE"
    assert time.monotonic() - begun < 30
    agent.silent, agent.mangle, agent.refuse = False, None, grpc.StatusCode.INVALID_ARGUMENT
    assert ask(agent.endpoint)["code"] == "SETTINGS"


def test_the_answer_is_kept_where_the_library_says(agent: Agent, tmp_path: Path) -> None:
    file = tmp_path / "answer.json"
    answer = ask(agent.endpoint, GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=str(file))
    assert json.loads(file.read_bytes()) == answer
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    agent.identities = []
    ask(agent.endpoint, GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=str(file))
    assert json.loads(file.read_bytes()) == answer, "a failure must not replace a good answer"
    agent.identities = [Identity()]
    agent.claims = {"iat": int(time.time()) - 290, "exp": int(time.time()) + 10}
    assert ask(agent.endpoint, GOOGLE_EXTERNAL_ACCOUNT_OUTPUT_FILE=str(file))["success"] is True
    assert json.loads(file.read_bytes()) == answer, "what is about to run out is not for keeping"


def test_closed_streams_break_nothing(agent: Agent) -> None:
    command = f'exec "{sys.executable}" -m publisher gcp token >&- 2>&-'
    environment = {**os.environ, "SPIFFE_ENDPOINT_SOCKET": agent.endpoint}
    ended = subprocess.run(["/bin/sh", "-c", command], env=environment, timeout=LIMIT, check=False)
    assert ended.returncode == 0
