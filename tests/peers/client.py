"""The tests' own client of SPIRE's two sockets, over raw gRPC messages."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

import grpc

from tests.peers import wire

_HEADER = (("workload.spiffe.io", "true"),)
# A channel of its own every time: a shared one would remember how a killed peer refused it.
_OPTIONS = (("grpc.use_local_subchannel_pool", 1),)


class CallError(Exception):
    """Report a call that the peer refused or did not answer. `code` is gRPC's status."""

    def __init__(self, code: grpc.StatusCode, details: str) -> None:
        super().__init__(f"{code.name}: {details}")
        self.code = code


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerKey:
    """Hold a JWT authority as the server API has it: PKIX DER, expiry in Unix seconds."""

    kid: str
    public_key: bytes
    expires_at: int
    tainted: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerBundle:
    """Hold the trust bundle as the server API has it."""

    trust_domain: str
    sequence_number: int
    refresh_hint: int
    jwt_authorities: tuple[ServerKey, ...]
    x509_authorities: tuple[bytes, ...]

    @property
    def kids(self) -> frozenset[str]:
        """Give the kids of all JWT authorities, tainted ones too."""
        return frozenset(key.kid for key in self.jwt_authorities)


def fetch_jwt_bundles(
    address: str, *, timeout: float = 10, metadata: tuple[tuple[str, str], ...] = _HEADER
) -> dict[str, bytes]:
    """Fetch the Workload API's present bundles: JWK Sets by SPIFFE ID of the trust domain.

    Raises:
        CallError: the agent refused, or did not answer in `timeout` seconds.

    """
    with watch_jwt_bundles(address, timeout=timeout, metadata=metadata) as stream:
        return next(stream)


@contextmanager
def watch_jwt_bundles(
    address: str, *, timeout: float = 10, metadata: tuple[tuple[str, str], ...] = _HEADER
) -> Iterator[Iterator[dict[str, bytes]]]:
    """Hold a stream of bundles open, at most `timeout` seconds long."""
    with grpc.insecure_channel(address, options=_OPTIONS) as channel:
        call = channel.unary_stream(
            "/SpiffeWorkloadAPI/FetchJWTBundles", request_serializer=bytes, response_deserializer=bytes
        )(b"", timeout=timeout, metadata=metadata)

        def messages() -> Iterator[dict[str, bytes]]:
            try:
                for message in call:
                    entries = wire.texts(message, 1)
                    yield {wire.text(entry, 1): wire.texts(entry, 2)[-1] for entry in entries}
            except grpc.RpcError as error:
                raise CallError(error.code(), error.details() or "") from error

        try:
            yield messages()
        finally:
            channel.close()


def fetch_jwt_svid(
    address: str, audience: Sequence[str], *, spiffe_id: str = "", timeout: float = 10
) -> tuple[str, str]:
    """Fetch a JWT-SVID from the Workload API: the SPIFFE ID and the token of the first one.

    Raises:
        CallError: the agent refused, or did not answer in `timeout` seconds.

    """
    request = wire.encode({1: list(audience), 2: spiffe_id})
    svid = wire.texts(_call(address, "/SpiffeWorkloadAPI/FetchJWTSVID", request, timeout, _HEADER), 1)[0]
    return wire.text(svid, 1), wire.text(svid, 2)


def get_bundle(address: str, *, mask: Sequence[int] | None = None, timeout: float = 10) -> ServerBundle:
    """Fetch the bundle from the server API; `mask` holds the field numbers to be answered.

    Raises:
        CallError: the server refused, or did not answer in `timeout` seconds.

    """
    request = b"" if mask is None else wire.encode({1: wire.encode(dict.fromkeys(mask, 1))})
    answer = _call(address, "/spire.api.server.bundle.v1.Bundle/GetBundle", request, timeout, ())
    return ServerBundle(
        trust_domain=wire.text(answer, 1),
        sequence_number=wire.number(answer, 5),
        refresh_hint=wire.number(answer, 4),
        jwt_authorities=tuple(
            ServerKey(
                kid=wire.text(key, 2),
                public_key=wire.texts(key, 1)[-1],
                expires_at=wire.number(key, 3),
                tainted=bool(wire.number(key, 4)),
            )
            for key in wire.texts(answer, 3)
        ),
        x509_authorities=tuple(wire.texts(root, 1)[-1] for root in wire.texts(answer, 2)),
    )


def _call(
    address: str, method: str, request: bytes, timeout: float, metadata: tuple[tuple[str, str], ...]
) -> bytes:
    with grpc.insecure_channel(address, options=_OPTIONS) as channel:
        call = channel.unary_unary(method, request_serializer=bytes, response_deserializer=bytes)
        try:
            answer: bytes = call(request, timeout=timeout, metadata=metadata)
        except grpc.RpcError as error:
            raise CallError(error.code(), error.details() or "") from error
        return answer
