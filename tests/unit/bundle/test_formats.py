import base64
import json
from typing import Any

import pytest

from publisher.bundle import formats
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError
from publisher.findings import Severity
from tests import keys
from tests.keys import EXAMPLE_ORG

OTHER = TrustDomain(name="other.example")


def _kids(parsed: formats.Parsed) -> list[str]:
    return [authority.kid for authority in parsed[0].jwt_authorities]


def test_a_jwks_of_the_workload_api_is_read() -> None:
    data = keys.jwks("b", keys.jwk("a", "RS256"), keys.jwk("c", "ES384"))
    parsed = formats.parse_jwks(data, trust_domain=EXAMPLE_ORG, where="x")
    wanted = keys.bundle(keys.authority("a", "RS256"), "b", keys.authority("c", "ES384"))
    assert parsed == (wanted, ())


@pytest.mark.parametrize(
    "parse", [formats.parse_jwks, formats.parse_file], ids=["as a JWKS", "as a file of any format"]
)
def test_a_jwks_that_we_published_is_read(parse: Any) -> None:
    data = keys.jwks(
        keys.jwk("a", use="sig") | {"alg": "ES256"}, keys.jwk("b", "RS256", use="sig") | {"alg": "RS256"}
    )
    assert _kids(parse(data, trust_domain=EXAMPLE_ORG, where="x")) == ["a", "b"]


def test_expiry_and_numbers_are_unknown_in_a_jwks() -> None:
    bundle, _ = formats.parse_jwks(keys.jwks("a"), trust_domain=EXAMPLE_ORG, where="x")
    assert (bundle.sequence_number, bundle.refresh_hint) == (None, None)
    assert (bundle.jwt_authorities[0].expires_at, bundle.jwt_authorities[0].tainted) == (None, None)


def test_only_the_jwt_authorities_of_a_spiffe_bundle_count() -> None:
    data = keys.spiffe_bundle("a", keys.x509_jwk(), "b", spiffe_sequence=7, spiffe_refresh_hint=300)
    parsed = formats.parse_spiffe_bundle(data, trust_domain=EXAMPLE_ORG, where="x")
    assert parsed == (keys.bundle("a", "b", sequence_number=7, refresh_hint=300), ())


def test_an_x509_authority_of_any_kind_is_set_aside() -> None:
    odd = {"use": "x509-svid", "kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": "a"}
    data = keys.spiffe_bundle("a", keys.x509_jwk("RS256"), keys.x509_jwk("ES512"), odd)
    assert formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="x") == (keys.bundle("a"), ())


UNKNOWN_USES: dict[str, tuple[dict[str, Any], str]] = {
    "of the future": ({"use": "wit-svid"}, "'wit-svid'"),
    "missing": ({}, "None"),
    "null": ({"use": None}, "None"),
    "sig": ({"use": "sig"}, "'sig'"),
    "in upper case": ({"use": "JWT-SVID"}, "'JWT-SVID'"),
    "an array": ({"use": ["jwt-svid"]}, "['jwt-svid']"),
    "an object": ({"use": {}}, "{}"),
    "hostile": ({"use": "\x1b[2J\n" * 999}, r"'\x1b[2J\n\x1b[2J\n\x1b[2J\n\x1b[2J\n\x1..."),
}


@pytest.mark.parametrize(("members", "shown"), UNKNOWN_USES.values(), ids=UNKNOWN_USES)
def test_a_key_of_another_use_is_ignored_and_reported(members: dict[str, Any], shown: str) -> None:
    data = keys.spiffe_bundle("a", {"kty": "?", "kid": "z", **members})
    bundle, findings = formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="file:x")
    assert bundle == keys.bundle("a")
    (finding,) = findings
    assert (finding.code, finding.severity) == ("BUN001", Severity.INFO)
    assert finding.where == "file:x: keys[1] kid 'z'"
    assert finding.what == f"a key of use {shown} was ignored"


