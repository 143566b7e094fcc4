"""Sources and sinks as an operator types them."""

import ipaddress
import os.path
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self
from urllib.parse import urlsplit

from publisher.bundle.fetched import SourceKind
from publisher.quoting import quote
from publisher.settings.values import BadValueError, checked_path, https_url

AGENT_SOCKET = "unix:///tmp/spire-agent/public/api.sock"
"""Where SPIRE's agent serves the Workload API unless told otherwise."""

SERVER_SOCKET = "unix:///tmp/spire-server/private/api.sock"
"""Where SPIRE's server serves its API unless told otherwise."""

SOCKET_VARIABLE = "SPIFFE_ENDPOINT_SOCKET"
"""Where the SPIFFE Workload Endpoint specification (section 4) looks for the Workload API."""

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]", re.ASCII)
_SEGMENT = re.compile(r"[A-Za-z0-9._~-]+", re.ASCII)
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_LONGEST_SOCKET = 107
"""The most bytes of a unix socket's path on Linux (unix(7)), its final NUL left out."""

_SOURCES = "write workload-api:, server-api:, bundle-endpoint:https://..., file:PATH or file:-"
_BUCKETS = (
    "bucket names have 3 to 63 characters, or parts of up to 63 between dots: lower-case letters, digits,"
    " dashes and underscores, a letter or a digit at both ends"
)
_PREFIXES = "write up to 512 letters, digits and . _ ~ - between single slashes"
_PORT = re.compile(r"[0-9]{1,5}", re.ASCII)
_LOOPBACK = "write 127.0.0.1:9464 or [::1]:9464: only this machine may read the metrics"
_SINKS = (
    "write gs://bucket, gs://bucket/prefix, directory:PATH, a plain path,"
    " or, to publish, wif-provider:projects/..."
)
_PROVIDER = "wif-provider:"


@dataclass(frozen=True, slots=True, kw_only=True)
class SourceAddress:
    """Say which source to fetch from: `place` is a gRPC endpoint, an https URL, a path, or `-`."""

    kind: SourceKind
    place: str

    @classmethod
    def parse(cls, text: str, environment: Mapping[str, str]) -> Self:
        """Read `KIND:PLACE`; an absent place of the two APIs is looked up.

        Raises:
            BadValueError: another kind, or a place that is none of this kind.

        """
        name, colon, place = text.partition(":")
        if not colon or name not in set(SourceKind) - {SourceKind.SPIRE_PLUGIN}:
            raise BadValueError(f"{quote(text)} is not a source", _SOURCES)
        kind = SourceKind(name)
        match kind:
            case SourceKind.WORKLOAD_API:
                place = _workload_endpoint(place, environment)
            case SourceKind.SERVER_API:
                place = _unix_endpoint(place or SERVER_SOCKET)
            case SourceKind.BUNDLE_ENDPOINT:
                place = https_url(place)
            case SourceKind.FILE:
                checked_path(place)
        return cls(kind=kind, place=place)

    @property
    def tells_trust_domain(self) -> bool:
        """Tell whether this kind of source may know its trust domain; a bundle endpoint never does."""
        return self.kind is not SourceKind.BUNDLE_ENDPOINT

    @property
    def is_standard_input(self) -> bool:
        """Tell whether it can be read once only."""
        return self.kind is SourceKind.FILE and self.place == "-"

    def __str__(self) -> str:
        return f"{self.kind}:{self.place}"


@dataclass(frozen=True, slots=True, kw_only=True)
class BucketAddress:
    """Name a bucket of Google Cloud Storage and a prefix in it, without slashes at its ends."""

    bucket: str
    prefix: str

    @property
    def identity(self) -> str:
        """Give the one spelling of this place."""
        return f"gs://{self.bucket}/{self.prefix}".rstrip("/")

    @property
    def uri(self) -> str:
        """Give it as `--sink` takes it."""
        return self.identity

    def __str__(self) -> str:
        return self.identity


@dataclass(frozen=True, slots=True, kw_only=True)
class DirectoryAddress:
    """Name a directory of this machine."""

    path: str

    @property
    def identity(self) -> str:
        """Give the one spelling of this place: absolute, links followed."""
        return os.path.realpath(self.path)

    @property
    def uri(self) -> str:
        """Give it as `--sink` takes it."""
        return f"directory:{self.path}"

    def __str__(self) -> str:
        return quote(self.path)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderAddress:
    """Name a provider of Google's Workload Identity Federation that takes the keys by upload."""

    name: str

    @property
    def identity(self) -> str:
        """Give the one spelling of this place."""
        return f"{_PROVIDER}{self.name}"

    @property
    def uri(self) -> str:
        """Give it as `--sink` takes it."""
        return self.identity

    def __str__(self) -> str:
        return self.identity


