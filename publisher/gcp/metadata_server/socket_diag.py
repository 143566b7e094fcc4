"""Ask the kernel whose socket the other end of a connection is (sock_diag(7))."""

import errno
import ipaddress
import socket
import struct
from dataclasses import dataclass
from typing import Final

from publisher.gcp.metadata_server.errors import UnavailableError

_NETLINK_SOCK_DIAG: Final = 4
_SOCK_DIAG_BY_FAMILY: Final = 20
_REQUEST: Final = 1
_ERROR: Final = 2
_ESTABLISHED: Final = 1
_NO_COOKIE: Final = 0xFFFFFFFF
_LARGEST = 8192
_SECONDS = 2.0
_HEADER = struct.Struct("=IHHII")
# inet_diag_req_v2: family, protocol, extensions, padding, states; then inet_diag_sockid.
_ASKED = struct.Struct("=BBBBI")
_PORTS = struct.Struct("!HH")
_INTERFACE_AND_COOKIE = struct.Struct("=III")
_STATE = struct.Struct("=BBBB")
# inet_diag_msg after its id: expires, receive queue, send queue, uid, inode.
_OWNER = struct.Struct("=IIIII")
_ADDRESS = 16
_ID_SIZE = _PORTS.size + 2 * _ADDRESS + _INTERFACE_AND_COOKIE.size


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientSocket:
    """Hold what the kernel knows of a socket: its inode, its owner and its cookie, which is never used twice.

    `uid` is the user that made the socket, whoever holds it by now.
    """

    inode: int
    uid: int
    cookie: int


def find_client(remote: tuple[str, int], local: tuple[str, int]) -> ClientSocket | None:
    """Find the client's socket of a connection between `remote` (its end) and `local` (ours).

    None: this network namespace has no such established socket: the client is in another one, has closed it,
    or has bound it to an interface.

    Raises:
        UnavailableError: the kernel does not tell.

    """
    try:
        with socket.socket(
            socket.AF_NETLINK, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC, _NETLINK_SOCK_DIAG
        ) as netlink:
            netlink.settimeout(_SECONDS)
            netlink.bind((0, 0))
            netlink.send(_question(remote, local))
            answer, (sender, _groups) = netlink.recvfrom(_LARGEST)
    except OSError as error:
        raise UnavailableError(
            f"the kernel does not tell whose sockets are open ({error.strerror})"
        ) from error
    if sender != 0:  # another process may send to a netlink socket; the kernel is 0
        raise UnavailableError("somebody other than the kernel answers")
    return _read(answer, remote, local)


def _question(remote: tuple[str, int], local: tuple[str, int]) -> bytes:
    family = socket.AF_INET6 if ":" in remote[0] else socket.AF_INET
    body = (
        _ASKED.pack(family, socket.IPPROTO_TCP, 0, 0, 1 << _ESTABLISHED)
        + _PORTS.pack(remote[1], local[1])
        + _address(remote[0])
        + _address(local[0])
        + _INTERFACE_AND_COOKIE.pack(0, _NO_COOKIE, _NO_COOKIE)
    )
    return _HEADER.pack(_HEADER.size + len(body), _SOCK_DIAG_BY_FAMILY, _REQUEST, 1, 0) + body


def _read(answer: bytes, remote: tuple[str, int], local: tuple[str, int]) -> ClientSocket | None:
    try:
        _size, kind, _flags, _sequence, _port = _HEADER.unpack_from(answer)
        if kind == _ERROR:
            (code,) = struct.unpack_from("=i", answer, _HEADER.size)
            if code == -errno.ENOENT:
                return None
            raise UnavailableError(f"the kernel does not tell whose socket it is (error {-code})")
        at = _HEADER.size
        _family, state, _timer, _retransmits = _STATE.unpack_from(answer, at)
        at += _STATE.size
        ports = _PORTS.unpack_from(answer, at)
        ends = tuple(
            _plain(answer[at + _PORTS.size + n * _ADDRESS : at + _PORTS.size + (n + 1) * _ADDRESS], remote[0])
            for n in (0, 1)
        )
        _interface, low, high = _INTERFACE_AND_COOKIE.unpack_from(answer, at + _PORTS.size + 2 * _ADDRESS)
        _expires, _received, _sent, uid, inode = _OWNER.unpack_from(answer, at + _ID_SIZE)
    except struct.error as error:
        raise UnavailableError("the kernel's answer about a socket is not understood") from error
    # Where there is no such connection, the kernel looks for a socket that listens at that port.
    if state != _ESTABLISHED or ports != (remote[1], local[1]) or ends != (remote[0], local[0]) or not inode:
        return None
    return ClientSocket(inode=inode, uid=uid, cookie=high << 32 | low)


def _address(text: str) -> bytes:
    return ipaddress.ip_address(text).packed.ljust(_ADDRESS, b"\0")


def _plain(packed: bytes, like: str) -> str:
    """Read an address; a client may reach 127.0.0.1 from an IPv6 socket, as ::ffff:127.0.0.1."""
    if ":" in like:
        return str(ipaddress.IPv6Address(packed))
    if packed[4:] == bytes(12):
        return str(ipaddress.IPv4Address(packed[:4]))
    mapped = ipaddress.IPv6Address(packed).ipv4_mapped
    return str(mapped) if mapped else ""
