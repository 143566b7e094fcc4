"""The one HTTP application, bare ASGI: the functions framework's target and the container's program."""

import hmac
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

from publisher.ports import Clock
from publisher.serving import responses
from publisher.serving.responses import Headers, Resource
from publisher.serving.status import Status
from spire_oidc_function.keeper import Keeper

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


class AsgiResponse:
    """Hold one answer as the two messages that ASGI sends; immutable, so it is sent any number of times."""

    __slots__ = ("body", "start")

    def __init__(self, status: int, headers: Headers, body: bytes) -> None:
        self.start: Message = {"type": "http.response.start", "status": int(status), "headers": headers}
        self.body: Message = {"type": "http.response.body", "body": body}

    async def __call__(self, _scope: Scope, _receive: Receive, send: Send) -> None:
        """Send it: the signature of an ASGI application, which Starlette takes for a response."""
        await send(self.start)
        await send(self.body)


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Render the status in one form."""

    content_type: bytes
    render: Callable[[Status], bytes]
    headers: Headers = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Views:
    """Load the forms of the status when they are asked for. `page` is for whoever prefers `text/html`."""

    json: Callable[[], View]
    page: Callable[[], View]
    metrics: Callable[[], View]


NOT_FOUND: Resource[AsgiResponse] = responses.problem(HTTPStatus.NOT_FOUND, AsgiResponse)
NOT_ALLOWED: Resource[AsgiResponse] = responses.problem(
    HTTPStatus.METHOD_NOT_ALLOWED, AsgiResponse, ((b"allow", responses.ALLOWED.encode()),)
)
UNAUTHORIZED: Resource[AsgiResponse] = responses.problem(
    HTTPStatus.UNAUTHORIZED, AsgiResponse, ((b"www-authenticate", b'Bearer realm="status"'),)
)
BROKEN: Resource[AsgiResponse] = responses.problem(
    HTTPStatus.SERVICE_UNAVAILABLE, AsgiResponse, ((b"retry-after", b"60"),)
)


class Application:
    """Answer every request: documents by one look-up, the status, and what there is to say to others."""

    def __init__(
        self, keeper: Keeper[AsgiResponse], clock: Clock, views: Views, status_token: str | None
    ) -> None:
        self._keeper = keeper
        self._monotonic = clock.monotonic
        self._views = views
        self._token = status_token

    async def respond(self, scope: Scope) -> AsgiResponse:
        """Give the answer to one request (an ASGI scope of type `http`)."""
        if self._monotonic() >= self._keeper.check_at:
            await self._keeper.look()
        return self._answer(scope)

    def at_hand(self, path: str, method: str, headers: Iterable[tuple[bytes, bytes]]) -> AsgiResponse | None:
        """Give the answer of a document while no refresh is due, without waiting. None: ask `respond`."""
        if self._monotonic() >= self._keeper.check_at:
            return None
        resource = self._keeper.resources.get(path)
        return None if resource is None else responses.answer(resource, method, headers)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Be a bare ASGI application."""
        if scope["type"] != "http":
            await serve_other(self._keeper.look, scope, receive, send)
            return
        # As `respond`, and as calling its answer: each coroutine less is a hundredth of a request's time.
        if self._monotonic() >= self._keeper.check_at:
            await self._keeper.look()
        ready = self._answer(scope)
        await send(ready.start)
        await send(ready.body)

    def _answer(self, scope: Scope) -> AsgiResponse:
        resource = self._keeper.resources.get(scope["path"])
        if resource is None:
            resource = self._other(scope)
        ready = responses.answer(resource, scope["method"], scope["headers"])
        return NOT_ALLOWED.get if ready is None else ready

    def _other(self, scope: Scope) -> Resource[AsgiResponse]:
        path, headers = scope["path"], scope["headers"]
        if path not in ("/status", "/metrics"):
            return NOT_FOUND
        if self._token is not None and not _bears(headers, self._token):
            return UNAUTHORIZED
        load = self._views.metrics
        if path == "/status":
            load = self._views.page if _prefers_html(headers) else self._views.json
        view, status = load(), self._keeper.status()
        # Numbers are an answer whatever they say; only the status itself is an alarm.
        healthy = status.is_healthy or path == "/metrics"
        return responses.uncached(
            HTTPStatus.OK if healthy else HTTPStatus.SERVICE_UNAVAILABLE,
            view.content_type,
            view.render(status),
            AsgiResponse,
            ((b"vary", b"accept, authorization"), *view.headers),
        )


class BrokenApplication:
    """Answer 503 to everything, because the settings are wrong: the log says which, no body does."""

    async def respond(self, scope: Scope) -> AsgiResponse:
        """Give the one answer."""
        return BROKEN.head if scope["method"] == "HEAD" else BROKEN.get

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Be a bare ASGI application."""
        if scope["type"] == "http":
            await (await self.respond(scope))(scope, receive, send)
        else:
            await serve_other(_nothing, scope, receive, send)


async def serve_other(
    start: Callable[[], Awaitable[None]], scope: Scope, receive: Receive, send: Send
) -> None:
    """Speak the rest of ASGI 3.0: the lifespan of the process, and no web sockets."""
    if scope["type"] == "lifespan":
        await receive()  # lifespan.startup
        await start()
        await send({"type": "lifespan.startup.complete"})
        await receive()  # lifespan.shutdown
        await send({"type": "lifespan.shutdown.complete"})
    else:
        await send({"type": "websocket.close", "code": 1000})


async def _nothing() -> None:
    """Start nothing."""


def _bears(headers: Iterable[tuple[bytes, bytes]], token: str) -> bool:
    """Compare a bearer token (RFC 6750 section 2.1) in constant time."""
    for name, value in headers:
        if name == b"authorization":
            scheme, _, given = value.partition(b" ")
            if scheme.lower() == b"bearer" and hmac.compare_digest(given.strip(), token.encode()):
                return True
    return False


def _prefers_html(headers: Iterable[tuple[bytes, bytes]]) -> bool:
    """Tell a browser: it names text/html, and before any JSON."""
    accepted = b",".join(value for name, value in headers if name == b"accept").lower()
    html, json = accepted.find(b"text/html"), accepted.find(b"application/json")
    return html >= 0 and (json < 0 or html < json)
