"""A provider for the real Terraform that knows the kept schema and no cloud.

It speaks Terraform's plugin protocol 5 (gRPC on a unix socket; Terraform finds it by TF_REATTACH_PROVIDERS),
as far as `init`, `validate` and `plan` ask. So Terraform itself judges arguments, types, references and
conditions, and plans; what Google would say stays unknown. Messages are written and read by hand: it takes a
dozen of their fields.
"""

import json
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from shutil import rmtree
from typing import TYPE_CHECKING, Any

import grpc

from tests.deploy.terraform_values import Reader

ADDRESS = "hashicorp/google"
TYPES = {
    "string": '"string"',
    "number": '"number"',
    "bool": '"bool"',
    "map(string)": '["map","string"]',
    "list(string)": '["list","string"]',
    "list(number)": '["list","number"]',
    "set(string)": '["set","string"]',
    "set(number)": '["set","number"]',
}
LIST, SET = 2, 3


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])


def _field(number: int, value: bytes | int) -> bytes:
    if isinstance(value, int):
        return _varint(number << 3) + _varint(value)
    return _varint(number << 3 | 2) + _varint(len(value)) + value


def _message(fields: Iterable[tuple[int, bytes | int]]) -> bytes:
    return b"".join(_field(number, value) for number, value in fields)


def _fields(message: bytes) -> Iterator[tuple[int, bytes]]:
    """Read a message whose fields are all strings, bytes or messages, as those read here are."""
    position = 0

    def number() -> int:
        nonlocal position
        value = shift = 0
        while True:
            byte = message[position]
            position += 1
            value |= (byte & 0x7F) << shift
            shift += 7
            if byte < 0x80:
                return value

    while position < len(message):
        key = number()
        if key & 7 != 2:
            raise ValueError(f"field {key >> 3} has wire type {key & 7}")
        length = number()
        yield key >> 3, message[position : position + length]
        position += length


def _block(known: Mapping[str, Any]) -> bytes:
    """Write `Schema.Block`."""
    out: list[tuple[int, bytes | int]] = []
    for name, words in known["attributes"].items():
        written, *flags = words.split()
        attribute: list[tuple[int, bytes | int]] = [(1, name.encode()), (2, TYPES[written].encode())]
        attribute += [(4 + ("required", "optional", "computed").index(flag), 1) for flag in flags]
        out.append((2, _message(attribute)))
    for name, inner in known["blocks"].items():
        nested: list[tuple[int, bytes | int]] = [(1, name.encode()), (2, _block(inner))]
        # A single block of this provider is a list of at most one: `template[0].scaling`.
        nested.append((3, SET if inner["nesting"] == "set" else LIST))
        nested.append((4, int(inner["required"])))
        nested.append((5, int(inner["nesting"] == "single")))
        out.append((3, _message(nested)))
    return _message(out)


def _schema(known: Mapping[str, Any]) -> bytes:
    return _message([(1, 0), (2, _block(known))])


def _fill(state: dict[str, Any], known: Mapping[str, Any]) -> bytes:
    """Make up what the cloud would compute, `<email of spire-oidc-build>`, and write a `DynamicValue`."""
    whose = next((state[name] for name in ("account_id", "role_id", "name") if state.get(name)), "it")
    for name, words in known["attributes"].items():
        written, *flags = words.split()
        if "computed" in flags and state.get(name) is None:
            state[name] = {"string": f"<{name} of {whose}>", "number": 0, "bool": False}.get(written)
    return _message([(2, json.dumps(state).encode())])


if TYPE_CHECKING:
    Handler = grpc.GenericRpcHandler[bytes, bytes]
else:  # generic in its stubs alone
    Handler = grpc.GenericRpcHandler


class Provider(Handler):
    """Answer Terraform: every argument is fine, every data source is known and made up."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Take the schema of `terraform_schema.load()`; `project` and `region` are the provider's own."""
        self._schema = schema
        self._calls: dict[str, Callable[[bytes], bytes]] = {
            "GetSchema": self._get_schema,
            "PrepareProviderConfig": lambda request: _message([(1, dict(_fields(request))[1])]),
            "Configure": lambda _: b"",
            "ValidateResourceTypeConfig": lambda _: b"",
            "ValidateDataSourceConfig": lambda _: b"",
            "PlanResourceChange": self._plan_resource_change,
            "ReadDataSource": self._read_data_source,
            "Stop": lambda _: b"",
        }

    def service(
        self, handler_call_details: grpc.HandlerCallDetails
    ) -> "grpc.RpcMethodHandler[bytes, bytes] | None":
        """Find the call; an unknown one is UNIMPLEMENTED, which Terraform takes for an older provider."""
        service, _, method = handler_call_details.method.removeprefix("/").partition("/")
        if service != "tfplugin5.Provider" or method not in self._calls:
            return None
        call = self._calls[method]
        return grpc.unary_unary_rpc_method_handler(lambda request, _: call(request))

    def _get_schema(self, _: bytes) -> bytes:
        own = {"attributes": {"project": "string optional", "region": "string optional"}, "blocks": {}}
        out: list[tuple[int, bytes | int]] = [(1, _schema(own))]
        for number, kind in ((2, "resource"), (3, "data")):
            for name, known in self._schema[kind].items():
                out.append((number, _message([(1, name.encode()), (2, _schema(known))])))
        return _message(out)

    def _plan_resource_change(self, request: bytes) -> bytes:
        fields = dict(_fields(request))
        known = self._schema["resource"][fields[1].decode()]
        proposed = Reader(dict(_fields(fields[3]))[1]).value()
        # 5: be as lenient with this answer as with those of the provider's own SDK.
        return _message([(1, _fill(proposed, known)), (5, 1)])

    def _read_data_source(self, request: bytes) -> bytes:
        fields = dict(_fields(request))
        known = self._schema["data"][fields[1].decode()]
        state = Reader(dict(_fields(fields[2]))[1]).value()
        if "secret_data" in state and state["version"] is None:
            # Computed if it is not given; the kept schema knows it as optional only.
            state["version"] = "<newest version>"
        return _message([(1, _fill(state, known))])


@contextmanager
def provider(schema: Mapping[str, Any]) -> Iterator[dict[str, str]]:
    """Serve a provider and yield the environment in which Terraform finds it and asks no registry."""
    folder = Path(tempfile.mkdtemp(dir="/tmp"))  # a unix socket's path is short
    server = grpc.server(ThreadPoolExecutor(max_workers=8), handlers=[Provider(schema)])
    try:
        server.add_insecure_port(f"unix://{folder}/provider")
        server.start()
        reattach = {
            "Protocol": "grpc",
            "ProtocolVersion": 5,
            "Pid": os.getpid(),
            "Test": True,
            "Addr": {"Network": "unix", "String": f"{folder}/provider"},
        }
        yield {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(folder),
            "TF_REATTACH_PROVIDERS": json.dumps({ADDRESS: reattach}),
            "TF_IN_AUTOMATION": "1",
            "CHECKPOINT_DISABLE": "1",
        }
    finally:
        server.stop(grace=None).wait(timeout=10)
        rmtree(folder)
