"""One connection: requests one after the other, each state of it bounded in time and size."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from enum import Enum, auto
from http import HTTPStatus
from typing import Final, Protocol, cast

from publisher.gcp.metadata_server.answer import Answer, refusal
from publisher.gcp.metadata_server.request import (
    LARGEST_BODY,
    LARGEST_HEAD,
    BadRequestError,
    Request,
    RequestReader,
)

_MOST_HELD: Final = LARGEST_HEAD + LARGEST_BODY
_MOST_LINGERED: Final = 262_144


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Hold the bounds of all connections, in seconds and connections.

    `idle`: between requests. `head`: from a request's first byte to its last. `taking`: until the client
    takes what was answered. `lingering`: how long it may go on to send after the last answer.
    """

    connections: int = 1000
    idle: float = 60.0
    head: float = 5.0
    taking: float = 5.0
    lingering: float = 1.0


class State(Enum):
    """Say what a connection is at, and so which limit holds for it."""

    IDLE = auto()
    READING = auto()
    ANSWERING = auto()  # bounded by the deadlines of the answer itself
    LINGERING = auto()


@dataclass(frozen=True, slots=True)
class Peer:
    """Hold both ends of a connection as this server sees them: IP address and port each."""

    remote: tuple[str, int]
    local: tuple[str, int]


Respond = Callable[[Request, Peer], Answer | Awaitable[Answer]]
"""Give the answer of a request, at once where nothing has to be waited for. Raises nothing."""


class Admission(Enum):
    """Say what becomes of a new connection."""

    IN = auto()
    REFUSED = auto()  # with an answer
    AWAY = auto()  # without: even those who are refused are many


class Owner(Protocol):
    """Own the connections."""

    limits: Limits
    respond: Respond

    def admit(self, connection: "Connection") -> Admission:
        """Count a connection in, if there is room."""
        ...

    def forget(self, connection: "Connection") -> None:
        """Count a connection out."""
        ...

    def time(self) -> float:
        """Give seconds that never go back."""
        ...


class Connection(asyncio.Protocol):
    """Read requests and write answers, in order. What is late is seen to by the owner's rounds."""

    def __init__(self, owner: Owner) -> None:
        self._owner = owner
        self._reader = RequestReader()
        self._transport: asyncio.Transport
        self._peer: Peer
        self._task: asyncio.Task[None] | None = None
        self._lost = self._ended = self._full = False
        self._lingered = 0
        self.state = State.IDLE
        self.since = owner.time()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, or refuse in words: a client that is refused can try again, one that hangs cannot."""
        self._transport = cast("asyncio.Transport", transport)
        remote, local = transport.get_extra_info("peername"), transport.get_extra_info("sockname")
        if not remote or not local:  # it is gone already
            self._transport.abort()
            return
        self._peer = Peer((remote[0], remote[1]), (local[0], local[1]))
        admission = self._owner.admit(self)
        if admission is Admission.AWAY:
            self._transport.abort()
        elif admission is Admission.REFUSED:
            self._last(
                refusal(
                    HTTPStatus.SERVICE_UNAVAILABLE,
                    f"{self._owner.limits.connections} connections are open, which is the limit; try again",
                    "Retry-After: 1",
                )
            )

    def data_received(self, data: bytes) -> None:
        """Take what came; more than one request may be in it, or less."""
        if self.state is State.LINGERING:
            self._lingered += len(data)
            if self._lingered > _MOST_LINGERED:
                self._transport.abort()
            return
        self._reader.feed(data)
        if self.state is not State.ANSWERING and not self._full:
            self._turn()
        elif self._reader.held > _MOST_HELD:
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Answer what was asked, then close: a client may end its half first."""
        self._ended = True
        return self.state is State.ANSWERING

    def pause_writing(self) -> None:
        """Note that the client does not take what it asked for."""
        self._full = True
        self.since = self._owner.time()

    def resume_writing(self) -> None:
        """Go on with a client that takes its answers again."""
        self._full = False
        if self.state is not State.ANSWERING and self.state is not State.LINGERING:
            self._turn()

    def connection_lost(self, _error: Exception | None) -> None:
        """Note the end; an answer that is under way counts until it is ready, so that none pile up."""
        self._lost = True
        if self._task is None:
            self._owner.forget(self)

    def is_late(self, now: float) -> bool:
        """Tell whether its client has used up its time."""
        limits = self._owner.limits
        if self._full:
            return now - self.since > limits.taking
        match self.state:
            case State.IDLE:
                return now - self.since > limits.idle
            case State.READING:
                return now - self.since > limits.head
            case State.ANSWERING:
                return False
            case State.LINGERING:
                return now - self.since > limits.lingering

    def end(self) -> None:
        """Close at once, with a word to a client in the middle of a request."""
        if self._full or self.state in (State.ANSWERING, State.LINGERING):
            self._transport.abort()
        elif self.state is State.READING:
            self._last(refusal(HTTPStatus.REQUEST_TIMEOUT, "the request did not come in time"))
        else:
            self._transport.close()

    def make_room(self) -> None:
        """Close without a word, which nobody would wait for any more."""
        if self._full:
            self._transport.abort()
        else:
            self._transport.close()

    def _turn(self) -> None:
        """Answer what is there until bytes are missing, the client is full, or an answer takes time."""
        while not self._full:
            try:
                request = self._reader.next()
            except BadRequestError as error:
                self._last(refusal(error.status, error.reason))
                return
            if request is None:
                self._transport.resume_reading()  # which does nothing while it reads
                self._wait_for_more()
                return
            self._enter(State.ANSWERING)
            reply = self._owner.respond(request, self._peer)
            if not isinstance(reply, Answer):
                self._task = asyncio.ensure_future(self._later(request, reply))
                return
            if not self._write(request, reply):
                return

    async def _later(self, request: Request, reply: Awaitable[Answer]) -> None:
        answer = await reply
        self._task = None
        if self._lost:
            self._owner.forget(self)
        elif self._write(request, answer):
            self._turn()

    def _write(self, request: Request, answer: Answer) -> bool:
        """Write one answer; tell whether another request may follow."""
        head_only = request.method == "HEAD"
        if not request.keep_alive or self._ended:
            self._last(answer, head_only=head_only)
            return False
        self._enter(State.IDLE)
        self._transport.write(answer.encoded(keep_alive=True, head_only=head_only))
        return True

    def _last(self, answer: Answer, *, head_only: bool = False) -> None:
        """Write the last answer, and take what the client still sends: closing now could destroy it."""
        self._enter(State.LINGERING)
        self._transport.write(answer.encoded(keep_alive=False, head_only=head_only))
        if self._ended:
            self._transport.close()
            return
        if self._transport.can_write_eof():
            self._transport.write_eof()
        self._transport.resume_reading()

    def _wait_for_more(self) -> None:
        if self._ended:
            self._transport.close()
        elif self._reader.is_between:
            if self.state is not State.IDLE:
                self._enter(State.IDLE)
        elif self.state is not State.READING:
            self._enter(State.READING)

    def _enter(self, state: State) -> None:
        self.state = state
        self.since = self._owner.time()
