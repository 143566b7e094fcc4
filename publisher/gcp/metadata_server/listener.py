"""Listen on this machine alone, and look after all connections."""

import asyncio
import ipaddress
import socket
import threading
from collections.abc import Callable
from typing import Final

from publisher.errors import SettingsError
from publisher.gcp.metadata_server.connection import Admission, Connection, Limits, Respond, State
from publisher.quoting import quote

METADATA_ADDRESS: Final = "169.254.169.254"
"""The address at which a Compute Engine machine finds its metadata server."""

_ROUND = 0.5
_BACKLOG = 512
_MOST_REFUSED = 200
_START_SECONDS = _STOP_SECONDS = 3.0


def bind(host: str, port: int) -> socket.socket:
    """Listen on an address that only this machine can reach: the loopback's, or 169.254.169.254.

    Raises:
        SettingsError: another address, or one that cannot be had.

    """
    where = f"--listen {quote(host)}:{port}"
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if address is None or not (address.is_loopback or str(address) == METADATA_ADDRESS):
        raise SettingsError(
            where,
            "would let other machines ask for tokens",
            f"listen on 127.0.0.1, [::1] or {METADATA_ADDRESS}",
        )
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=_BACKLOG)
    except OSError as error:
        what = (error.strerror or str(error)).lower()
        remedy = "choose a free port; below 1024 it takes CAP_NET_BIND_SERVICE"
        if str(address) == METADATA_ADDRESS:
            remedy += f"; give an interface that address: ip addr add {METADATA_ADDRESS}/32 dev lo"
        raise SettingsError(where, quote(what, 80).strip("'\""), remedy) from error


class Listener:
    """Serve one listening socket from a thread of its own.

    As many connections at once as `limits` say. When there is one more, the one makes room that was idle, or
    in the middle of its request, for longest: so clients who never finish keep nobody out, and one that has
    just come has time to ask. If all wait for answers, the new one is answered 503.
    """

    def __init__(
        self,
        sock: socket.socket,
        respond: Respond,
        *,
        monotonic: Callable[[], float],
        limits: Limits | None = None,
    ) -> None:
        self.limits = limits or Limits()
        self.respond = respond
        self.time = monotonic
        self._socket = sock
        self._connections: dict[Connection, None] = {}
        self._refused: dict[Connection, None] = {}
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, name="metadata", daemon=True)
        self._turned = monotonic()

    @property
    def address(self) -> tuple[str, int]:
        """Give the address that is listened at."""
        host, port, *_ = self._socket.getsockname()
        return host, port

    @property
    def loop(self) -> asyncio.AbstractEventLoop:
        """Give the loop in which `respond` is called."""
        return self._loop

    @property
    def is_alive(self) -> bool:
        """Tell whether it still serves."""
        return self._thread.is_alive()

    def is_turning(self, seconds: float) -> bool:
        """Tell whether its loop has turned within so many seconds."""
        return self.time() - self._turned < seconds

    def start(self) -> None:
        """Begin to answer."""
        self._thread.start()
        self._ready.wait(_START_SECONDS)

    def close(self) -> None:
        """End within three seconds: nobody is accepted any more, whoever waits is hung up on."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(_STOP_SECONDS)
        self._socket.close()

    def admit(self, connection: Connection) -> Admission:
        """Count a connection in, unless there are too many and all of them wait for answers."""
        if len(self._connections) >= self.limits.connections:
            first = min(
                (one for one in self._connections if one.state in {State.IDLE, State.READING}),
                key=lambda one: one.since,
                default=None,
            )
            if first is None:
                if len(self._refused) >= _MOST_REFUSED:
                    return Admission.AWAY
                self._refused[connection] = None
                return Admission.REFUSED
            self.forget(first)
            first.make_room()
        self._connections[connection] = None
        return Admission.IN

    def forget(self, connection: Connection) -> None:
        """Count a connection out."""
        self._connections.pop(connection, None)
        self._refused.pop(connection, None)

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._serve())

    async def _serve(self) -> None:
        server = await self._loop.create_server(lambda: Connection(self), sock=self._socket, backlog=_BACKLOG)
        self._ready.set()
        try:
            while not self._stop.is_set():
                self._round()
                try:
                    await asyncio.wait_for(self._stop.wait(), _ROUND)
                except TimeoutError:
                    continue
        finally:
            server.close()
            for connection in [*self._connections, *self._refused]:
                connection.end()

    def _round(self) -> None:
        """End the connections whose clients are late."""
        self._turned = now = self.time()
        for connection in [one for one in (*self._connections, *self._refused) if one.is_late(now)]:
            connection.end()
