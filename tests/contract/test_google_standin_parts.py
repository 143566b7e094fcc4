"""Hold parts of the stand-in for Google to what Google documents, without its process."""

import base64
import json
import ssl
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.google.cel import evaluate
from tests.google.cel_parser import CelError
from tests.google.chains import verify_chain
from tests.google.errors import OAuthError
from tests.google.issuers import Authority
from tests.google.tls import accepts_any, mutual_context, write_certificates

NAMES = {
    "assertion": {"sub": "spiffe://example.org/ns/a/sa/b", "aud": ["x", "y"], "n": 3, "in": {"a": "b"}},
    "attribute": {"team": "blue"},
}


@pytest.mark.parametrize(
    ("expression", "value"),
    [
        ("assertion.sub.extract('/ns/{ns}/')", "a"),
        ("assertion.sub.extract('/ns/{ns}/sa')", "a"),
        ("assertion.sub.extract('{all}')", "spiffe://example.org/ns/a/sa/b"),
        ("assertion.sub.extract('/missing/{x}')", ""),
        ("assertion.sub.extract('/ns/{x}/missing')", ""),
        ("assertion.sub.split('/').size() == 7", True),
        ("assertion.sub.split('/')[4] + '.' + assertion.aud[1]", "a.y"),
        ("assertion.sub.endsWith('/b') && !assertion.sub.contains('//x')", True),
        ("'y' in assertion.aud", True),
        ("assertion.in.a == 'b' || false", True),
        ("has(assertion.sub) && !has(assertion.other)", True),
        ("assertion.n > 2 && assertion.n <= 3 && assertion.n != 4", True),
        ("assertion.n == '3'", False),
        ("size(assertion.aud) == 2 ? string(assertion.n) : 'no'", "3"),
        ("['a', 'b'].join('-') + \"'\" + '\\''", "a-b''"),
        ("attribute.team.upperAscii().replace('BL', 'gl').lowerAscii()", "glue"),
        ("assertion.sub.matches('^spiffe://example[.]org/')", True),
        ("(true || false) && (1 < 2)", True),
    ],
)
def test_expressions(expression: str, value: Any) -> None:
    assert evaluate(expression, NAMES) == value


@pytest.mark.parametrize(
    "expression",
    [
        "",
        "assertion.",
        "assertion.missing",
        "assertion.sub.split('/')[99]",
        "nothing.here",
        "assertion.sub +",
        "assertion.sub + 1",
        "assertion.sub.nonsense()",
        "assertion.sub.startsWith(1)",
        "assertion.sub && true",
        "'a' < 1",
        "'a' in 'abc'",
        "'unended",
        "'\\q'",
        "a b",
        "assertion.sub.extract('no template')",
        "nonsense(1)",
        "(" * 60 + "1" + ")" * 60,
        "#",
    ],
)
def test_expressions_that_are_refused(expression: str) -> None:
    with pytest.raises(CelError):
        evaluate(expression, NAMES)


def chain_of(length: int, folder: Path) -> tuple[Authority, list[str]]:
    """Make a root and a chain of that many certificates, leaf included and root left out."""
    root = above = Authority()
    between = []
    for number in range(length - 1):
        above = Authority(name=f"between-{number}", issuer=above)
        between.append(above.pem)
    leaf = above.svid(folder)[0].read_text()
    return root, [leaf, *reversed(between)]


@pytest.mark.parametrize(("length", "accepted"), [(1, True), (4, True), (5, False)])
def test_the_depth_of_a_chain(tmp_path: Path, length: int, accepted: bool) -> None:
    root, chain = chain_of(length, tmp_path)
    listed = [ssl.PEM_cert_to_DER_cert(pem) for pem in chain]
    token = json.dumps([base64.b64encode(der).decode() for der in listed])
    store = {"trustAnchors": [{"pemCertificate": root.pem}]}
    now = datetime.now(UTC).timestamp()
    if accepted:
        found = verify_chain(token, listed[0], store, now)
        assert found["san"] == {"uri": "spiffe://example.org/app"}
        assert found["subject"] == {"dn": {"cn": "SPIRE"}}
    else:
        with pytest.raises(OAuthError, match="does not chain"):
            verify_chain(token, listed[0], store, now)


def test_a_leaf_lives_at_most_390_days(tmp_path: Path) -> None:
    root = Authority()
    der = ssl.PEM_cert_to_DER_cert(root.svid(tmp_path, days=391)[0].read_text())
    token = json.dumps([base64.b64encode(der).decode()])
    with pytest.raises(OAuthError, match="390 days"):
        verify_chain(
            token, der, {"trustAnchors": [{"pemCertificate": root.pem}]}, datetime.now(UTC).timestamp()
        )


@pytest.mark.parametrize("token", ["", "{}", "[]", "[1]", '["!"]', '["AAAA"]', "null"])
def test_subject_tokens_that_are_no_chain(token: str) -> None:
    with pytest.raises(OAuthError, match="JSON list"):
        verify_chain(token, b"", {}, 0.0)


@pytest.mark.parametrize("believe", [True, False])
def test_handshakes(tmp_path: Path, believe: bool) -> None:
    """Where OpenSSL cannot be told to believe, the providers' trust stores decide in the handshake."""
    certificates = write_certificates(tmp_path)
    known, unknown = Authority(), Authority(name="unknown")
    for authority in (known, unknown):
        server = mutual_context(certificates, [known.pem], believe=believe)
        client = ssl.create_default_context(cafile=certificates.ca)
        client.load_cert_chain(*authority.svid(tmp_path, name=authority.name))
        accepted = authority is known or (believe and accepts_any())
        if accepted:
            assert shake_hands(server, client)
        else:
            with pytest.raises(ssl.SSLCertVerificationError):
                shake_hands(server, client)


def shake_hands(server: ssl.SSLContext, client: ssl.SSLContext) -> bytes | None:
    """Do a handshake in memory and give the client's certificate."""
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = (
        client.wrap_bio(back, there, server_hostname="sts.mtls.googleapis.com"),
        server.wrap_bio(there, back, server_side=True),
    )
    done = [False, False]
    for _ in range(10):
        for place, end in enumerate(ends):
            try:
                end.do_handshake()
                done[place] = True
            except ssl.SSLWantReadError:
                continue
        if all(done):
            return ends[1].getpeercert(binary_form=True)
    raise AssertionError("no end of the handshake")
