"""An OIDC issuer and a CA of SVIDs for tests of the Google side. They serve nothing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey


def new_key(algorithm: str = "ES256") -> Key:
    """Make a key for RS256, ES256 or ES384."""
    if algorithm == "RS256":
        return rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return ec.generate_private_key(ec.SECP384R1() if algorithm == "ES384" else ec.SECP256R1())


@dataclass(kw_only=True)
class Issuer:
    """Hold one signing key of an issuer."""

    url: str = "https://issuer.example"
    kid: str = "key-1"
    algorithm: str = "ES256"
    key: Key = field(default_factory=new_key)

    def jwks(self) -> dict[str, Any]:
        """Give the JWK Set as our publisher writes it."""
        key = self.key.public_key()
        if isinstance(key, rsa.RSAPublicKey):
            public = jwt.algorithms.RSAAlgorithm.to_jwk(key, as_dict=True)
        else:
            public = jwt.algorithms.ECAlgorithm.to_jwk(key, as_dict=True)
        members = {name: value for name, value in public.items() if name != "key_ops"}
        return {"keys": [{**members, "kid": self.kid, "alg": self.algorithm, "use": "sig"}]}

    def configuration(self) -> dict[str, Any]:
        """Give the configuration document."""
        return {"issuer": self.url, "jwks_uri": f"{self.url}/keys"}

    def write(self, folder: Path) -> None:
        """Write both documents below that folder, for a static server."""
        (folder / ".well-known").mkdir(exist_ok=True)
        (folder / ".well-known/openid-configuration").write_text(json.dumps(self.configuration()))
        (folder / "keys").write_text(json.dumps(self.jwks()))

    def token(
        self,
        audience: str | Sequence[str],
        now: float,
        *,
        header: dict[str, Any] | None = None,
        **claims: Any,
    ) -> str:
        """Sign a JWT-SVID; a claim that is None is left out."""
        given: dict[str, Any] = {
            "iss": self.url,
            "sub": "spiffe://example.org/app",
            "aud": audience if isinstance(audience, str) else list(audience),
            "iat": int(now),
            "exp": int(now) + 300,
            **claims,
        }
        kept = {name: value for name, value in given.items() if value is not None}
        headers = {"kid": self.kid, **(header or {})}
        return jwt.encode(kept, self.key, algorithm=self.algorithm, headers=headers)


@dataclass(kw_only=True)
class Authority:
    """Hold an X.509 authority; `issuer` None: self-signed. `began` None: an hour ago."""

    name: str = "root"
    issuer: "Authority | None" = None
    key: Key = field(default_factory=new_key)
    began: datetime | None = None
    life: timedelta = timedelta(days=30)
    certificate: x509.Certificate = field(init=False)

    def __post_init__(self) -> None:
        signer = self.issuer or self
        builder = _builder(self.name, signer.name, self.key, self.life, self.began).add_extension(
            x509.BasicConstraints(ca=True, path_length=None), critical=True
        )
        self.certificate = builder.sign(signer.key, hashes.SHA256())

    @property
    def pem(self) -> str:
        return self.certificate.public_bytes(Encoding.PEM).decode()

    def svid(
        self,
        folder: Path,
        spiffe_id: str = "spiffe://example.org/app",
        *,
        days: float = 1.0,
        name: str = "svid",
    ) -> tuple[Path, Path]:
        """Write an X.509-SVID: the paths of the leaf and of its key."""
        key = new_key()
        uri = x509.UniformResourceIdentifier(spiffe_id)
        leaf = (
            _builder("SPIRE", self.name, key, timedelta(days=days))
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(x509.SubjectAlternativeName([uri]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
            .sign(self.key, hashes.SHA256())
        )
        certificate, private = folder / f"{name}.pem", folder / f"{name}.key"
        certificate.write_bytes(leaf.public_bytes(Encoding.PEM))
        private.touch(mode=0o600)
        private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        return certificate, private


def _builder(
    subject: str, issuer: str, key: Key, life: timedelta, began: datetime | None = None
) -> x509.CertificateBuilder:
    now = datetime.now(UTC)
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)]) for name in (subject, issuer)]
    return (
        x509.CertificateBuilder()
        .subject_name(names[0])
        .issuer_name(names[1])
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(began or now - timedelta(hours=1))
        .not_valid_after((began or now) + life)
    )
