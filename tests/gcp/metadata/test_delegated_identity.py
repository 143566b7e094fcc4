"""The Delegated Identity API: what the agent answers, and what it means. A stand-in speaks the protocol."""

import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import pytest

from publisher.errors import SourceSettingsError
from publisher.gcp.delegated_identity import (
    AgentUnavailableError,
    NoIdentityError,
    NotDelegatedError,
    agent_at,
)
from tests.gcp.metadata.agents import Answer, agent, client, messages, svid


@pytest.fixture
def socket() -> Iterator[str]:
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        yield f"{folder}/admin.sock"


def refusing(code: grpc.StatusCode, details: str) -> Answer:
    def answer(_request: Any, context: grpc.ServicerContext) -> Any:
        context.abort(code, details)

    return answer


def test_every_identity_of_the_process_is_given(socket: str) -> None:
    asked: list[Any] = []

    def answer(request: Any, _context: grpc.ServicerContext) -> Any:
        asked.append((list(request.audience), request.pid))
        return messages.FetchJWTSVIDsResponse(svids=[svid("/a"), svid("/b")])

    with agent(socket, answer), client(socket) as asking:
        found = asking.fetch_jwt_svids(4711, "aud")
    assert [one.spiffe_id for one in found] == ["spiffe://example.org/a", "spiffe://example.org/b"]
    assert asked == [(["aud"], 4711)]
    assert "eyJ" not in repr(found)


@pytest.mark.parametrize(
    ("answer", "error", "words"),
    [
        (
            refusing(grpc.StatusCode.PERMISSION_DENIED, "caller not configured as an authorized delegate"),
            NotDelegatedError,
            "authorized_delegates",
        ),
        (
            refusing(grpc.StatusCode.PERMISSION_DENIED, "no identity issued"),
            NoIdentityError,
            "entry create",
        ),
        (
            refusing(grpc.StatusCode.UNAVAILABLE, "workload attestation failed"),
            AgentUnavailableError,
            "workload attestation failed",
        ),
        (refusing(grpc.StatusCode.UNIMPLEMENTED, ""), AgentUnavailableError, "--admin-socket"),
        (lambda _request, _context: b"\xff\xff", AgentUnavailableError, "FetchJWTSVIDsResponse"),
        (
            lambda _request, _context: messages.FetchJWTSVIDsResponse(),
            AgentUnavailableError,
            "without a JWT-SVID",
        ),
        (
            lambda _request, _context: messages.FetchJWTSVIDsResponse(svids=[svid("/a", token="")]),
            AgentUnavailableError,
            "without a JWT-SVID",
        ),
    ],
    ids=["no delegate", "no identity", "attestation", "another api", "garbage", "nothing", "empty token"],
)
def test_what_a_refusal_means(socket: str, answer: Answer, error: type[Exception], words: str) -> None:
    with agent(socket, answer), client(socket) as asking, pytest.raises(error, match=words):
        asking.fetch_jwt_svids(1, "aud")


def test_an_agent_that_comes_back_is_asked_at_once(socket: str) -> None:
    good: Answer = lambda _request, _context: messages.FetchJWTSVIDsResponse(svids=[svid("/a")])  # noqa: E731
    with client(socket) as asking:
        for _ in range(3):
            with pytest.raises(AgentUnavailableError, match="no spire-agent at this socket"):
                asking.fetch_jwt_svids(1, "aud")
            with agent(socket, good):
                assert asking.fetch_jwt_svids(1, "aud")
            if os.path.exists(socket):  # noqa: PTH110
                Path(socket).unlink()


def test_a_process_that_is_denied_takes_nobody_s_connection_away(socket: str) -> None:
    with agent(socket, refusing(grpc.StatusCode.PERMISSION_DENIED, "no")), client(socket) as asking:
        opened = set()
        for _ in range(3):
            with pytest.raises(NoIdentityError):
                asking.fetch_jwt_svids(1, "aud")
            opened.add(asking._channel)
        assert len(opened) == 1


def test_a_silent_agent_is_left_at_the_deadline(socket: str) -> None:
    def answer(_request: Any, context: grpc.ServicerContext) -> Any:
        while context.is_active():
            time.sleep(0.05)
        return messages.FetchJWTSVIDsResponse()

    with agent(socket, answer), client(socket, 0.5) as asking, pytest.raises(AgentUnavailableError):
        asking.fetch_jwt_svids(1, "aud")


@pytest.mark.parametrize("endpoint", ["tcp://127.0.0.1:1", "/tmp/admin.sock", "unix://host/path"])
def test_only_a_unix_socket_is_an_admin_socket(endpoint: str) -> None:
    with pytest.raises(SourceSettingsError, match="--admin-socket"):
        agent_at(endpoint)
