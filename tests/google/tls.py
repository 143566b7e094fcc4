"""TLS of the stand-in: a certificate for Google's names, and a port that takes any client certificate.

Which client certificates Google's mTLS port takes at the handshake is not documented; here any, so that STS
gets to say what is wrong with it. Python's ssl knows only "none" and "verified", therefore OpenSSL is told by
ctypes to believe; where that is not possible (OpenSSL linked into the interpreter), certificates that do not
chain to any provider's trust store fail in the handshake instead. `accepts_any()` tells which.
"""

import _ssl
import ctypes
import ssl
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import trustme

NAMES = (
    "127.0.0.1",
    "localhost",
    "*.googleapis.com",
    "*.mtls.googleapis.com",
    "accounts.google.com",
)
_NO_CHECK_TIME = 0x200000
_believe = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p)(lambda _store, _argument: 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Hold PEM files: the CA, and chain and key of the stand-in in one."""

    ca: Path
    chain_and_key: Path


def write_certificates(directory: Path) -> Certificates:
    """Make a CA of its own and a certificate for all of Google's names."""
    authority = trustme.CA(organization_name="stand-in for Google")
    issued = authority.issue_cert(*NAMES)
    files = Certificates(ca=directory / "google-ca.pem", chain_and_key=directory / "google.pem")
    files.chain_and_key.touch(mode=0o600)
    authority.cert_pem.write_to_path(str(files.ca))
    issued.private_key_and_cert_chain_pem.write_to_path(str(files.chain_and_key))
    return files


def plain_context(certificates: Certificates) -> ssl.SSLContext:
    """Serve https to anybody."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificates.chain_and_key)
    return context


def mutual_context(
    certificates: Certificates, trusted: Iterable[str], *, believe: bool = True
) -> ssl.SSLContext:
    """Serve https to who shows a client certificate; `trusted` (PEM) matters where not any can be taken."""
    context = plain_context(certificates)
    context.verify_mode = ssl.CERT_REQUIRED
    set_callback = _callback_setter() if believe else None
    if set_callback is not None:
        set_callback(_context_pointer(context), _believe, None)
        return context
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN | _NO_CHECK_TIME
    for pem in trusted:
        context.load_verify_locations(cadata=pem)
    return context


def accepts_any() -> bool:
    """Tell whether any client certificate gets through the handshake."""
    return _callback_setter() is not None


def _callback_setter() -> Any | None:
    try:
        found = ctypes.CDLL(_ssl.__file__).SSL_CTX_set_cert_verify_callback
    except (AttributeError, OSError):  # linked in: no file, or no such symbol
        return None
    found.argtypes, found.restype = (ctypes.c_void_p, type(_believe), ctypes.c_void_p), None
    return found


def _context_pointer(context: ssl.SSLContext) -> int:
    """Give CPython's SSL_CTX: the first field behind the object's head."""
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__).value
    assert pointer is not None
    return pointer
