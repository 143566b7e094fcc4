"""A short way for answers that are at hand; uvicorn's own way for all others.

For each request uvicorn makes a task, an event and a cycle, calls the application, checks and joins the
headers that it is sent. A document in memory needs none of that: the application is asked at once, and one
write carries its answer. This more than doubles the requests per second of CPU (docs/performance-serving.md).
The answers are the same bytes: a test compares them.
"""

import asyncio
from typing import TYPE_CHECKING, Protocol, cast

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from spire_oidc_function.application import AsgiResponse

if TYPE_CHECKING:
    from publisher.serving.responses import Headers

_MOST_WRITTEN = 16
"""More than the answers of one snapshot: three paths, three forms each."""


class AtHand(Protocol):
    """Be an application that may know its answer at once."""

    def at_hand(self, path: str, method: str, headers: list[tuple[bytes, bytes]]) -> AsgiResponse | None:
        """Give the answer that takes no waiting; None: there is none."""
        ...


def quick_protocol(application: AtHand) -> type[HttpToolsProtocol]:
    """Make the protocol class of an application, for uvicorn's setting `http`."""
    written: dict[AsgiResponse, tuple[bytes, bytes]] = {}

    def write(response: AsgiResponse) -> tuple[bytes, bytes]:
        """Write an answer once: what goes before the server's own headers, and what after."""
        status, headers = cast("tuple[int, Headers]", (response.start["status"], response.start["headers"]))
        fields = b"".join(b"%s: %s\r\n" % field for field in headers)
        if len(written) >= _MOST_WRITTEN:
            written.clear()
        halves = STATUS_LINE[status], fields + b"\r\n" + cast("bytes", response.body["body"])
        written[response] = halves
        return halves

    class QuickProtocol(HttpToolsProtocol):
        """Answer at the end of a request's headers, where nothing stands against it."""

        def on_headers_complete(self) -> None:
            response = self._at_hand()
            if response is None:
                super().on_headers_complete()
                return
            begin, end = written.get(response) or write(response)
            own = [
                piece
                for name, value in self.server_state.default_headers
                for piece in (name, b": ", value, b"\r\n")
            ]
            # What comes after the headers is read and dropped, as behind any answer that is complete.
            self.cycle = _COMPLETE  # type: ignore[assignment]
            self.transport.write(b"".join((begin, *own, end)))
            self.on_response_complete()

        def _at_hand(self) -> AsgiResponse | None:
            cycle, parser, url, limit = self.cycle, self.parser, self.url, self.limit_concurrency
            if (
                # Answers go out in the order of the requests, and wait for a client that does not read.
                (cycle is not None and not cycle.response_complete)
                or self.flow.write_paused
                or (limit is not None and len(self.connections) >= limit)
                or not parser.should_keep_alive()
                or parser.should_upgrade()
                or parser.get_http_version() != "1.1"
                or b"%" in url
            ):
                return None
            method = parser.get_method().decode("latin-1")
            return application.at_hand(url.decode("latin-1"), method, self.headers)

    return QuickProtocol


class _Complete:
    """Stand for a cycle that has answered: all that uvicorn asks of one."""

    response_complete = True
    message_event = asyncio.Event()


_COMPLETE = _Complete()
