"""SPIRE's server API over gRPC on a unix socket: the bundle service's `GetBundle`."""

from typing import Any

import grpc

from tests.standin.authorities import Authorities
from tests.standin.keys import pkix
from tests.standin.protocol import server_bundle_pb2

# What protoc generates is built at import; type checkers see nothing of it.
messages: Any = server_bundle_pb2

_SERVICE = "spire.api.server.bundle.v1.Bundle"
_MASKED = ("x509_authorities", "jwt_authorities", "refresh_hint", "sequence_number")


def handlers(authorities: Authorities) -> "grpc.GenericRpcHandler[Any, Any]":
    """Answer `GetBundle`; a field that a given `output_mask` leaves out is cleared."""

    def get_bundle(request: Any, _context: grpc.ServicerContext) -> Any:
        bundle = authorities.bundle
        answer = messages.BundleContent(
            trust_domain=authorities.settings.trust_domain,
            x509_authorities=[messages.X509Certificate(asn1=root.der) for root in bundle.x509],
            jwt_authorities=[
                messages.JWTKey(
                    public_key=pkix(key.public_key),
                    key_id=key.kid,
                    expires_at=key.expires_at,
                    tainted=key.tainted,
                )
                for key in bundle.jwt
            ],
            sequence_number=bundle.sequence_number,
        )
        if request.HasField("output_mask"):
            for name in _MASKED:
                if not getattr(request.output_mask, name):
                    answer.ClearField(name)
        return answer

    return grpc.method_handlers_generic_handler(
        _SERVICE,
        {
            "GetBundle": grpc.unary_unary_rpc_method_handler(
                get_bundle,
                request_deserializer=messages.GetBundleRequest.FromString,
                response_serializer=messages.BundleContent.SerializeToString,
            )
        },
    )
