"""Receive CloudEvents over HTTP, and answer without a word of what was sent.

The framework's own reading of events answers a damaged one with the text of an exception, which quotes it.
"""

import asyncio
from collections.abc import Iterable, Mapping
from http import HTTPStatus
from typing import Any

from publisher import strict_json
from publisher.serving import responses
from publisher.serving.responses import Resource
from publisher.strict_json import MalformedError
from spire_oidc_function.application import BROKEN, AsgiResponse, Receive, Scope
from spire_oidc_function.events import Judge, ObjectEvent

LARGEST = 1024 * 1024
"""The most bytes of a body; Eventarc sends half of it."""

PATIENCE = 10.0
"""Seconds for a body to arrive."""

REQUIRED = ("specversion", "id", "source", "type")
"""The attributes that every event has (CloudEvents 1.0, section "Required attributes")."""

_STRUCTURED = "application/cloudevents+json"
_LONGEST_ATTRIBUTE = 2048

RECEIVED = responses.uncached(HTTPStatus.OK, b"application/json", b"{}", AsgiResponse)
BAD: Resource[AsgiResponse] = responses.problem(HTTPStatus.BAD_REQUEST, AsgiResponse)
TOO_LARGE: Resource[AsgiResponse] = responses.problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, AsgiResponse)
ONLY_POST: Resource[AsgiResponse] = responses.problem(
    HTTPStatus.METHOD_NOT_ALLOWED, AsgiResponse, ((b"allow", b"POST"),)
)


async def answer_event(scope: Scope, receive: Receive, judge: Judge | None) -> AsgiResponse:
    """Have one event judged; None as judge: the settings are wrong, and the log says which.

    200 once it is judged or ignored, 400 for what is no event, 405, 413, 503.
    """
    if scope["method"] != "POST":
        return ONLY_POST.head if scope["method"] == "HEAD" else ONLY_POST.get
    if judge is None:
        return BROKEN.get
    body = await _body(receive)
    if body is None:
        return BAD.get
    if len(body) > LARGEST:
        return TOO_LARGE.get
    event = parse(scope["headers"], body)
    if event is None:
        return BAD.get
    happened = ObjectEvent.of(*event)
    if happened is not None:
        await judge.judge(happened)
    return RECEIVED.get


def parse(headers: Iterable[tuple[bytes, bytes]], body: bytes) -> tuple[Mapping[str, str], Any] | None:
    """Give the attributes and data of an event, of both modes of the HTTP binding of CloudEvents 1.0.

    `headers` have their names in lower case. None: it is no event, or its data is no JSON.
    """
    given = {name: value.decode("latin-1") for name, value in headers}
    kind = given.get(b"content-type", "").partition(";")[0].strip().lower()
    try:
        content = strict_json.loads(body, where="event") if body else None
    except MalformedError:
        return None
    if kind != _STRUCTURED:
        attributes: Mapping[str, Any] = {
            name.removeprefix(b"ce-").decode("latin-1"): value
            for name, value in given.items()
            if name.startswith(b"ce-")
        }
        return (attributes, content) if _is_event(attributes) else None
    if not isinstance(content, dict) or not _is_event(content):
        return None
    return {name: content[name] for name in REQUIRED}, content.get("data")


async def _body(receive: Receive) -> bytes | None:
    """Read a body; longer than `LARGEST` if there is more. None: it never came to its end."""
    parts: list[bytes] = []
    size = 0
    try:
        async with asyncio.timeout(PATIENCE):
            while size <= LARGEST:
                message = await receive()
                if message["type"] != "http.request":
                    return None
                parts.append(message.get("body", b""))
                size += len(parts[-1])
                if not message.get("more_body", False):
                    break
    except TimeoutError:
        return None
    return b"".join(parts)


def _is_event(attributes: Mapping[str, Any]) -> bool:
    return attributes.get("specversion") == "1.0" and all(
        isinstance(attributes.get(name), str) and 0 < len(attributes[name]) <= _LONGEST_ATTRIBUTE
        for name in REQUIRED
    )
