"""Call SPIRE over gRPC, and say in a person's words why it did not work."""

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TypeVar, cast

# gRPC's C++ core reads this once and would otherwise write to stderr, between our lines of JSON.
os.environ.setdefault("GRPC_VERBOSITY", "NONE")

import grpc
from google.protobuf.message import DecodeError, Message

from publisher import strict_json
from publisher.errors import BundleError, SourceError, SourceSettingsError, SourceUnavailableError
from publisher.ports import Deadline
from publisher.quoting import quote
from publisher.sources.endpoint import Endpoint

LARGEST = strict_json.LARGEST
"""The most bytes of one message."""

_DIAGNOSIS = 1.0
"""Seconds that finding out what is wrong with a socket may take."""

M = TypeVar("M", bound=Message)


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Describe who is called: `api` and `program` name it, `setting` says where its endpoint is set."""

    endpoint: Endpoint
    api: str
    program: str
    setting: str

    @property
    def where(self) -> str:
        """Name the place, as every error does."""
        return f"{self.api} at {quote(self.endpoint.text)}"


class StatusError(Exception):
    """Carry a status other than OK that a call ended with; `details` are quoted."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name} {details}")
        self.code = code
        self.details = details


class Connection:
    """Make calls on one channel, every one of them within one deadline.

    Messages are bytes here and parsed by `parse`, so that a malformed one is told from a failed call.
    """

    def __init__(self, peer: Peer, channel: grpc.Channel, deadline: Deadline) -> None:
        self._peer = peer
        self._channel = channel
        self._deadline = deadline

    def first_of_stream(self, method: str, request: Message) -> bytes:
        """Give the first message that a server-streaming method sends, and end the stream.

        Raises:
            StatusError: the peer, or the deadline, ended the call.
            SourceError: the peer was not reached, or sent nothing.

        """
        call = self._channel.unary_stream(method, bytes, bytes)(
            request.SerializeToString(), timeout=self._deadline.remaining(), metadata=METADATA
        )
        try:
            for message in call:
                return bytes(message)
        except grpc.RpcError as error:
            raise self._translated(error) from error
        finally:
            call.cancel()  # type: ignore[no-untyped-call]
        raise SourceUnavailableError(
            self._peer.where, "ended its stream before the first answer", f"restart {self._peer.program}"
        )

    def answer(self, method: str, request: Message) -> bytes:
        """Give the answer of a unary method.

        Raises:
            StatusError: the peer, or the deadline, ended the call.
            SourceError: the peer was not reached.

        """
        call = self._channel.unary_unary(method, bytes, bytes)
        try:
            return bytes(
                call(request.SerializeToString(), timeout=self._deadline.remaining(), metadata=METADATA)
            )
        except grpc.RpcError as error:
            raise self._translated(error) from error

    def _translated(self, error: grpc.RpcError) -> Exception:
        return translated(self._peer, error, self._deadline.remaining())


def translated(peer: Peer, error: grpc.RpcError, seconds: float) -> StatusError | SourceError:
    """Say what an error of gRPC means: finding out why a peer was not reached takes up to `seconds`."""
    ended = cast("grpc.Call", error)  # as grpc documents of every error that a call raises
    if ended.code() is grpc.StatusCode.UNAVAILABLE:
        fault = _socket_fault(peer, min(seconds, _DIAGNOSIS))
        if fault is not None:
            return fault
    return StatusError(ended.code(), quote(ended.details() or ""))


METADATA = (("workload.spiffe.io", "true"),)
"""SPIFFE Workload Endpoint section 6.2 demands it; SPIRE's server ignores it."""


_KEEPALIVE = (
    # SPIRE's agent has the default of Go's gRPC: who pings more than every 5 minutes is sent away.
    ("grpc.keepalive_time_ms", 320_000),
    ("grpc.keepalive_timeout_ms", 20_000),
    # Of a stream on which nothing happens for hours, every ping is one without data.
    ("grpc.http2.max_pings_without_data", 0),
)


@contextmanager
def connected(peer: Peer, deadline: Deadline) -> Iterator[Connection]:
    """Open a channel, and close it with all that is under way on it. Connecting is left to the calls."""
    with open_channel(peer, deadline.remaining()) as channel:
        yield Connection(peer, channel, deadline)


