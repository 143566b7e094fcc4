"""An X.509-SVID as the Workload API gives it: its chain, its key, and the authorities of its trust domain."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_der_private_key,
)

from publisher.errors import BundleError
from publisher.gcp.identity_choice import Choice
from publisher.gcp.protocol import workload_svids_pb2
from publisher.quoting import quote
from publisher.sources.grpc_call import parse

_NOT_SPIRE: Final = "something that is not SPIRE's agent answers there"
_MOST_CERTIFICATES = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class X509Svid:
    """Hold an X.509-SVID in PEM; `chain` has the leaf first, `key` is PKCS #8."""

    spiffe_id: str
    chain: tuple[bytes, ...]
    key: bytes = field(repr=False)
    authorities: tuple[bytes, ...]
    issued_at: datetime
    expires_at: datetime


def read_x509_svid(message: bytes, choice: Choice, *, where: str) -> X509Svid:
    """Read the one that is wanted from a message of `FetchX509SVID`.

    The agent has verified the chain, and who it is shown to will; here the parts must belong together: the
    key is that of the leaf, and the leaf's one URI SAN (X509-SVID section 2) is the SPIFFE ID.

    Raises:
        NoSuchIdentityError: it is not among them.
        SeveralIdentitiesError: there are several, and `choice` does not say which.
        BundleError: this is no such message, or its parts do not belong together.

    """
    answer = parse(message, workload_svids_pb2.X509SVIDResponse(), where=where)
    chosen = choice.of(answer.svids, where=where)
    chain = _certificates(chosen.x509_svid, "chain", where)
    authorities = _certificates(chosen.bundle, "trust bundle", where)
    leaf = chain[0]
    if _uris(leaf, where) != [chosen.spiffe_id]:
        raise BundleError(where, f"the leaf is not that of {quote(chosen.spiffe_id)}", _NOT_SPIRE)
    return X509Svid(
        spiffe_id=chosen.spiffe_id,
        chain=tuple(one.public_bytes(Encoding.PEM) for one in chain),
        key=_key(chosen.x509_svid_key, leaf, where),
        authorities=tuple(one.public_bytes(Encoding.PEM) for one in authorities),
        issued_at=leaf.not_valid_before_utc,
        expires_at=leaf.not_valid_after_utc,
    )


def _key(der: bytes, leaf: x509.Certificate, where: str) -> bytes:
    try:
        key = load_der_private_key(der, None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        # Without its cause, whose words may quote the key.
        raise BundleError(where, "the X.509-SVID has no key that can be read", _NOT_SPIRE) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise BundleError(where, "the X.509-SVID has a key that is neither RSA nor EC", _NOT_SPIRE)
    if _public(key.public_key()) != _public(leaf.public_key()):  # type: ignore[arg-type]
        raise BundleError(where, "the key is not that of the leaf", _NOT_SPIRE)
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _public(key: ec.EllipticCurvePublicKey | rsa.RSAPublicKey) -> bytes:
    return key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


def _certificates(data: bytes, name: str, where: str) -> list[x509.Certificate]:
    """Read DER certificates that follow each other without anything between."""
    found: list[x509.Certificate] = []
    while data and len(found) < _MOST_CERTIFICATES:
        length = _length(data)
        try:
            found.append(x509.load_der_x509_certificate(data[:length]))
        except ValueError:
            raise BundleError(where, f"the {name} has no certificate that can be read", _NOT_SPIRE) from None
        data = data[length:]
    if data or not found:
        raise BundleError(where, f"the {name} has none or too many certificates", _NOT_SPIRE)
    return found


def _length(data: bytes) -> int:
    """Give the length of the DER value at the start, its tag and length included (X.690 section 8.1.3)."""
    if len(data) < 2 or data[1] < 0x80:  # noqa: PLR2004 (the short form)
        return 2 + (data[1] if len(data) > 1 else 0)
    count = data[1] & 0x7F
    return 2 + count + int.from_bytes(data[2 : 2 + count], "big")


def _uris(leaf: x509.Certificate, where: str) -> list[str]:
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return []
    except ValueError:
        raise BundleError(where, "the leaf has extensions that cannot be read", _NOT_SPIRE) from None
    return names.get_values_for_type(x509.UniformResourceIdentifier)
