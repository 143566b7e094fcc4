"""Trust stores: what Google takes, what the bundle has, and how fast it may rotate."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError, SettingsError
from publisher.gcp import trust_store_file
from publisher.gcp.certificate import Certificate
from publisher.gcp.setup_plan import shares_no_anchor, store_difference
from publisher.gcp.trust_store import TrustStore, rotation_findings

DOMAIN = TrustDomain.parse("example.org")
NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
_P256 = ec.generate_private_key(ec.SECP256R1())


def root(
    name: str = "root",
    *,
    key: Any = _P256,
    life: timedelta = timedelta(days=3650),
    began: timedelta = timedelta(days=1),
    ca: bool | None = True,
    uri: str | None = None,
    issuer: str | None = None,
    signer: Any = None,
    constraints: int = 0,
    padding: int = 0,
) -> Certificate:
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, issuer)]) if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(NOW - began)
        .not_valid_after(NOW - began + life)
    )
    if ca is not None:
        builder = builder.add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
    if uri:
        names = x509.SubjectAlternativeName([x509.UniformResourceIdentifier(uri)])
        builder = builder.add_extension(names, critical=False)
    if constraints:
        permitted = [x509.DNSName(f"n{number}.example") for number in range(constraints)]
        builder = builder.add_extension(x509.NameConstraints(permitted, None), critical=True)
    if padding:
        oid = x509.ObjectIdentifier("1.3.6.1.4.1.11129.9.9")
        builder = builder.add_extension(x509.UnrecognizedExtension(oid, b"x" * padding), critical=False)
    algorithm = None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()
    return Certificate(builder.sign(signer or key, algorithm))


def mirror(*authorities: Certificate, intermediates: tuple[Certificate, ...] = ()) -> TrustStore:
    store, _ = TrustStore.mirror(authorities, intermediates, trust_domain=DOMAIN, now=NOW, where="bundle")
    return store


def test_it_mirrors_the_bundle_each_once_whatever_its_order() -> None:
    one, other = root("one"), root("other", uri="spiffe://example.org")
    assert mirror(one, other, one) == mirror(other, one)
    assert {anchor.thumbprint for anchor in mirror(one, other).anchors} == {one.thumbprint, other.thumbprint}
    assert mirror(one).body == {"trustAnchors": [{"pemCertificate": one.pem}]}


def test_what_google_has_is_read_back_equal() -> None:
    between = root("between", issuer="one")
    store = mirror(root("one"), root("two"), intermediates=(between, between))
    assert len(store.body["intermediateCas"]) == 1
    assert TrustStore.parse(store.body, where="x") == store
    assert store_difference(store, store.body) is None


@pytest.mark.parametrize(
    "key",
    [
        ec.generate_private_key(ec.SECP384R1()),
        rsa.generate_private_key(public_exponent=65537, key_size=2048),
    ],
    ids=["P-384", "RSA-2048"],
)
def test_keys_that_google_takes(key: Any) -> None:
    assert len(mirror(root(key=key)).anchors) == 1


@pytest.mark.parametrize(
    ("certificate", "said"),
    [
        (root(key=ec.generate_private_key(ec.SECP521R1())), "has a key that Google does not take"),
        (root(key=ed25519.Ed25519PrivateKey.generate()), "has a key that Google does not take"),
        (root(key=rsa.generate_private_key(public_exponent=65537, key_size=1024)), "RSA key of 1024 bits"),
        (root(ca=False), "is no certificate of an authority"),
        (root(ca=None), "is no certificate of an authority"),
        (root(constraints=11), "more than 10 name constraints"),
        (root(padding=32 * 1024), "Google takes 32768"),
        (root(issuer="another", signer=ec.generate_private_key(ec.SECP256R1())), "is not self-signed"),
        (root(signer=ec.generate_private_key(ec.SECP256R1())), "is not self-signed"),
        (
            root(uri="spiffe://other.example"),
            r"is named 'spiffe://other\.example', not spiffe://example\.org",
        ),
    ],
)
def test_what_can_be_no_anchor_is_refused_by_name(certificate: Certificate, said: str) -> None:
    with pytest.raises(BundleError, match=rf"bundle: .*{certificate.thumbprint[:16]}.*{said}"):
        mirror(root("good"), certificate)


def test_the_limits() -> None:
    assert len(mirror(root("1"), root("2"), root("3")).anchors) == 3
    with pytest.raises(BundleError, match=r"has 4 X\.509 authorities, and a trust store takes 3") as refused:
        mirror(root("1"), root("2"), root("3"), root("4"))
    assert "UpstreamAuthority" in refused.value.remedy
    between = tuple(root(str(number)) for number in range(11))
    assert len(mirror(root(), intermediates=between[:10]).intermediates) == 10
    with pytest.raises(BundleError, match="are 11, and a trust store takes 10"):
        mirror(root(), intermediates=between)


def test_expired_authorities_are_left_out_and_named_and_count_for_nothing() -> None:
    old = [root(f"old{number}", life=timedelta(hours=2)) for number in range(3)]
    store, findings = TrustStore.mirror([*old, root("new")], trust_domain=DOMAIN, now=NOW, where="bundle")
    assert [anchor.name[:12] for anchor in store.anchors] == [root("new").name[:12]]
    assert [finding.code for finding in findings] == ["GCP103"] * 3
    with pytest.raises(BundleError, match=r"no X\.509 authority that is still valid"):
        mirror(*old)
    with pytest.raises(BundleError, match="would lock every workload out"):
        mirror()


@pytest.mark.parametrize(
    ("life", "every", "late"),
    [
        (timedelta(hours=24), None, True),  # 8 hours between the bundle and the first signature
        (timedelta(hours=24), timedelta(hours=7), False),
        (timedelta(hours=24), timedelta(hours=9), True),
        (timedelta(days=20), None, True),
        (timedelta(days=22), None, False),
        (timedelta(days=3650), None, False),  # 30 days less 7
        (timedelta(days=3650), timedelta(days=30), True),
    ],
)
def test_a_root_that_rotates_faster_than_the_store_is_reported(
    life: timedelta, every: timedelta | None, late: bool
) -> None:
    found = rotation_findings(mirror(root(life=life + timedelta(days=1))), every=every, where="bundle")
    assert (
        bool(rotation_findings(mirror(root(life=life, began=timedelta(0))), every=every, where="b")) is late
    )
    for finding in found:
        assert finding.code == "GCP102"
        assert "UpstreamAuthority" in finding.remedy
        assert ("by hand" in finding.what) is (every is None)


def test_the_difference_is_by_certificate() -> None:
    old, new = root("old"), root("new")
    both = store_difference(mirror(old, new), mirror(old).body)
    assert both is not None
    assert both.lines == (f"+ anchor {new.name}",)
    mirrored = store_difference(mirror(new), mirror(old, new).body)
    assert mirrored is not None
    assert mirrored.lines == (f"- anchor {old.name}",)
    between = store_difference(mirror(old), mirror(old, intermediates=(new,)).body)
    assert between is not None
    assert between.lines == (f"- intermediate {new.name}",)


def test_replacing_every_anchor_at_once_is_noticed() -> None:
    old, new = mirror(root("old")), mirror(root("new"))
    assert shares_no_anchor(new, old.body, where="x")
    assert not shares_no_anchor(new, {}, where="x")
    assert not shares_no_anchor(new, new.body, where="x")
    assert shares_no_anchor(new, {"trustAnchors": "x"}, where="x")


@pytest.mark.parametrize(
    "body",
    [None, [], {"trustAnchors": {}}, {"trustAnchors": ["x"]}, {"trustAnchors": [{"pemCertificate": "x"}]}],
)
def test_what_is_no_trust_store_is_refused(body: object) -> None:
    with pytest.raises(BundleError):
        TrustStore.parse(body, where="x")


def test_certificates_in_der_stand_one_after_another() -> None:
    one, other = root("one"), root("other")
    der = b"".join(certificate.x509.public_bytes(Encoding.DER) for certificate in (one, other))
    assert Certificate.parse_der(der, where="x") == (one, other)
    assert Certificate.parse_der(b"", where="x") == ()
    for broken in (
        der[:-1],
        der + b"\0",
        b"0",
        b"\x30\x85aaaaa",
        b"\x30\x03abc",
        b"\x30\x80",
        one.der64.encode(),
    ):
        with pytest.raises(BundleError):
            Certificate.parse_der(broken, where="x")
    with pytest.raises(BundleError, match="no sequence"):
        Certificate.parse_der(one.x509.public_bytes(Encoding.DER) * 65, where="x")


def test_pem_with_a_private_key_is_refused_and_the_key_not_shown() -> None:
    key = _P256.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    with pytest.raises(BundleError, match="holds a private key") as refused:
        Certificate.parse_pem(root().pem.encode() + key, where="x")
    assert key.splitlines()[1].decode() not in str(refused.value)
    for broken in (b"", b"-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----\n"):
        with pytest.raises(BundleError):
            Certificate.parse_pem(broken, where="x")
    with pytest.raises(BundleError, match="more than 64"):
        Certificate.parse_pem(root().pem.encode() * 65, where="x")


def test_the_file_shows_what_is_new_and_is_replaced_at_once(tmp_path: Path) -> None:
    path, old, both = tmp_path / "store.yaml", mirror(root("old")), mirror(root("old2"), root("new"))
    first = trust_store_file.difference(path, old)
    assert first is not None
    assert [line[:8] for line in first.lines] == ["+ anchor"]
    trust_store_file.write(path, old)
    assert trust_store_file.difference(path, old) is None
    changed = trust_store_file.difference(path, both)
    assert changed is not None
    assert [line[:1] for line in changed.lines] == ["-", "+", "+"]
    trust_store_file.write(path, both)
    assert trust_store_file.difference(path, both) is None
    assert [entry.name for entry in tmp_path.iterdir()] == ["store.yaml"]
    assert path.stat().st_mode & 0o777 == 0o644


def test_a_file_that_is_something_else_is_not_replaced(tmp_path: Path) -> None:
    path = tmp_path / "store.yaml"
    for text in ("trustStore:\n  trustAnchors: []\n", "[]", "{}"):
        path.write_text(text)
        with pytest.raises(BundleError):
            trust_store_file.difference(path, mirror(root()))
    with pytest.raises(SettingsError, match="cannot be read"):
        trust_store_file.difference(tmp_path, mirror(root()))
    with pytest.raises(SettingsError, match="was not written"):
        trust_store_file.write(tmp_path / "missing" / "store.yaml", mirror(root()))
