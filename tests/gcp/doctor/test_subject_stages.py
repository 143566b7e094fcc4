"""Subject and condition worked out here: what `gcp setup` makes, and what is left to Google."""

from collections.abc import Mapping
from typing import Any

import pytest

from publisher.bundle.trust_domain import TrustDomain
from publisher.gcp.doctor.provider import ProviderSeen
from publisher.gcp.doctor.stage import Result
from publisher.gcp.doctor.subject import look_at_condition, look_at_subject
from publisher.gcp.mapping import Assertion, AttributeMapping, Prefix

ME = "spiffe://example.org/ns/prod/app"


def shown(mapping: Mapping[str, Any], condition: str = "") -> ProviderSeen:
    return ProviderSeen(body={"attributeMapping": mapping, "attributeCondition": condition})


@pytest.mark.parametrize("assertion", list(Assertion))
@pytest.mark.parametrize("cut", [True, False])
@pytest.mark.parametrize("path", ["/", "/ns/prod/"])
def test_what_setup_makes_is_worked_out_as_setup_means_it(assertion: Assertion, cut: bool, path: str) -> None:
    prefix = Prefix(trust_domain=TrustDomain.parse("example.org"), path=path)
    made = AttributeMapping(assertion=assertion, prefix=prefix, cut=cut)
    provider = shown(made.expressions, made.condition)
    seen, subject = look_at_subject(ME, assertion, provider)
    assert seen.result is Result.OK
    assert subject == made.subject(ME)
    assert look_at_condition(ME, assertion, provider).result is Result.OK
    outside = "spiffe://example.org.attacker.example/ns/prod/app"
    assert look_at_condition(outside, assertion, provider).result is Result.BROKEN


@pytest.mark.parametrize(
    ("expression", "result"),
    [
        ("assertion.sub.extract('/ns/{x}/')", "prod"),
        ("assertion.sub.extract('/env/{x}/')", None),
        ("assertion.sub.extract('{x}')", ME),
        ("assertion.san.uri", ...),
        ("assertion.sub + 'x'", ...),
        (None, ...),
    ],
)
def test_other_mappings(expression: str | None, result: object) -> None:
    seen, subject = look_at_subject(ME, Assertion.JWT, shown({"google.subject": expression}))
    wanted = Result.UNKNOWN if result is ... else Result.BROKEN if result is None else Result.OK
    assert seen.result is wanted
    assert subject == (None if result is ... else result)


@pytest.mark.parametrize(
    ("condition", "result"),
    [
        ("", Result.OK),
        ("assertion.sub.startsWith('spiffe://other.example/') && (true)", Result.BROKEN),
        ("assertion.sub.startsWith('spiffe://other.example/') && (true) || (true)", Result.UNKNOWN),
        ("assertion.sub.startsWith('spiffe://example.org/') && (true)", Result.UNKNOWN),
        ("assertion.san.uri.startsWith('spiffe://other.example/')", Result.UNKNOWN),
        ("true", Result.UNKNOWN),
    ],
)
def test_other_conditions(condition: str, result: Result) -> None:
    seen = look_at_condition(ME, Assertion.JWT, shown({}, condition))
    assert seen.result is result
    assert bool(seen.notes) is (condition == "")


def test_the_bytes_of_a_subject_are_counted_even_without_its_mapping() -> None:
    seen, _ = look_at_subject("spiffe://example.org/" + "a" * 200, Assertion.JWT, ProviderSeen())
    assert seen.result is Result.UNKNOWN
    assert "221 bytes" in seen.said
