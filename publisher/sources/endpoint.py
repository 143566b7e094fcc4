"""Where a gRPC interface of SPIRE listens."""

import ipaddress
import os
import socket
from dataclasses import dataclass
from typing import Self
from urllib.parse import SplitResult, unquote_to_bytes, urlsplit
from urllib.parse import quote as percent_encode

from publisher.errors import SourceSettingsError
from publisher.quoting import quote

_LONGEST_PATH = 107
"""The most bytes of the path of a unix socket on Linux."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endpoint:
    """Hold an endpoint (SPIFFE Workload Endpoint section 4): a unix socket's path, or an IP and a port.

    `text` is what the operator wrote. Exactly one of `path` and `address` is set.
    """

    text: str
    path: str | None = None
    address: tuple[str, int] | None = None

    @classmethod
    def parse(cls, text: str, *, setting: str, tcp: bool = True) -> Self:
        """Read `unix:///abs/path` (or `unix:/abs/path`) or, where `tcp` is spoken, `tcp://IP:port`.

        As the specification has it, a host must be an IP address, and there is neither user, query nor
        fragment. `setting` says, for the remedy, where the endpoint is set.

        Raises:
            SourceSettingsError: for anything else.

        """
        try:
            scheme, parts = _split(text)
            if scheme == "unix":
                return cls(text=text, path=_path(parts))
            if scheme == "tcp" and tcp:
                return cls(text=text, address=_address(parts))
            raise ValueError(f"has the scheme {quote(scheme, 40)}")  # noqa: TRY301 (one way out)
        except ValueError as error:
            forms = "unix:///absolute/path or tcp://IP:port" if tcp else "unix:///absolute/path"
            raise SourceSettingsError(
                f"endpoint {quote(text)}", str(error), f"set {setting} to {forms}"
            ) from error

    @property
    def target(self) -> str:
        """Name the endpoint as gRPC does; never by a name that would have to be looked up."""
        if self.path is not None:
            return "unix:" + percent_encode(os.fsencode(self.path))
        assert self.address is not None
        host, port = self.address
        return f"ipv6:[{host}]:{port}" if ":" in host else f"ipv4:{host}:{port}"

    def file(self) -> tuple[int, int] | None:
        """Tell which file the socket's path names now: its device and inode.

        None: no unix socket, or none can be seen there. While anybody listens on a socket, no other file has
        its inode, not even when it was removed.
        """
        if self.path is None:
            return None
        try:
            there = os.stat(self.path)  # noqa: PTH116 (a name, not a file)
        except OSError:
            return None
        return there.st_dev, there.st_ino

    def connect(self, seconds: float) -> None:
        """Open a connection and close it again, within `seconds`.

        Raises:
            OSError: nothing there, nothing listening, not allowed, too slow.

        """
        if self.path is None:
            assert self.address is not None
            socket.create_connection(self.address, timeout=seconds).close()
            return
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(seconds)
            peer.connect(self.path)


def _split(text: str) -> tuple[str, SplitResult]:
    if not (text.isascii() and text.isprintable()) or " " in text:
        raise ValueError("has characters that no URI has")
    try:
        parts = urlsplit(text)
        _ = parts.port
    except ValueError as error:
        raise ValueError(f"is no URI ({quote(str(error))})") from error
    if "?" in text or "#" in text or "@" in parts.netloc:
        raise ValueError("has a user, a query or a fragment")
    return parts.scheme, parts


def _path(parts: SplitResult) -> str:
    path = unquote_to_bytes(parts.path)
    if parts.netloc:
        raise ValueError("names a host before its path (three slashes, not two)")
    if not path.startswith(b"/") or b"\0" in path:
        raise ValueError("is not an absolute path")
    if len(path) > _LONGEST_PATH:
        raise ValueError(f"has a path of {len(path)} bytes, more than {_LONGEST_PATH}")
    # gRPC takes two leading slashes for a host, and the kernel takes them for one.
    return "/" + os.fsdecode(path).lstrip("/")


def _address(parts: SplitResult) -> tuple[str, int]:
    if parts.path or not parts.port:
        raise ValueError("is not an IP address and a port")
    try:
        return str(ipaddress.ip_address(parts.hostname or "")), parts.port
    except ValueError as error:
        raise ValueError("does not name its host by an IP address") from error
