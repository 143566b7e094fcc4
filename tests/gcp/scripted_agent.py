"""A SPIRE agent of this process, that answers its Workload API as a test tells it: real gRPC, real SVIDs.

The tests' stand-in for SPIRE gives no X.509-SVIDs, and nobody there has two identities.
"""

import shutil
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import grpc
import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.peers import wire

ISSUER = "https://issuer.example"
SERVICE = "SpiffeWorkloadAPI"


@dataclass(frozen=True, kw_only=True)
class Identity:
    """One registration entry that fits the caller."""

    spiffe_id: str = "spiffe://example.org/app"
    hint: str = ""


class Authority:
    """A CA of X.509: a root, and an intermediate that signs leaves if it `has_intermediate`."""

    def __init__(self, *, has_intermediate: bool = False) -> None:
        self.root_key = ec.generate_private_key(ec.SECP256R1())
        self.root = _certificate("root", self.root_key, None, self.root_key, ca=True)
        self.signer, self.signer_key = self.root, self.root_key
        self.intermediates: tuple[x509.Certificate, ...] = ()
        if has_intermediate:
            self.signer_key = ec.generate_private_key(ec.SECP256R1())
            self.signer = _certificate("between", self.signer_key, self.root, self.root_key, ca=True)
            self.intermediates = (self.signer,)

    @property
    def pem(self) -> str:
        """Give the root in PEM."""
        return self.root.public_bytes(Encoding.PEM).decode()

    def issue(self, spiffe_id: str, life: float) -> tuple[bytes, bytes]:
        """Give a chain and a key in DER, of a new key."""
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = _certificate("leaf", key, self.signer, self.signer_key, uri=spiffe_id, life=life)
        chain = b"".join(one.public_bytes(Encoding.DER) for one in (leaf, *self.intermediates))
        return chain, key.private_bytes(Encoding.DER, PrivateFormat.PKCS8, NoEncryption())


