"""Read X.509 certificates of authorities, and say which ones Google takes."""

import base64
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Self

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding

from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError
from publisher.quoting import quote

LARGEST = 32 * 1024
"""The most bytes of one certificate in PEM."""

MOST = 64
"""The most certificates that are read from one place."""

_RSA_BITS = (2048, 4096)
_CURVES = ("secp256r1", "secp384r1")
_MOST_CONSTRAINTS = 10
_REMEDY = "look at the CA of SPIRE's server (ca_key_type, UpstreamAuthority) and at --source"


@dataclass(frozen=True, slots=True)
class Certificate:
    """Hold one certificate. It is public; compare by `thumbprint`, SHA-256 over its DER, in hex."""

    x509: x509.Certificate

    @classmethod
    def parse_der(cls, data: bytes, *, where: str) -> tuple[Self, ...]:
        """Read certificates in DER, one right after another, as the Workload API has them.

        Raises:
            BundleError: anything else.

        """
        found: list[Self] = []
        while data:
            length = _element(data)
            if length is None or len(found) == MOST:
                raise BundleError(where, "is no sequence of certificates in DER", _REMEDY)
            try:
                found.append(cls(x509.load_der_x509_certificate(data[:length])))
            except (ValueError, UnsupportedAlgorithm) as error:
                raise BundleError(where, "has a certificate that cannot be read", _REMEDY) from error
            data = data[length:]
        return tuple(found)

    @classmethod
    def parse_pem(cls, data: bytes, *, where: str) -> tuple[Self, ...]:
        """Read one or more certificates in PEM. Private keys beside them are refused, not skipped.

        Raises:
            BundleError: none, or one that cannot be read; a private key.

        """
        if b"PRIVATE KEY" in data:
            raise BundleError(
                where, "holds a private key", "give certificates only, and take the key away from here"
            )
        try:
            found = x509.load_pem_x509_certificates(data)
        except (ValueError, UnsupportedAlgorithm) as error:
            raise BundleError(where, "holds no certificate in PEM that can be read", _REMEDY) from error
        if len(found) > MOST:
            raise BundleError(where, f"holds more than {MOST} certificates", _REMEDY)
        return tuple(cls(one) for one in found)

    @property
    def thumbprint(self) -> str:
        """Give SHA-256 over the DER, in hex."""
        return self.x509.fingerprint(SHA256()).hex()

    @property
    def pem(self) -> str:
        """Give it in PEM, with a final line break."""
        return self.x509.public_bytes(Encoding.PEM).decode()

    @property
    def der64(self) -> str:
        """Give its DER in base64, as `x5c` has it."""
        return base64.b64encode(self.x509.public_bytes(Encoding.DER)).decode()

    @property
    def not_before(self) -> datetime:
        """Give when it begins to hold."""
        return self.x509.not_valid_before_utc

    @property
    def not_after(self) -> datetime:
        """Give when it ends to hold."""
        return self.x509.not_valid_after_utc

    @property
    def name(self) -> str:
        """Name it for a person: subject, the beginning of its thumbprint, its end."""
        try:
            subject = self.x509.subject.rfc4514_string()
        except ValueError:
            subject = ""
        end = self.not_after.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        return f"{quote(subject, 80)} sha256:{self.thumbprint[:16]} until {end}"

    @property
    def is_self_signed(self) -> bool:
        """Tell whether it vouches for itself: names itself as its issuer, and its own key signed it."""
        try:
            self.x509.verify_directly_issued_by(self.x509)
        except (ValueError, TypeError, InvalidSignature, UnsupportedAlgorithm):
            return False
        return True

    def refuse_as_authority(self, *, where: str) -> None:
        """Raise unless Google takes it into a trust store at all.

        Raises:
            BundleError: no certificate of an authority, too large, or a key other than RSA of 2048 to 4096
                bits, P-256 and P-384.

        """

        def refused(what: str) -> BundleError:
            return BundleError(f"{where}: {self.name}", what, _REMEDY)

        key = self.x509.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            if not _RSA_BITS[0] <= key.key_size <= _RSA_BITS[1]:
                raise refused(f"has an RSA key of {key.key_size} bits; Google takes 2048 to 4096")
        elif not isinstance(key, ec.EllipticCurvePublicKey) or key.curve.name not in _CURVES:
            raise refused("has a key that Google does not take: it takes RSA, P-256 and P-384")
        if not self._is_authority():
            raise refused("is no certificate of an authority (basic constraints, CA)")
        if self._constraints() > _MOST_CONSTRAINTS:
            raise refused(f"has more than {_MOST_CONSTRAINTS} name constraints, more than Google takes")
        if len(self.pem) > LARGEST:
            raise refused(f"has {len(self.pem)} bytes in PEM; Google takes {LARGEST}")

    def refuse_as_anchor(self, trust_domain: TrustDomain, *, where: str) -> None:
        """Raise unless it can be a trust anchor of this trust domain.

        Raises:
            BundleError: as `refuse_as_authority`; not self-signed; named for another trust domain.

        """
        self.refuse_as_authority(where=where)
        if not self.is_self_signed:
            raise BundleError(
                f"{where}: {self.name}",
                "is not self-signed, and a trust anchor is the end of every chain",
                "have SPIRE's UpstreamAuthority give the root of its chain to the bundle",
            )
        names = self._uris()
        if names and names != [f"spiffe://{trust_domain}"]:
            raise BundleError(
                f"{where}: {self.name}",
                f"is named {quote(names[0])}, not spiffe://{trust_domain}",
                "correct --trust-domain, or the source",
            )

    def _is_authority(self) -> bool:
        try:
            return bool(self.x509.extensions.get_extension_for_class(x509.BasicConstraints).value.ca)
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            return False

    def _constraints(self) -> int:
        try:
            found = self.x509.extensions.get_extension_for_class(x509.NameConstraints).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            return 0
        return len(found.permitted_subtrees or ()) + len(found.excluded_subtrees or ())

    def _uris(self) -> list[str]:
        try:
            found = self.x509.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (x509.ExtensionNotFound, x509.DuplicateExtension, ValueError):
            return []
        return found.get_values_for_type(x509.UniformResourceIdentifier)


def _element(data: bytes) -> int | None:
    """Give the whole length of the DER element that `data` begins with; None: there is none."""
    if len(data) < 2 or data[0] != 0x30:  # noqa: PLR2004 (a SEQUENCE)
        return None
    first = data[1]
    if first < 0x80:  # noqa: PLR2004
        length, head = first, 2
    else:
        count = first & 0x7F
        if not 1 <= count <= 4 or len(data) < 2 + count:  # noqa: PLR2004
            return None
        length, head = int.from_bytes(data[2 : 2 + count], "big"), 2 + count
    return head + length if head + length <= len(data) else None
