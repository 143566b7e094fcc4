"""The gRPC services that SPIRE's server calls, over `Plugin`."""

import logging
import threading
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

import grpc
from google.protobuf.message import DecodeError, Message

from publisher.spire_plugin.plugin import Accepted, Plugin
from publisher.spire_plugin.protocol import plugin_pb2
from publisher.spire_plugin.settings import BadSettingsError
from publisher.spire_plugin.statuses import LONGEST, status_of

PUBLISHER_SERVICE = "spire.plugin.server.bundlepublisher.v1.BundlePublisher"
CONFIG_SERVICE = "spire.service.common.config.v1.Config"
"""The full names of the two services that make this a configurable bundle publisher."""

if TYPE_CHECKING:
    _Routes = grpc.GenericRpcHandler[bytes, bytes]
else:
    _Routes = grpc.GenericRpcHandler  # generic in its stubs only

_EMPTY = b""
_LOG = logging.getLogger(__name__)
_Handler = Callable[[bytes, grpc.ServicerContext], bytes]
M = TypeVar("M", bound=Message)


class Services(_Routes):
    """Route calls by their full name. Messages are bytes here, and parsed where they are used.

    `configured` is told everything that was accepted; `shut_down` is called when the server
    said Shutdown and has its answer.
    """

    def __init__(
        self,
        plugin: Plugin,
        *,
        configured: Callable[[Accepted], None],
        shut_down: Callable[[], None],
    ) -> None:
        self._plugin, self._configured, self._shut_down = plugin, configured, shut_down
        unary: dict[str, _Handler] = {
            "/grpc.health.v1.Health/Check": self._check,
            "/plugin.GRPCController/Shutdown": self._shutdown,
            "/spire.service.private.init.v1.Init/Init": self._init,
            "/spire.service.private.init.v1.Init/Deinit": lambda _request, _context: _EMPTY,
            f"/{CONFIG_SERVICE}/Configure": self._configure,
            f"/{CONFIG_SERVICE}/Validate": self._validate,
            f"/{PUBLISHER_SERVICE}/PublishBundle": self._publish,
        }
        self._handlers = {name: grpc.unary_unary_rpc_method_handler(call) for name, call in unary.items()}
        self._handlers["/plugin.GRPCBroker/StartStream"] = grpc.stream_stream_rpc_method_handler(_read_all)
        self._handlers["/plugin.GRPCStdio/StreamStdio"] = grpc.unary_stream_rpc_method_handler(_stay_silent)

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Find the handler of a call; None: this plugin has no such method."""
        return self._handlers.get(handler_call_details.method)

    def _check(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        service = _parsed(request, plugin_pb2.HealthCheckRequest(), context).service
        if service not in ("", "plugin"):
            context.abort(grpc.StatusCode.NOT_FOUND, "no such service")
        response = plugin_pb2.HealthCheckResponse
        return bytes(response(status=response.SERVING).SerializeToString())

    def _init(self, _request: bytes, _context: grpc.ServicerContext) -> bytes:
        response = plugin_pb2.InitResponse(plugin_service_names=[PUBLISHER_SERVICE, CONFIG_SERVICE])
        return bytes(response.SerializeToString())

    def _configure(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        message = _parsed(request, plugin_pb2.ConfigureRequest(), context)
        text, trust_domain = message.hcl_configuration, message.core_configuration.trust_domain
        try:
            accepted = self._plugin.configure(text, trust_domain)
        except BadSettingsError as error:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, error.text[:LONGEST])
        self._configured(accepted)
        return _EMPTY

    def _validate(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        message = _parsed(request, plugin_pb2.ConfigureRequest(), context)
        notes = self._plugin.validate(message.hcl_configuration, message.core_configuration.trust_domain)
        return bytes(plugin_pb2.ValidateResponse(valid=not notes, notes=notes).SerializeToString())

    def _publish(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        failed = self._plugin.publish(request)
        if failed:
            context.abort(*status_of(failed))
        return _EMPTY

    def _shutdown(self, _request: bytes, context: grpc.ServicerContext) -> bytes:
        # Only once the answer is out: the host would else report that the plugin ended badly.
        if not context.add_callback(self._shut_down):
            self._shut_down()
        return _EMPTY


def _parsed(request: bytes, message: M, context: grpc.ServicerContext) -> M:
    try:
        message.ParseFromString(request)
    except DecodeError:
        context.abort(grpc.StatusCode.INVALID_ARGUMENT, f"this is no {message.DESCRIPTOR.name}")
    return message


def _read_all(requests: Iterator[bytes], _context: grpc.ServicerContext) -> Iterator[bytes]:
    """Read what the host's broker says, and use none of it: this plugin calls no service of the host."""
    try:
        for _ in requests:
            pass
    except grpc.RpcError:
        return  # the host has gone
    yield from ()


def _stay_silent(_request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
    """Hold the stream open for as long as the host does: an early end of it would be a warning in its log."""
    ended = threading.Event()
    if context.add_callback(ended.set):
        ended.wait()
    yield from ()
