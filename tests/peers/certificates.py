"""A private CA and a certificate for loopback, for whoever serves https in the tests."""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True, kw_only=True)
class Certificates:
    """Hold PEM files: the CA, a certificate for 127.0.0.1 and localhost, its key, and those two in one."""

    ca: Path
    chain: Path
    key: Path
    chain_and_key: Path


def write_certificates(directory: Path) -> Certificates:
    """Make a CA of its own and write everything into that directory, keys readable by the owner only."""
    authority = trustme.CA(organization_name="test peers")
    issued = authority.issue_cert("127.0.0.1", "localhost")
    files = Certificates(
        ca=directory / "ca.pem",
        chain=directory / "chain.pem",
        key=directory / "key.pem",
        chain_and_key=directory / "chain-and-key.pem",
    )
    for path in (files.key, files.chain_and_key):
        path.touch(mode=0o600)
    authority.cert_pem.write_to_path(str(files.ca))
    issued.private_key_pem.write_to_path(str(files.key))
    for blob in issued.cert_chain_pems:
        blob.write_to_path(str(files.chain), append=True)
    files.chain_and_key.write_bytes(files.chain.read_bytes() + files.key.read_bytes())
    return files
