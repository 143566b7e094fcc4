"""Listen to SPIRE's server: ask for the sequence number of its bundle, and for nothing else of it."""

import threading
from collections.abc import Callable

import grpc

from publisher.errors import BundleError, PublisherError
from publisher.ports import Stop
from publisher.sources.grpc_call import METADATA, Peer, StatusError, open_channel, parse, translated
from publisher.sources.news import Pauses, Seen, hopeless, poll
from publisher.sources.protocol import server_pb2
from publisher.sources.server_api import GET_BUNDLE, denial, server_at

_PATIENCE = 5.0
_PAUSES = Pauses(first=1.0, longest=60.0)
_DIAGNOSIS = 1.0
_REQUEST = server_pb2.GetBundleRequest(output_mask=server_pb2.BundleMask(sequence_number=True))


class ServerApiNews:
    """Implement `ports.Listener` over `Bundle/GetBundle` of SPIRE's server API, every `poll_every` seconds.

    `endpoint` is that of `ServerApiSource`. Another sequence number rings, a lower one too. One connection is
    kept open while the socket's path names the same file: another one is another server, and rings. An answer
    may take `patience` seconds.

    Raises:
        SourceSettingsError: another kind of endpoint.

    """

    def __init__(
        self, endpoint: str, *, poll_every: float, pauses: Pauses = _PAUSES, patience: float = _PATIENCE
    ) -> None:
        self._peer = server_at(endpoint)
        self._every = poll_every
        self._pauses = pauses
        self._patience = patience

    def listen(self, ring: Callable[[], None], stop: Stop) -> None:
        """Ring at every change, and when the server is back, until `stop` is set."""
        line = _Line(self._peer, self._patience)
        try:
            poll(
                lambda: Seen(value=line.look(), next_in=self._every),
                ring,
                stop,
                pauses=self._pauses,
            )
        finally:
            line.hang_up()


class _Line:
    """Keep one channel for as long as it works: a new one waits for none of gRPC's own pauses."""

    def __init__(self, peer: Peer, patience: float) -> None:
        self._peer = peer
        self._patience = patience
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._file: tuple[int, int] | None = None

    def hang_up(self) -> None:
        """End the call that is under way, and close the channel."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            channel.close()

    def look(self) -> tuple[tuple[int, int] | None, int]:
        """Give the socket's file and the sequence number of the server there.

        Raises:
            SourceError: no server, or none that answers as SPIRE's does.

        """
        file = self._peer.endpoint.file()  # before connecting: in doubt, it was another one
        if file not in {self._file, None}:
            self.hang_up()
        with self._lock:
            if self._channel is None:
                self._file = file
                self._channel = open_channel(self._peer, self._patience)
            call = self._channel.unary_unary(GET_BUNDLE, bytes, bytes)
        try:
            data = call(_REQUEST.SerializeToString(), timeout=self._patience, metadata=METADATA)
            number = int(parse(data, server_pb2.Bundle(), where=self._peer.where).sequence_number)
        except grpc.RpcError as error:
            self.hang_up()
            raise self._why(error) from error
        except BundleError as error:
            raise hopeless(error) from error
        return self._file, number

    def _why(self, error: grpc.RpcError) -> PublisherError:
        reason = translated(self._peer, error, _DIAGNOSIS)
        if isinstance(reason, StatusError):
            return hopeless(denial(self._peer, reason))
        return reason
