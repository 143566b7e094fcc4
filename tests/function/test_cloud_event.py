"""Events over HTTP: both modes are read, and no answer says a word of what was sent."""

import asyncio
import json
from typing import Any

import pytest

from spire_oidc_function import cloud_event
from spire_oidc_function.cloud_event import LARGEST, answer_event, parse
from spire_oidc_function.events import FINALIZED, Judge, ObjectEvent
from spire_oidc_function.settings import Settings
from spire_oidc_function.wiring import make_judge
from tests.function.asgi_client import http_scope

ATTRIBUTES = {"specversion": "1.0", "id": "1", "source": "//storage.googleapis.com", "type": FINALIZED}
BINARY = [(f"ce-{name}".encode(), value.encode()) for name, value in ATTRIBUTES.items()]
STRUCTURED = [(b"content-type", b"Application/CloudEvents+JSON; charset=utf-8")]
DATA = {"bucket": "my-bucket", "name": "keys", "generation": "7"}
SECRET = "tell-nobody"


def event(**changes: Any) -> bytes:
    return json.dumps(ATTRIBUTES | {"data": DATA} | changes).encode()


@pytest.mark.parametrize(
    ("headers", "body"),
    [(BINARY, json.dumps(DATA).encode()), (STRUCTURED, event())],
    ids=["binary", "structured"],
)
def test_both_modes_say_the_same(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
    read = parse(headers, body)
    assert read is not None
    assert ObjectEvent.of(*read) == ObjectEvent(
        id="1", type=FINALIZED, bucket="my-bucket", name="keys", generation="7"
    )


def test_an_event_without_data_is_an_event() -> None:
    assert parse(BINARY, b"") == (ATTRIBUTES, None)


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ([], b"{}"),
        ([], SECRET.encode()),
        (BINARY, b"{" + SECRET.encode()),
        (BINARY, b"\xff"),
        (BINARY, b'{"a":1,"a":2}'),
        (BINARY, b"[" * 10_000),
        ([*BINARY[1:], (b"ce-specversion", SECRET.encode())], b"{}"),
        ([*BINARY[:-1], (b"ce-type", b"")], b"{}"),
        ([*BINARY[:-1], (b"ce-type", b"x" * 3000)], b"{}"),
        (STRUCTURED, b""),
        (STRUCTURED, b"[1]"),
        (STRUCTURED, event(specversion="9")),
        (STRUCTURED, event(id={SECRET: 1})),
        (STRUCTURED, event(type=[FINALIZED])),
        (STRUCTURED, event(source=None)),
    ],
)
def test_what_is_no_event_is_400_and_nothing_of_it_comes_back(
    headers: list[tuple[bytes, bytes]], body: bytes
) -> None:
    assert post(headers, body) == (400, {"error": "bad request"})


def judge() -> Judge:
    prefix = "SPIRE_OIDC_PUBLISHER_"
    given = {f"{prefix}SINK": "gs://other", f"{prefix}ISSUER": "https://issuer.example"}
    return make_judge(Settings.read(given))


JUDGE = judge()


def post(
    headers: list[tuple[bytes, bytes]],
    *parts: bytes,
    method: str = "POST",
    judge: Judge | None = JUDGE,
    end: str = "http.request",
) -> tuple[int, Any]:
    messages = [{"type": "http.request", "body": part, "more_body": True} for part in parts]
    messages[-1] |= {"type": end, "more_body": False}
    left = iter(messages)

    async def receive() -> dict[str, Any]:
        return next(left)

    answer = asyncio.run(answer_event(http_scope(method, "/", headers), receive, judge))
    assert dict(answer.start["headers"])[b"content-type"] == b"application/json"
    return answer.start["status"], json.loads(answer.body["body"] or "null")


def test_a_body_may_come_in_parts() -> None:
    body = json.dumps(DATA).encode()
    assert post(BINARY, body[:5], body[5:], b"") == (200, {})


def test_an_event_that_concerns_nobody_is_received() -> None:
    assert post(STRUCTURED, event()) == (200, {})
    assert post(STRUCTURED, event(type="of.another.kind")) == (200, {})


def test_a_body_has_a_limit() -> None:
    status, _ = post(BINARY, b" " * LARGEST, b"{}", b"never read")
    assert status == 413


def test_a_body_that_breaks_off_is_no_event() -> None:
    assert post(BINARY, b"{", b"", end="http.disconnect")[0] == 400


@pytest.mark.parametrize(("method", "body"), [("GET", {"error": "method not allowed"}), ("HEAD", None)])
def test_an_event_is_posted(method: str, body: Any) -> None:
    assert post(BINARY, b"", method=method) == (405, body)
    assert dict(cloud_event.ONLY_POST.get.start["headers"])[b"allow"] == b"POST"


def test_with_wrong_settings_it_is_503() -> None:
    assert post(BINARY, b"{}", judge=None) == (503, {"error": "service unavailable"})
