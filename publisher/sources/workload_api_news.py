"""Listen to the Workload API: hold its stream of bundles, and take it up again whenever it ends."""

import hashlib
from collections.abc import Callable

import grpc

from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError, PublisherError, SourceUnavailableError
from publisher.ports import Stop
from publisher.sources.grpc_call import METADATA, Peer, StatusError, open_channel, parse, translated
from publisher.sources.news import Attempts, Pauses, StoppedError, Told, canonical, hopeless
from publisher.sources.protocol import workload_pb2
from publisher.sources.workload_api import FETCH_BUNDLES, agent_at, denial

_PATIENCE = 10.0
_SETTLED = 60.0
_LOOK_EVERY = 5.0
_PAUSES = Pauses(first=0.1, longest=15.0)
_DIAGNOSIS = 1.0

_FLAPPING = 2
"""After so many short streams in a row the agent counts as back only when one has settled."""


class WorkloadApiNews:
    """Implement `ports.Listener` over the stream of `FetchJWTBundles` of the SPIFFE Workload API.

    `endpoint` is that of `WorkloadApiSource`. With a trust domain, the news of others are none. The first
    answer of a stream may take `patience` seconds. A stream that lasts `settled` seconds longer makes good
    for the failures before it: an agent that ends its streams at once is asked ever more seldom.

    Every `look_every` seconds the kernel is asked whether the unix socket's path names another file. Whoever
    connects now reaches another agent then, and an old one that lives on would tell nothing of its bundle.

    Raises:
        SourceSettingsError: another kind of endpoint.

    """

    def __init__(
        self,
        endpoint: str,
        trust_domain: TrustDomain | None,
        *,
        pauses: Pauses = _PAUSES,
        patience: float = _PATIENCE,
        settled: float = _SETTLED,
        look_every: float = _LOOK_EVERY,
    ) -> None:
        self._peer = agent_at(endpoint)
        self._wanted = trust_domain
        self._pauses = pauses
        self._patience = patience
        self._settled = settled
        self._look_every = look_every

    def listen(self, ring: Callable[[], None], stop: Stop) -> None:
        """Ring at the first answer of every stream, and at every other content, until `stop` is set."""
        attempts, told = Attempts(stop), Told()
        failures = brief = 0

        def heard() -> None:
            if brief < _FLAPPING:
                told.back()
            ring()

        while True:
            file = self._peer.endpoint.file()  # before connecting: in doubt, it was another one
            with open_channel(self._peer, self._patience, streams=True) as channel:
                stream = _Stream(channel, self._peer, self._wanted, heard)

                def settle(stream: _Stream = stream) -> None:
                    stream.has_settled = True
                    told.back()

                def look(stream: _Stream = stream, file: tuple[int, int] | None = file) -> None:
                    # Where there is none just now, nobody else can be reached: the old agent is all there is.
                    if self._peer.endpoint.file() not in {file, None}:
                        stream.end_as_replaced()

                try:
                    error = attempts.make(
                        stream.follow,
                        (self._patience, stream.end_if_silent),
                        (self._settled, settle),
                        again=(self._look_every, look),
                    )
                except StoppedError:
                    stream.end()
                    return
            brief = 0 if stream.has_settled else brief + stream.has_answered
            failures = 1 if stream.has_settled else failures + 1
            told.away(error)
            if stop.wait(self._pauses.after(failures, error)):
                return


class _Stream:
    """Follow one stream; `heard` is called at its first answer and at every other one that differs."""

    def __init__(
        self, channel: grpc.Channel, peer: Peer, wanted: TrustDomain | None, heard: Callable[[], None]
    ) -> None:
        self.has_answered = False
        self.has_settled = False
        self._was_silent = False
        self._was_replaced = False
        self._peer = peer
        self._wanted = wanted
        self._heard = heard
        self._call = channel.unary_stream(FETCH_BUNDLES, bytes, bytes)(
            workload_pb2.JWTBundlesRequest().SerializeToString(), metadata=METADATA
        )

    def end(self) -> None:
        """End the stream; whoever follows it is woken."""
        self._call.cancel()  # type: ignore[no-untyped-call]

    def end_if_silent(self) -> None:
        """End it unless there was an answer."""
        if not self.has_answered:
            self._was_silent = True
            self.end()

    def end_as_replaced(self) -> None:
        """End it: this is not the socket any more that is found at the path."""
        self._was_replaced = True
        self.end()

    def follow(self) -> PublisherError:
        """Listen until the stream ends, and give the reason."""
        last = None
        try:
            for message in self._call:
                content = digest(bytes(message), self._wanted, self._peer.where)
                self.has_answered = True
                if content != last:
                    self._heard()
                last = content
        except BundleError as error:
            return hopeless(error)
        except grpc.RpcError as error:
            return self._why(error)
        return SourceUnavailableError(
            self._peer.where, "has ended its stream", f"look at the log of {self._peer.program}"
        )

    def _why(self, error: grpc.RpcError) -> PublisherError:
        if self._was_replaced:
            return SourceUnavailableError(
                self._peer.where,
                "was replaced: its path names another socket by now",
                f"nothing, if another {self._peer.program} was started; else find out who did it",
            )
        if self._was_silent:
            return SourceUnavailableError(
                self._peer.where,
                "is silent: it accepts connections and does not answer",
                f"look at the log of {self._peer.program}, restart it",
            )
        reason = translated(self._peer, error, _DIAGNOSIS)
        return hopeless(denial(self._peer, reason)) if isinstance(reason, StatusError) else reason


def digest(message: bytes, wanted: TrustDomain | None, where: str) -> bytes:
    """Give a digest that is equal for equal bundles, in whatever order the agent gives them and their keys.

    Raises:
        BundleError: these are no bytes of such a message.

    """
    offered = parse(message, workload_pb2.JWTBundlesResponse(), where=where).bundles
    names = {wanted.name, f"spiffe://{wanted}"} if wanted is not None else set(offered)
    bundles = sorted((name, canonical(jwks)) for name, jwks in offered.items() if name in names)
    return hashlib.sha256(repr(bundles).encode()).digest()
