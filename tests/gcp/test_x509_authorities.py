"""X.509 authorities from every kind of source, SPIRE's own included: all give the same."""

import base64
import json
from pathlib import Path

import pytest

from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError, PublisherError, SourceSettingsError
from publisher.gcp.certificate import Certificate
from publisher.gcp.x509_authorities import FileAuthorities, parse_spiffe_bundle
from publisher.ports import Deadline
from publisher.settings.addresses import SourceAddress
from publisher.wiring.clock import SystemClock
from publisher.wiring.gcp_setup import x509_source
from tests.google.issuers import Authority
from tests.peers.peer import SpirePeer
from tests.peers.start import STANDIN

DOMAIN = TrustDomain.parse("example.org")


def fetch(source: str, domain: TrustDomain = DOMAIN, ca_file: Path | None = None) -> set[str]:
    address = SourceAddress.parse(source, {})
    found = x509_source(address, domain, ca_file).fetch(Deadline(SystemClock(), 20))
    return {one.thumbprint for one in found}


def bundle(*chains: object, use: str = "x509-svid") -> bytes:
    keys = [{"kty": "EC", "use": use, "x5c": chain} for chain in chains]
    return json.dumps({"keys": [*keys, {"kty": "EC", "use": "jwt-svid"}, {"use": "unknown"}]}).encode()


def test_all_sources_of_spire_agree(shared_peer: SpirePeer, peer_kind: str, tmp_path: Path) -> None:
    document = shared_peer.spiffe_bundle()
    expected = {one.thumbprint for one in parse_spiffe_bundle(document, where="x")}
    assert expected
    assert all(one.is_self_signed for one in parse_spiffe_bundle(document, where="x"))
    (tmp_path / "bundle.json").write_bytes(document)
    assert fetch(f"file:{tmp_path}/bundle.json") == expected
    assert fetch(f"server-api:{shared_peer.server_api}") == expected
    endpoint = shared_peer.bundle_endpoint
    assert fetch(f"bundle-endpoint:{endpoint}", ca_file=shared_peer.ca_file) == expected
    if peer_kind == STANDIN:
        return  # its agent gives JWT bundles alone; SPIRE's own gives both
    assert fetch(f"workload-api:{shared_peer.workload_api}") == expected


def test_another_trust_domain_is_not_taken(shared_peer: SpirePeer, peer_kind: str) -> None:
    other = TrustDomain.parse("other.example")
    sources = [f"server-api:{shared_peer.server_api}"]
    if peer_kind != STANDIN:
        sources.append(f"workload-api:{shared_peer.workload_api}")
    for source in sources:
        with pytest.raises(BundleError, match=r"offers example\.org, not other\.example"):
            fetch(source, other)


def test_pem_of_a_file(tmp_path: Path) -> None:
    one, other = Authority(name="one"), Authority(name="other")
    (tmp_path / "roots.pem").write_text("\n" + one.pem + other.pem)
    expected = {Certificate(authority.certificate).thumbprint for authority in (one, other)}
    assert fetch(f"file:{tmp_path}/roots.pem") == expected
    with pytest.raises(SourceSettingsError, match="is not there"):
        FileAuthorities(str(tmp_path / "missing")).fetch(Deadline(SystemClock(), 5))


def test_only_the_first_of_an_x5c_counts_and_only_x509_authorities() -> None:
    one, other = (Certificate(Authority(name=name).certificate) for name in ("one", "other"))
    assert parse_spiffe_bundle(bundle([one.der64, other.der64]), where="x") == (one,)
    assert parse_spiffe_bundle(bundle([one.der64], use="jwt-svid"), where="x") == ()


def test_what_is_no_spiffe_bundle_is_refused() -> None:
    der = base64.b64decode(Certificate(Authority().certificate).der64)
    doubled = base64.b64encode(der + der).decode()
    for data in (
        b"",
        b"[]",
        b"{}",
        b'{"keys": {}}',
        bundle(None),
        bundle([]),
        bundle([1]),
        bundle(["?"]),
        bundle([base64.b64encode(b"x").decode()]),
        bundle([""]),
        bundle([doubled]),
    ):
        with pytest.raises(PublisherError):
            parse_spiffe_bundle(data, where="x")