@dataclass
class Agent:
    """What is answered. Whatever is changed holds from the next answer; `rotate` pushes X.509-SVIDs."""

    folder: Path
    identities: list[Identity] = field(default_factory=lambda: [Identity()])
    jwt_life: float = 300.0
    x509_life: float = 3600.0
    claims: Mapping[str, Any] = field(default_factory=dict)
    refuse: grpc.StatusCode | None = None
    silent: bool = False
    mangle: bytes | None = None
    authority: Authority = field(default_factory=Authority)
    jwt_requests: int = 0
    x509_streams: int = 0

    def __post_init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self._changed = threading.Condition()
        self._generation = 0
        self._server: Any = None

    @property
    def endpoint(self) -> str:
        """Give what SPIFFE_ENDPOINT_SOCKET is set to."""
        return f"unix://{self.folder}/agent.sock"

    @property
    def jwks(self) -> dict[str, Any]:
        """Give the keys as a provider takes them."""
        public: dict[str, Any] = jwt.algorithms.ECAlgorithm.to_jwk(self.key.public_key(), as_dict=True)
        return {"keys": [{**public, "kid": "key-1", "alg": "ES256", "use": "sig"}]}

    def start(self) -> None:
        """Listen."""
        self._server = grpc.server(ThreadPoolExecutor(16))
        self._server.add_generic_rpc_handlers((self._handlers(),))
        self._server.add_insecure_port(self.endpoint)
        self._server.start()

    def kill(self) -> None:
        """End at once, with every stream."""
        server, self._server = self._server, None
        with self._changed:
            self._generation += 1
            self._changed.notify_all()
        if server is not None:
            server.stop(0).wait(10)

    def rotate(self) -> None:
        """Push new X.509-SVIDs to every stream."""
        with self._changed:
            self._generation += 1
            self._changed.notify_all()

    def mint(self, spiffe_id: str, audience: list[str]) -> str:
        """Sign a JWT-SVID."""
        now = int(time.time())
        claims = {
            "aud": audience,
            "sub": spiffe_id,
            "iss": ISSUER,
            "iat": now,
            "exp": now + int(self.jwt_life),
        }
        claims |= self.claims
        kept = {name: value for name, value in claims.items() if value is not None}
        return jwt.encode(kept, self.key, algorithm="ES256", headers={"kid": "key-1"})

    def _handlers(self) -> Any:
        return grpc.method_handlers_generic_handler(
            SERVICE,
            {
                "FetchJWTSVID": grpc.unary_unary_rpc_method_handler(self._fetch_jwt, bytes, bytes),
                "FetchX509SVID": grpc.unary_stream_rpc_method_handler(self._fetch_x509, bytes, bytes),
            },
        )

    def _admit(self, context: grpc.ServicerContext) -> None:
        if ("workload.spiffe.io", "true") not in {
            (key, value) for key, value in context.invocation_metadata()
        }:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "security header missing from request")
        server = self._server
        while self.silent and self._server is server and context.is_active():
            time.sleep(0.02)
        if self.refuse is not None:
            context.abort(self.refuse, "no identity issued")

    def _fetch_jwt(self, request: bytes, context: grpc.ServicerContext) -> bytes:
        self.jwt_requests += 1
        self._admit(context)
        audience = [each.decode() for each in wire.texts(request, 1)]
        wanted = wire.text(request, 2)
        fitting = [one for one in self.identities if wanted in {"", one.spiffe_id}]
        if not fitting:
            context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
        svids = [
            wire.encode({1: one.spiffe_id, 2: self.mint(one.spiffe_id, audience), 3: one.hint})
            for one in fitting
        ]
        return self.mangle or b"".join(wire.encode({1: svid}) for svid in svids)

    def _fetch_x509(self, _request: bytes, context: grpc.ServicerContext) -> Iterator[bytes]:
        self.x509_streams += 1
        self._admit(context)
        server = self._server
        while context.is_active() and self._server is server:
            seen = self._generation
            if not self.identities:
                context.abort(grpc.StatusCode.PERMISSION_DENIED, "no identity issued")
            yield self.mangle or b"".join(wire.encode({1: self._x509(one)}) for one in self.identities)
            with self._changed:
                while self._generation == seen and context.is_active():
                    self._changed.wait(0.1)

    def _x509(self, one: Identity) -> bytes:
        chain, key = self.authority.issue(one.spiffe_id, self.x509_life)
        root = self.authority.root.public_bytes(Encoding.DER)
        return wire.encode({1: one.spiffe_id, 2: chain, 3: key, 4: root, 5: one.hint})


@contextmanager
def running_agent() -> Iterator[Agent]:
    """Run one until the block ends."""
    folder = Path(tempfile.mkdtemp(prefix="agent-", dir="/tmp"))
    agent = Agent(folder)
    agent.start()
    try:
        yield agent
    finally:
        agent.silent = False
        agent.kill()
        shutil.rmtree(folder, ignore_errors=True)


def _certificate(
    name: str,
    key: ec.EllipticCurvePrivateKey,
    issuer: x509.Certificate | None,
    issuer_key: ec.EllipticCurvePrivateKey,
    *,
    ca: bool = False,
    uri: str | None = None,
    life: float = 86400.0,
) -> x509.Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"SPIRE {name}")])
    now = datetime.now(UTC)
    usage = dict.fromkeys(
        ("content_commitment", "data_encipherment", "encipher_only", "decipher_only", "crl_sign"), False
    )
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer.subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(seconds=10))
        .not_valid_after(now + timedelta(seconds=life))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(
                digital_signature=not ca,
                key_encipherment=not ca,
                key_agreement=not ca,
                key_cert_sign=ca,
                **usage,
            ),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    )
    if uri is not None:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        usages = [ExtendedKeyUsageOID.CLIENT_AUTH, ExtendedKeyUsageOID.SERVER_AUTH]
        builder = builder.add_extension(names, critical=False).add_extension(
            x509.ExtendedKeyUsage(usages), critical=False
        )
    if issuer is not None:
        builder = builder.add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False
        )
    return builder.sign(issuer_key, hashes.SHA256())
