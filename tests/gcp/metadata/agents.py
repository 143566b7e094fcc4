"""A stand-in of an agent's admin socket: the Delegated Identity API over real gRPC."""

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from typing import Any

import grpc

from publisher.gcp.delegated_identity import DelegatedIdentity, agent_at
from publisher.gcp.protocol import delegated_identity_pb2
from publisher.ports import Deadline
from publisher.wiring.clock import SystemClock

# What protoc generates is built at import; type checkers see nothing of it.
messages: Any = delegated_identity_pb2
Answer = Callable[[Any, grpc.ServicerContext], Any]


def svid(path: str, token: str = "eyJ.x.y") -> Any:
    return messages.JWTSVID(token=token, id=messages.SPIFFEID(trust_domain="example.org", path=path))


@contextmanager
def agent(socket: str, answer: Answer) -> Iterator[None]:
    """Serve the one method at this socket."""
    method = grpc.unary_unary_rpc_method_handler(
        answer,
        request_deserializer=messages.FetchJWTSVIDsRequest.FromString,
        response_serializer=lambda reply: reply if isinstance(reply, bytes) else reply.SerializeToString(),
    )
    service = "spire.api.agent.delegatedidentity.v1.DelegatedIdentity"
    server = grpc.server(futures.ThreadPoolExecutor(4))
    server.add_generic_rpc_handlers(
        (grpc.method_handlers_generic_handler(service, {"FetchJWTSVIDs": method}),)
    )
    server.add_insecure_port(f"unix://{socket}")
    server.start()
    try:
        yield
    finally:
        server.stop(0).wait(10)


@contextmanager
def client(socket: str, seconds: float = 5.0) -> Iterator[DelegatedIdentity]:
    clock = SystemClock()
    asking = DelegatedIdentity(agent_at(f"unix://{socket}"), lambda: Deadline(clock, seconds))
    try:
        yield asking
    finally:
        asking.close()
