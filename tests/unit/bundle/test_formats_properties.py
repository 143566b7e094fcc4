"""What must hold for every bundle, hostile ones included."""

import base64
import json
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from publisher.bundle import formats
from publisher.errors import BundleError
from publisher.oidc import jwks
from publisher.oidc.configuration import ALGORITHMS
from tests import keys
from tests.keys import EXAMPLE_ORG

GOOD = [keys.jwk("a"), keys.jwk("b", "ES384"), keys.jwk("c"), keys.jwk("d", "RS256")]
TEXT = st.text(st.characters(codec=None), max_size=20)
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | TEXT,
    lambda children: st.lists(children, max_size=3) | st.dictionaries(TEXT, children, max_size=3),
    max_leaves=6,
)
NAMES = st.sampled_from(["kty", "kid", "use", "alg", "crv", "x", "y", "n", "e", "d", "k"])
VALUES = ANY | st.sampled_from(
    ["EC", "RSA", "oct", "sig", "jwt-svid", "x509-svid", "P-256", "AQAB", "AQ", "RS256"]
)
JWKS = st.builds(
    lambda key, overlay: {**key, **overlay}, st.sampled_from(GOOD), st.dictionaries(NAMES, VALUES)
)
DOCUMENTS = st.fixed_dictionaries(
    {"keys": st.lists(JWKS | ANY, max_size=3) | ANY},
    optional={"spiffe_sequence": ANY, "spiffe_refresh_hint": ANY},
)
OUTPUTS = st.lists(
    st.fixed_dictionaries({}, optional={"svids": ANY, "bundles": st.dictionaries(TEXT, ANY) | ANY})
    | st.builds(
        lambda document: {"bundles": {"spiffe://example.org": base64.b64encode(_json(document)).decode()}},
        DOCUMENTS,
    )
)


def _json(value: Any) -> bytes:
    return json.dumps(value).encode()


def _parse(data: bytes) -> str:
    """Parse, and give the message of a refusal; any other exception fails the test."""
    try:
        bundle, findings = formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="file:x")
    except BundleError as error:
        return str(error)
    assert bundle.jwt_authorities
    for authority in bundle.jwt_authorities:
        assert authority.kid.isprintable()
    return "\n".join(map(str, findings)).replace("\n", "")


@given(st.binary())
def test_bytes_raise_nothing_but_bundle_errors(data: bytes) -> None:
    message = _parse(data)
    assert message.isprintable()


@given(ANY | DOCUMENTS | OUTPUTS)
def test_documents_raise_nothing_but_bundle_errors_and_never_show_anything_raw(value: Any) -> None:
    message = _parse(_json(value))
    assert message.isprintable()
    assert message.isascii()


@given(st.text(st.characters(codec=None), max_size=300))
def test_a_kid_is_published_verbatim_or_never_shown_raw(kid: str) -> None:
    data = _json({"keys": [{**GOOD[0], "kid": kid}]})
    try:
        bundle, _ = formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="file:x")
    except BundleError as error:
        message = str(error)
    else:
        message = ""
        published = json.loads(jwks.build(bundle, algorithms=ALGORITHMS))
        assert [key["kid"] for key in published["keys"]] == [kid]
    assert message.isascii()
    assert not message or message.isprintable()


@given(st.permutations(GOOD), st.randoms(use_true_random=False))
def test_the_order_of_keys_and_members_never_changes_the_published_bytes(
    permuted: list[dict[str, Any]], random: Any
) -> None:
    shuffled = [dict(random.sample(sorted(key.items()), len(key))) for key in permuted]
    spiffe = [{**key, "use": "jwt-svid"} for key in shuffled]
    documents = [
        _json({"keys": shuffled}),
        _json({"spiffe_sequence": 1, "keys": [keys.x509_jwk(), *spiffe]}),
        keys.agent_output({"example.org": json.dumps({"keys": shuffled}, indent=1).encode()}),
    ]
    wanted, _ = formats.parse_jwks(_json({"keys": GOOD}), trust_domain=EXAMPLE_ORG, where="x")
    for data in documents:
        bundle, findings = formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="x")
        assert jwks.build(bundle, algorithms=ALGORITHMS) == jwks.build(wanted, algorithms=ALGORITHMS)
        assert findings == ()