@pytest.mark.parametrize("member", ["spiffe_sequence", "spiffe_refresh_hint"])
def test_a_file_with_a_spiffe_member_is_a_spiffe_bundle(member: str) -> None:
    data = json.dumps({"keys": [keys.jwk("a")], member: 1}).encode()
    with pytest.raises(BundleError, match="has no JWT authorities yet"):
        formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="x")


def test_one_spiffe_use_makes_a_file_a_spiffe_bundle() -> None:
    data = keys.jwks(keys.jwk("a", use="sig"), keys.jwk("b", use="jwt-svid"))
    bundle, findings = formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="x")
    assert bundle == keys.bundle("b")
    assert [finding.where for finding in findings] == ["x: keys[0] kid 'a'"]


def test_members_that_nobody_knows_are_allowed_beside_keys() -> None:
    data = keys.spiffe_bundle("a", future={"b": [1]})
    assert formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="x")[0] == keys.bundle("a")


def test_the_output_of_the_agent_names_its_only_trust_domain() -> None:
    data = keys.agent_output({"example.org": keys.jwks("b", "a")})
    assert formats.parse_file(data, trust_domain=None, where="x") == (keys.bundle("a", "b"), ())
    assert formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="x") == (keys.bundle("a", "b"), ())


def test_federated_trust_domains_are_never_merged() -> None:
    data = keys.agent_output({"example.org": keys.jwks("a"), "other.example": keys.jwks("a", "b")})
    with pytest.raises(BundleError, match=r"several trust domains \(example\.org, other\.example\); set"):
        formats.parse_file(data, trust_domain=None, where="x")
    bundle, _ = formats.parse_file(data, trust_domain=OTHER, where="x")
    assert bundle == keys.bundle("a", "b", trust_domain="other.example")


def test_a_damaged_bundle_of_a_trust_domain_that_is_not_wanted_does_no_harm() -> None:
    data = keys.agent_output({"example.org": keys.jwks("a"), "other.example": b"{"})
    assert formats.parse_file(data, trust_domain=EXAMPLE_ORG, where="x")[0] == keys.bundle("a")
    with pytest.raises(BundleError, match=r"^file:x: bundle of other\.example: not JSON at line 1"):
        formats.parse_file(data, trust_domain=OTHER, where="file:x")


@pytest.mark.parametrize("wanted", [None, EXAMPLE_ORG], ids=["any", "one"])
def test_a_source_without_trust_domain_is_refused(wanted: TrustDomain | None) -> None:
    with pytest.raises(BundleError, match="offers no trust domain"):
        formats.choose_trust_domain([], wanted, where="x")


def test_a_trust_domain_that_is_not_offered_is_refused() -> None:
    with pytest.raises(BundleError, match=r"offers other\.example, not example\.org; correct --trust-domain"):
        formats.choose_trust_domain([OTHER], EXAMPLE_ORG, where="x")


def test_only_the_first_of_many_trust_domains_are_shown() -> None:
    many = [TrustDomain(name=f"d{number}") for number in range(1000)]
    with pytest.raises(BundleError, match=r"\(d0, d1, d10, d100, d101, \.\.\.\); set"):
        formats.choose_trust_domain(many, None, where="x")


def test_a_file_that_does_not_name_its_trust_domain_needs_one() -> None:
    for data in (keys.jwks("a"), keys.spiffe_bundle("a")):
        with pytest.raises(BundleError, match="does not name its trust domain; set --trust-domain"):
            formats.parse_file(data, trust_domain=None, where="x")


def test_an_array_without_the_final_newline_of_a_shell_or_with_it_is_the_same() -> None:
    data = keys.agent_output({"example.org": keys.jwks("a")})
    assert formats.parse_file(data + b"\n", trust_domain=None, where="x")[0] == keys.bundle("a")


def test_base64_of_an_empty_set_is_an_empty_bundle() -> None:
    encoded = base64.b64encode(b'{"keys":[]}').decode()
    data = json.dumps([{"bundles": {"spiffe://example.org": encoded}}]).encode()
    with pytest.raises(BundleError, match=r"trust bundle of example\.org: has no JWT authorities yet"):
        formats.parse_file(data, trust_domain=None, where="x")