SinkAddress = BucketAddress | DirectoryAddress
"""Where documents lie and can be served from."""

PublishAddress = SinkAddress | ProviderAddress
"""Where a publication may go."""


def parse_publish_sink(text: str) -> PublishAddress:
    """Read `wif-provider:projects/NUMBER/.../providers/PROVIDER`, or as `parse_sink`.

    Raises:
        BadValueError: for anything else.

    """
    if not text.startswith(_PROVIDER):
        return parse_sink(text)
    from publisher.gcp.provider_name import Provider, ProviderNameError  # noqa: PLC0415 (not for a function)

    try:
        return ProviderAddress(name=Provider.parse(text.removeprefix(_PROVIDER)).name)
    except ProviderNameError as error:
        raise BadValueError(f"{error.where} {error.what}", error.remedy) from error


def parse_sink(text: str) -> SinkAddress:
    """Read `gs://bucket[/prefix]`, `directory:PATH` or a plain path.

    Raises:
        BadValueError: for anything else, such as a scheme that we do not know.

    """
    if text.startswith("gs://"):
        bucket, _, prefix = text.removeprefix("gs://").partition("/")
        prefix = prefix.removesuffix("/")
        plain = all(_SEGMENT.fullmatch(part) and part not in {".", ".."} for part in prefix.split("/"))
        if not _BUCKET.fullmatch(bucket) or any(not 0 < len(part) <= 63 for part in bucket.split(".")):  # noqa: PLR2004
            raise BadValueError(f"{quote(bucket)} is no name of a bucket", _BUCKETS)
        if (prefix and not plain) or len(prefix) > 512:  # noqa: PLR2004
            raise BadValueError(f"{quote(prefix)} is no plain prefix", _PREFIXES)
        return BucketAddress(bucket=bucket, prefix=prefix)
    path = text.removeprefix("directory:")
    if path == text and _SCHEME.match(text):
        raise BadValueError(f"{quote(text)} is no kind of sink", _SINKS)
    return DirectoryAddress(path=str(checked_path(path)))


def parse_loopback(text: str) -> tuple[str, int]:
    """Read `IP:PORT` of this machine's loopback, `[::1]:PORT` for IPv6.

    Raises:
        BadValueError: a name, another machine's address, or no port from 1 to 65535.

    """
    host, colon, port = text.rpartition(":")
    inner = host[1:-1] if host.startswith("[") and host.endswith("]") else host
    try:
        address = ipaddress.ip_address(inner)
    except ValueError as error:
        raise BadValueError(f"{quote(text)} is not an IP address and a port", _LOOPBACK) from error
    if not colon or not _PORT.fullmatch(port) or not 0 < int(port) <= 65535:  # noqa: PLR2004
        raise BadValueError(f"{quote(text)} has no port from 1 to 65535", _LOOPBACK)
    if (address.version == 6) is (inner == host) or not address.is_loopback:  # noqa: PLR2004
        raise BadValueError(f"{quote(text)} is not an address of the loopback", _LOOPBACK)
    return inner, int(port)


def _workload_endpoint(place: str, environment: Mapping[str, str]) -> str:
    if place:
        return _endpoint(place)
    variable = environment.get(SOCKET_VARIABLE)
    if not variable:
        return AGENT_SOCKET
    try:
        return _endpoint(variable)
    except BadValueError as error:
        raise BadSocketVariableError(error.what, error.remedy) from error


class BadSocketVariableError(BadValueError):
    """Say that `SPIFFE_ENDPOINT_SOCKET` is no endpoint: the environment is wrong, not the option."""


def _endpoint(text: str) -> str:
    if not text.startswith("tcp://"):
        return _unix_endpoint(text)
    remedy = "write tcp://IP:port with an IP address, or unix:///path"
    try:
        parts = urlsplit(text)
        ipaddress.ip_address(parts.hostname or "")
        port = parts.port
    except ValueError as error:
        raise BadValueError(f"{quote(text)} is not an IP address and a port", remedy) from error
    if not port or parts.path or parts.query or parts.fragment or "@" in text or text.endswith(("?", "#")):
        raise BadValueError(f"{quote(text)} is not an IP address and a port", remedy)
    return text


def _unix_endpoint(text: str) -> str:
    path = text.removeprefix("unix://")
    # Under `unix://` a `?` or `#` would be read as part of a URI by one library and of the path by another.
    if path == text or not path.startswith("/") or not path.isprintable() or set(path) & set("?#%"):
        raise BadValueError(f"{quote(text)} is not the absolute path of a socket", "write unix:///path")
    if len(os.fsencode(path)) > _LONGEST_SOCKET:
        raise BadValueError(
            f"{quote(text)} has a path of more than {_LONGEST_SOCKET} bytes", "give the socket a shorter path"
        )
    return text