def open_channel(peer: Peer, seconds: float, *, streams: bool = False) -> grpc.Channel:
    """Make a channel on which connecting may take `seconds`; whoever makes it closes it.

    Where it `streams`, a peer that has vanished from the network is noticed within six minutes.
    """
    options: list[tuple[str, int | str]] = [
        ("grpc.enable_http_proxy", 0),
        ("grpc.enable_retries", 0),
        ("grpc.max_receive_message_length", LARGEST),
        # SPIRE is written in Go, whose gRPC refuses the path of a socket as an authority.
        ("grpc.default_authority", "localhost"),
        # Channels to one target share their connections, and so the back-off of an earlier attempt.
        ("grpc.use_local_subchannel_pool", 1),
        # Connecting lasts as long as the call: a silent socket is then a deadline, not a lost connection.
        ("grpc.min_reconnect_backoff_ms", int(seconds * 1000) + 1000),
        ("grpc.service_config_disable_resolution", 1),
    ]
    if streams and peer.endpoint.address is not None:  # the end of a unix socket is always noticed
        options += _KEEPALIVE
    return grpc.insecure_channel(peer.endpoint.target, options=options)


def parse(data: bytes, message: M, *, where: str) -> M:
    """Fill `message` from the wire and give it back.

    Raises:
        BundleError: these are no bytes of such a message.

    """
    try:
        message.ParseFromString(data)
    except DecodeError as error:
        raise BundleError(
            where,
            f"the answer is no {message.DESCRIPTOR.name}",
            "something that is not SPIRE answers there; correct the source's endpoint",
        ) from error
    return message


def refusal(peer: Peer, status: StatusError) -> SourceError | BundleError:
    """Translate a status that means the same for every method of every API."""
    match status.code:
        case grpc.StatusCode.RESOURCE_EXHAUSTED if "larger than max" in status.details:
            return BundleError(
                peer.where, f"the answer has more than {LARGEST} bytes", "find out why the bundle is so large"
            )
        case grpc.StatusCode.INVALID_ARGUMENT:
            return SourceSettingsError(
                peer.where,
                f"refuses the request as invalid ({status.details})",
                f"look at the log of {peer.program}; asking again would not help",
            )
        case grpc.StatusCode.UNIMPLEMENTED:
            return SourceSettingsError(
                peer.where, "is another interface", f"set {peer.setting} to the socket of {peer.program}"
            )
        case grpc.StatusCode.DEADLINE_EXCEEDED:
            return SourceUnavailableError(
                peer.where,
                "is silent: it accepts connections and does not answer",
                f"look at the log of {peer.program}, restart it",
            )
        case code:
            return SourceUnavailableError(
                peer.where, f"answers {code.name} {status.details}", f"look at the log of {peer.program}"
            )


def _socket_fault(peer: Peer, seconds: float) -> SourceError | None:  # noqa: PLR0911 (one for each fault)
    """Find out why a connection failed; None: one can be made."""
    where, path = peer.where, peer.endpoint.path
    program = peer.program
    try:
        if path is not None and not stat.S_ISSOCK(os.stat(path).st_mode):  # noqa: PTH116 (a name, not a file)
            return SourceSettingsError(where, "is not a socket", f"set {peer.setting} to that of {program}")
        peer.endpoint.connect(seconds)
    except (FileNotFoundError, NotADirectoryError):
        return SourceUnavailableError(
            where,
            f"no {program} at this socket: there is no such file",
            f"start {program}, or set {peer.setting} to its socket",
        )
    except PermissionError:
        return SourceSettingsError(
            where,
            f"the user of uid {os.geteuid()} may not connect to this socket",
            "let that user search the folders above the socket and write to it",
        )
    except ConnectionRefusedError:
        return SourceUnavailableError(
            where,
            f"no {program} at this socket: connections are refused",
            f"start {program}: it has ended and left its socket, or was never there",
        )
    except (BlockingIOError, TimeoutError):
        return SourceUnavailableError(
            where, "does not accept connections", f"look at the log of {program}, restart it"
        )
    except OSError as error:
        return SourceUnavailableError(
            where, f"cannot be reached ({quote(error.strerror)})", f"start {program}, or set {peer.setting}"
        )
    return None
