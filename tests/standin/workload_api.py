"""The SPIFFE Workload API over gRPC on a unix socket, profile JWT-SVID."""

from collections.abc import Iterator
from typing import Any

import grpc

from tests.standin.agent import Agent, NotIssuedError, NotRenewedError
from tests.standin.documents import standard_jwks
from tests.standin.protocol import workload_pb2

# What protoc generates is built at import; type checkers see nothing of it.
messages: Any = workload_pb2

_SERVICE = "SpiffeWorkloadAPI"
_HEADER = ("workload.spiffe.io", "true")


def handlers(agent: Agent) -> "grpc.GenericRpcHandler[Any, Any]":
    """Answer `FetchJWTBundles` and `FetchJWTSVID` from this agent, with SPIRE's status codes."""

    def fetch_jwt_bundles(_request: Any, context: grpc.ServicerContext) -> Iterator[Any]:
        _check_header(context)
        while context.is_active():
            seen = agent.view
            try:
                bundles = agent.bundles()
            except NotIssuedError:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
            encoded = {f"spiffe://{name}": standard_jwks(keys) for name, keys in bundles.items()}
            yield messages.JWTBundlesResponse(bundles=encoded)
            agent.wait_for_change(seen, context.is_active)

    def fetch_jwt_svid(request: Any, context: grpc.ServicerContext) -> Any:
        _check_header(context)
        if not request.audience:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "audience must be specified")
        try:
            minted = agent.jwt_svid(request.spiffe_id, tuple(request.audience), context.is_active)
        except NotIssuedError:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
        except NotRenewedError as error:
            context.abort(grpc.StatusCode.UNAVAILABLE, f"could not fetch JWT-SVID: {error}")
        svid = messages.JWTSVID(spiffe_id=agent.spiffe_id, svid=minted.token)
        return messages.JWTSVIDResponse(svids=[svid])

    return grpc.method_handlers_generic_handler(
        _SERVICE,
        {
            "FetchJWTBundles": grpc.unary_stream_rpc_method_handler(
                fetch_jwt_bundles,
                request_deserializer=messages.JWTBundlesRequest.FromString,
                response_serializer=messages.JWTBundlesResponse.SerializeToString,
            ),
            "FetchJWTSVID": grpc.unary_unary_rpc_method_handler(
                fetch_jwt_svid,
                request_deserializer=messages.JWTSVIDRequest.FromString,
                response_serializer=messages.JWTSVIDResponse.SerializeToString,
            ),
        },
    )


def _check_header(context: grpc.ServicerContext) -> None:
    # Against server-side request forgery: SPIFFE-Workload-Endpoint section 3.
    if _HEADER not in {(key, value) for key, value in context.invocation_metadata()}:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, "security header missing from request")
