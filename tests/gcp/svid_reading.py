"""Make SVIDs, open a folder for them, and read a pair from it in the three ways that never tear it."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from publisher.gcp.identity_choice import Choice
from publisher.gcp.jwt_svid import JwtSvid
from publisher.gcp.svid_folder import SvidFolder
from publisher.gcp.svid_folder_opening import opened_svid_folder
from publisher.gcp.x509_svid import X509Svid, read_x509_svid
from tests.gcp.scripted_agent import Authority
from tests.peers import wire

APP = "spiffe://example.org/app"
NOW = datetime.now(UTC)
AUTHORITY = Authority(has_intermediate=True)


def x509_svid() -> X509Svid:
    return read_x509_svid(message(), Choice(), where="agent")


def message(**changes: Any) -> bytes:
    chain, key = AUTHORITY.issue(APP, 3600)
    root = AUTHORITY.root.public_bytes(Encoding.DER)
    return wire.encode({1: wire.encode({1: APP, 2: chain, 3: key, 4: root, **changes.get("fields", {})})})


def jwt_svid(token: str = "a.b.c") -> JwtSvid:
    now = int(NOW.timestamp())
    return JwtSvid(token=token, spiffe_id=APP, issued_at=now, expires_at=now + 300)


@contextmanager
def opened(path: Path, *, group: str | None = None, seen_at: str | None = None) -> Iterator[SvidFolder]:
    with opened_svid_folder(str(path), seen_at=seen_at, group=group, wait=lambda: False) as folder:
        yield folder


def fits(chain: bytes, key: bytes) -> bool:
    leaf = x509.load_pem_x509_certificate(chain)
    private = load_pem_private_key(key, None)
    form = (Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return leaf.public_key().public_bytes(*form) == private.public_key().public_bytes(*form)


def by_configuration(path: Path) -> tuple[bytes, bytes]:
    """Read as google-auth does: the configuration, then the two files that it names."""
    workload = json.loads((path / "certificate_config.json").read_bytes())["cert_configs"]["workload"]
    return Path(workload["cert_path"]).read_bytes(), Path(workload["key_path"]).read_bytes()


def by_bundle(path: Path) -> tuple[bytes, bytes]:
    body = (path / "credential_bundle.pem").read_bytes()
    return body[body.index(b"-----BEGIN CERT") :], body[: body.index(b"-----BEGIN CERT")]


def by_folder(path: Path) -> tuple[bytes, bytes]:
    """Read as who opens `current` once."""
    folder = os.open(path / "current", os.O_RDONLY | os.O_DIRECTORY)
    try:
        bodies = []
        for name in ("svid.pem", "svid_key.pem"):
            with open(os.open(name, os.O_RDONLY, dir_fd=folder), "rb") as file:  # noqa: PTH123 - a descriptor
                bodies.append(file.read())
    finally:
        os.close(folder)
    return bodies[0], bodies[1]


READERS = (by_configuration, by_bundle, by_folder)
