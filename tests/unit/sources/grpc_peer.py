"""A gRPC server of a test's own: speaks the real protocol, and says whatever the test likes."""

import queue
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NoReturn, Self

import grpc

from publisher.bundle.fetched import Fetched
from publisher.sources.protocol import server_pb2, workload_pb2
from publisher.sources.witness import AUDIENCE
from tests import keys

Answer = Callable[[bytes, Any], Any]

_LONGEST_HANG = 20.0


def status(code: grpc.StatusCode, details: str = "") -> Answer:
    """Answer with a status other than OK."""

    def answer(_request: bytes, context: Any) -> NoReturn:
        context.abort(code, details)
        raise AssertionError

    return answer


def hang(_request: bytes, context: Any) -> bytes:
    """Answer nothing until the caller is gone."""
    gone = threading.Event()
    if context.add_callback(gone.set):
        gone.wait(_LONGEST_HANG)
    return b""


def in_turn(*answers: Answer) -> Answer:
    """Answer in one way after the other; in the last way for ever."""
    left = list(answers)

    def answer(request: bytes, context: Any) -> Any:
        chosen = left.pop(0) if len(left) > 1 else left[0]
        return chosen(request, context)

    return answer


def gives(message: bytes) -> Answer:
    """Answer with these bytes."""
    return lambda _request, _context: message


class Pushed:
    """Answer streams with what the test pushes, as it comes; `end` ends the one that is open, or the next."""

    def __init__(self) -> None:
        self._given: queue.SimpleQueue[Answer | None] = queue.SimpleQueue()

    def push(self, answer: Answer) -> None:
        self._given.put(answer)

    def end(self) -> None:
        self._given.put(None)

    def __call__(self, request: bytes, context: Any) -> Iterator[bytes]:
        while context.is_active():
            try:
                answer = self._given.get(timeout=0.05)
            except queue.Empty:
                continue
            if answer is None:
                return
            yield answer(request, context)


def bundles(**jwks: bytes) -> Answer:
    """Answer with JWK Sets by trust domain; `_` in a name stands for a dot."""
    offered = {f"spiffe://{name.replace('_', '.')}": document for name, document in jwks.items()}
    return gives(workload_pb2.JWTBundlesResponse(bundles=offered).SerializeToString())


def svid(kid: str = "one", *, seed: str | None = None, **claims: Any) -> Answer:
    """Answer with one JWT-SVID for the audience that is asked for."""

    def answer(request: bytes, _context: Any) -> bytes:
        audience = list(workload_pb2.JWTSVIDRequest.FromString(request).audience)
        token = own_token(kid, seed=seed, **{"aud": audience, **claims})
        return workload_pb2.JWTSVIDResponse(svids=[workload_pb2.JWTSVID(svid=token)]).SerializeToString()

    return answer


def own_token(kid: str = "one", *, seed: str | None = None, **claims: Any) -> str:
    """Mint the JWT-SVID of a publisher, a minute old; a claim of None is left out."""
    times = {"iat": int(time.time()) - 60, "exp": 4_000_000_000}
    given = {"sub": "spiffe://example.org/publisher", "aud": [AUDIENCE], **times, **claims}
    return keys.token(kid, {name: value for name, value in given.items() if value is not None}, seed=seed)


def signer(fetched: Fetched) -> tuple[str | None, str]:
    """Give `iss` and `kid` of the JWT-SVID that a fetch met."""
    assert fetched.witness is not None
    return fetched.witness.iss, fetched.witness.kid


def server_bundle(**fields: Any) -> Answer:
    """Answer with a bundle of the server API."""
    return gives(server_pb2.Bundle(**{"trust_domain": "example.org", **fields}).SerializeToString())


def server_key(kid: str, **fields: Any) -> server_pb2.JWTKey:
    return server_pb2.JWTKey(**{"key_id": kid, "public_key": keys.der(kid), **fields})


class GrpcPeer:
    """Serve both of SPIRE's APIs on a unix socket (or on `address`) until the `with` block ends."""

    def __init__(self, address: str | None = None) -> None:
        self._directory = Path(tempfile.mkdtemp(prefix="peer-", dir="/tmp"))
        self.fetch_bundles: Answer = bundles(example_org=keys.jwks("one"))
        self.fetch_svid: Answer = svid()
        self.get_bundle: Answer = server_bundle(jwt_authorities=[server_key("one")], sequence_number=1)
        self.calls: list[str] = []
        self.requests: list[bytes] = []
        self.metadata: list[dict[str, Any]] = []
        self.stream_ended = threading.Event()
        self._server = grpc.server(ThreadPoolExecutor(8))
        self._server.add_generic_rpc_handlers((self._workload_api(), self._server_api()))
        if address is None:
            self.endpoint = f"unix://{self._directory}/api.sock"
            self._server.add_insecure_port(f"unix:{self._directory}/api.sock")
        else:
            port = self._server.add_insecure_port(f"{address}:0")
            self.endpoint = f"tcp://{address}:{port}"

    def __enter__(self) -> Self:
        self._server.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._server.stop(grace=0).wait(10)
        shutil.rmtree(self._directory)

    def _workload_api(self) -> "grpc.GenericRpcHandler[Any, Any]":
        def stream(request: bytes, context: Any) -> Iterator[bytes]:
            self._note("bundles", request, context)
            gone = threading.Event()
            context.add_callback(gone.set)
            context.add_callback(self.stream_ended.set)
            message = self.fetch_bundles(request, context)
            if message is None:
                return
            if isinstance(message, Iterator):
                yield from message
                return
            yield message
            # An agent keeps the stream open until its caller ends it.
            gone.wait(_LONGEST_HANG)

        def unary(request: bytes, context: Any) -> Any:
            self._note("svid", request, context)
            return self.fetch_svid(request, context)

        return grpc.method_handlers_generic_handler(
            "SpiffeWorkloadAPI",
            {
                "FetchJWTBundles": grpc.unary_stream_rpc_method_handler(stream),
                "FetchJWTSVID": grpc.unary_unary_rpc_method_handler(unary),
            },
        )

    def _server_api(self) -> "grpc.GenericRpcHandler[Any, Any]":
        def unary(request: bytes, context: Any) -> Any:
            self._note("server", request, context)
            return self.get_bundle(request, context)

        return grpc.method_handlers_generic_handler(
            "spire.api.server.bundle.v1.Bundle", {"GetBundle": grpc.unary_unary_rpc_method_handler(unary)}
        )

    def _note(self, name: str, request: bytes, context: Any) -> None:
        self.calls.append(name)
        self.requests.append(request)
        self.metadata.append(dict(context.invocation_metadata()))
