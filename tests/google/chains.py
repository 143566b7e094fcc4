"""Verify an X.509 subject token: a path from the leaf to one of the provider's trust anchors.

Documented: at most 3 anchors and 10 intermediates, depth 5, RSA 2048 to 4096 or P-256/P-384, leaf at most
390 days, at most 10 name constraints, `assertion.san.uri` the first URI SAN, `subject.dn.*`,
`serialNumberHex`. Beyond documented facts: every error's words; what counts as depth (certificates of the
path, leaf and anchor included); that an anchor may be no root; names of `subject.dn` (cn, o, ou, c, l, st);
name constraints are counted and not applied; no revocation.
"""

import base64
import binascii
import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.x509.oid import ExtensionOID, NameOID

from tests.google.errors import OAuthError

_DEEPEST, _LONGEST_LEAF_DAYS, _MOST_CONSTRAINTS = 5, 390, 10
_SMALLEST_RSA, _LARGEST_RSA = 2048, 4096
_NAMES = {
    NameOID.COMMON_NAME: "cn",
    NameOID.ORGANIZATION_NAME: "o",
    NameOID.ORGANIZATIONAL_UNIT_NAME: "ou",
    NameOID.COUNTRY_NAME: "c",
    NameOID.LOCALITY_NAME: "l",
    NameOID.STATE_OR_PROVINCE_NAME: "st",
}


def verify_chain(subject_token: str, presented: bytes, store: dict[str, Any], now: float) -> dict[str, Any]:
    """Give the assertion of a chain that the trust store accepts; `presented` is TLS's client certificate.

    Raises:
        OAuthError: it does not, or the token is no list of certificates with that leaf first.

    """
    try:
        listed = [base64.b64decode(item, validate=True) for item in json.loads(subject_token)]
        given = [x509.load_der_x509_certificate(der) for der in listed]
        leaf = given[0]
    except (ValueError, TypeError, IndexError, binascii.Error) as error:
        raise _refused("The subject token is no JSON list of base64 encoded DER certificates.") from error
    if listed[0] != presented:
        raise _refused("The leaf of the subject token is not the client certificate of the connection.")
    moment = datetime.fromtimestamp(now, UTC)
    anchors = load_all(store.get("trustAnchors", []))
    between = [*given[1:], *load_all(store.get("intermediateCas", []))]
    path = _path([leaf], between, anchors, moment)
    if path is None:
        raise _refused("The certificate does not chain to a trust anchor of the provider.")
    if (leaf.not_valid_after_utc - leaf.not_valid_before_utc).days > _LONGEST_LEAF_DAYS:
        raise _refused(f"The leaf certificate is valid for more than {_LONGEST_LEAF_DAYS} days.")
    for certificate in path:
        _check_form(certificate)
    return assertion_of(leaf)


def load_all(listed: Sequence[dict[str, str]]) -> list[x509.Certificate]:
    """Load the certificates of a trust store's list."""
    return [x509.load_pem_x509_certificate(item["pemCertificate"].encode()) for item in listed]


def is_legal_key(certificate: x509.Certificate) -> bool:
    """Tell whether the key is RSA of 2048 to 4096 bits, P-256 or P-384 (documented)."""
    match certificate.public_key():
        case rsa.RSAPublicKey() as key:
            return _SMALLEST_RSA <= key.key_size <= _LARGEST_RSA
        case ec.EllipticCurvePublicKey() as key:
            return isinstance(key.curve, ec.SECP256R1 | ec.SECP384R1)
        case _:
            return False


def assertion_of(leaf: x509.Certificate) -> dict[str, Any]:
    """Give the attributes that a mapping may name."""
    san: dict[str, str] = {}
    try:
        names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        kinds = (("uri", x509.UniformResourceIdentifier), ("dns", x509.DNSName), ("email", x509.RFC822Name))
        for key, kind in kinds:
            found = names.get_values_for_type(kind)
            if found:
                san[key] = str(found[0])
    except x509.ExtensionNotFound:
        pass
    dn = {_NAMES[part.oid]: str(part.value) for part in leaf.subject if part.oid in _NAMES}
    return {"san": san, "subject": {"dn": dn}, "serialNumberHex": f"{leaf.serial_number:x}"}


def _path(
    path: list[x509.Certificate],
    between: list[x509.Certificate],
    anchors: list[x509.Certificate],
    moment: datetime,
) -> list[x509.Certificate] | None:
    last = path[-1]
    if len(path) > _DEEPEST or not last.not_valid_before_utc <= moment <= last.not_valid_after_utc:
        return None
    if len(path) > 1 and last in anchors:
        return path
    for issuer in [*anchors, *between]:
        if issuer not in path and _issued(issuer, last, below=len(path) - 1):
            found = _path([*path, issuer], between, anchors, moment)
            if found:
                return found
    return None


def _issued(issuer: x509.Certificate, certificate: x509.Certificate, *, below: int) -> bool:
    try:
        constraints = issuer.extensions.get_extension_for_class(x509.BasicConstraints).value
        certificate.verify_directly_issued_by(issuer)
    except (x509.ExtensionNotFound, ValueError, TypeError, InvalidSignature):
        return False
    return constraints.ca and (constraints.path_length is None or below <= constraints.path_length)


def _check_form(certificate: x509.Certificate) -> None:
    if not is_legal_key(certificate):
        raise _refused("A certificate's key is neither RSA of 2048 to 4096 bits nor P-256 or P-384.")
    try:
        held = certificate.extensions.get_extension_for_oid(ExtensionOID.NAME_CONSTRAINTS).value
    except x509.ExtensionNotFound:
        return
    assert isinstance(held, x509.NameConstraints)
    if len(held.permitted_subtrees or ()) + len(held.excluded_subtrees or ()) > _MOST_CONSTRAINTS:
        raise _refused(f"A certificate has more than {_MOST_CONSTRAINTS} name constraints.")


def _refused(words: str) -> OAuthError:
    return OAuthError("invalid_grant", words)
