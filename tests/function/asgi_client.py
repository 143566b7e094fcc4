"""A client of ASGI applications that sends exactly what it is told, well-formed or not."""

import asyncio
import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from spire_oidc_function.application import Message, Scope


@dataclass(frozen=True, kw_only=True)
class Answer:
    status: int
    headers: dict[bytes, bytes]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def http_scope(method: str, path: str, headers: Iterable[tuple[bytes, bytes]] = ()) -> Scope:
    return {"type": "http", "method": method, "path": path, "headers": list(headers), "query_string": b""}


async def ask(
    application: Any, path: str, *headers: tuple[bytes, bytes], method: str = "GET", seconds: float = 20
) -> Answer:
    """Make one request."""
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Message) -> None:
        sent.append(message)

    async with asyncio.timeout(seconds):
        await application(http_scope(method, path, headers), receive, send)
    start, body = sent
    assert start["type"] == "http.response.start"
    assert body["type"] == "http.response.body"
    names = [name for name, _ in start["headers"]]
    assert len(set(names)) == len(names), "no header twice"
    return Answer(status=start["status"], headers=dict(start["headers"]), body=body["body"])


def get(application: Any, path: str, *headers: tuple[bytes, bytes], method: str = "GET") -> Answer:
    """Make one request, in an event loop of its own."""
    return asyncio.run(ask(application, path, *headers, method=method))
