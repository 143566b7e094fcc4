"""Attribute mappings: nobody shares a subject, nobody from elsewhere comes in."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import PublisherError
from publisher.gcp.cel import CelError, refuse_unbalanced, string_literal
from publisher.gcp.mapping import Assertion, Attribute, AttributeMapping, MappingError, Prefix, must_cut
from publisher.gcp.provider_name import Provider
from tests.google.cel import evaluate

DOMAIN = TrustDomain.parse("example.org")
PROVIDER = Provider(project_number="123456789", pool_id="spire-pool", provider_id="spire")

segments = st.from_regex(r"[A-Za-z0-9._-]{1,12}", fullmatch=True).filter(lambda part: part not in {".", ".."})
paths = st.lists(segments, min_size=1, max_size=5).map("/".join)


def mapping(path: str = "/", *, cut: bool = False, x509: bool = False, **others: Any) -> AttributeMapping:
    return AttributeMapping(
        assertion=Assertion.X509 if x509 else Assertion.JWT,
        prefix=Prefix(trust_domain=DOMAIN, path=path),
        cut=cut,
        **others,
    )


def values_of(made: AttributeMapping, spiffe_id: str, **claims: Any) -> dict[str, Any]:
    if made.assertion is Assertion.JWT:
        return {"assertion": {"sub": spiffe_id, **claims}}
    return {"assertion": {"san": {"uri": spiffe_id}, **claims}}


def attributes_of(made: AttributeMapping, spiffe_id: str) -> dict[str, Any]:
    values = values_of(made, spiffe_id)
    return {name: evaluate(expression, values) for name, expression in made.expressions.items()}


def lets_in(made: AttributeMapping, spiffe_id: str, **claims: Any) -> bool:
    return evaluate(made.condition, values_of(made, spiffe_id, **claims)) is True


@pytest.mark.parametrize("x509", [False, True])
@pytest.mark.parametrize("cut", [False, True])
@given(one=paths, other=paths)
def test_two_spiffe_ids_have_two_subjects(cut: bool, x509: bool, one: str, other: str) -> None:
    made = mapping(cut=cut, x509=x509)
    ids = [f"spiffe://example.org/{path}" for path in (one, other)]
    subjects = [attributes_of(made, spiffe_id)["google.subject"] for spiffe_id in ids]
    assert subjects == [made.subject(spiffe_id) for spiffe_id in ids]
    assert (subjects[0] == subjects[1]) is (one == other)
    assert all(lets_in(made, spiffe_id) for spiffe_id in ids)


@pytest.mark.parametrize(
    "stranger",
    [
        "spiffe://example.org",
        "spiffe://example.org.attacker.example/web",
        "spiffe://example.orgx/web",
        "spiffe://other.example/spiffe://example.org/web",
        "https://example.org/web",
        "",
    ],
)
@pytest.mark.parametrize("cut", [False, True])
def test_strangers_are_not_let_in(stranger: str, cut: bool) -> None:
    assert not lets_in(mapping(cut=cut), stranger)
    with pytest.raises(MappingError, match=r"is none below spiffe://example\.org/"):
        mapping(cut=cut).subject(stranger)


def test_a_path_prefix_is_pinned_at_a_segment() -> None:
    made = mapping("/ns/prod/", cut=True)
    assert lets_in(made, "spiffe://example.org/ns/prod/sa/web")
    assert not lets_in(made, "spiffe://example.org/ns/production/sa/web")
    assert not lets_in(made, "spiffe://example.org/ns/prod")
    assert attributes_of(made, "spiffe://example.org/ns/prod/sa/web")["google.subject"] == "sa/web"


@pytest.mark.parametrize(
    "path", ["", "ns/", "/ns", "//", "/a//b/", "/../", "/a'/", "/{x}/", "/" + "x" * 1024 + "/"]
)
def test_other_prefixes_are_refused(path: str) -> None:
    with pytest.raises(MappingError, match="is no beginning of paths"):
        Prefix(trust_domain=DOMAIN, path=path)


def test_the_condition_of_somebody_adds_to_ours_and_cannot_loosen_it() -> None:
    made = mapping(extra_condition="assertion.level == 'high' || assertion.level == 'top'")
    stranger = "spiffe://attacker.example/web"
    assert lets_in(made, "spiffe://example.org/web", level="top")
    assert not lets_in(made, "spiffe://example.org/web", level="low")
    assert not lets_in(made, stranger, level="top")


@pytest.mark.parametrize(
    "extra",
    [
        "",
        "  ",
        "true) || (true",
        "true // ",
        "(true",
        "true)",
        "[1)",
        "'x",
        "'''x'",
        "a\nb",
        r"'\'",
        'r"\\" + "',
        "x['a'",
    ],
)
def test_what_would_not_stay_in_its_parentheses_is_refused(extra: str) -> None:
    with pytest.raises(CelError):
        refuse_unbalanced(extra)


@pytest.mark.parametrize(
    "extra",
    [
        "assertion.aud == ')'",
        r"assertion.x == 'it\'s (so'",
        r"assertion.x.matches(r'\(')",
        'assertion.x == "//"',
        "assertion.x in ['a', \"b\"]",
        "assertion.x == '''a'b(c'''",
        r"bar'\''  == 'x'",
        "has(assertion.x) && size(assertion.x) > 0",
    ],
)
def test_what_stays_there_is_taken(extra: str) -> None:
    refuse_unbalanced(extra)
    assert mapping(extra_condition=extra).condition.endswith(f" && ({extra})")


def test_a_condition_that_google_would_not_take_is_refused() -> None:
    longest = 4096 - len(mapping(extra_condition="x").condition) + 1
    assert len(mapping(extra_condition="x" * longest).condition) == 4096
    with pytest.raises(MappingError, match="has 4097 characters"):
        mapping(extra_condition="x" * (longest + 1))


@given(st.text(max_size=20).filter(str.isprintable))
def test_a_literal_of_ours_means_its_text(text: str) -> None:
    assert evaluate(string_literal(text), {}) == text


def test_a_literal_has_no_control_characters() -> None:
    with pytest.raises(CelError, match="not printable"):
        string_literal("a\nb")


@pytest.mark.parametrize(
    ("longest", "path", "cut"),
    [(0, "/", False), (127, "/", False), (128, "/", True), (148, "/", True), (156, "/ns/prod/", True)],
)
def test_how_long_the_ids_are_decides_what_the_subject_is(longest: int, path: str, cut: bool) -> None:
    assert must_cut(Prefix(trust_domain=DOMAIN, path=path), longest) is cut


def test_ids_that_do_not_fit_are_refused_and_not_made_one() -> None:
    with pytest.raises(MappingError, match=r"149 bytes.*128 bytes follow") as refused:
        must_cut(Prefix(trust_domain=DOMAIN), 149)
    assert "split" in refused.value.remedy
    assert "--path-prefix" in refused.value.remedy


def test_a_subject_that_sts_would_refuse_is_refused_here() -> None:
    spiffe_id = "spiffe://example.org/" + "x" * 107
    with pytest.raises(MappingError, match=r"128 bytes.*--longest-spiffe-id 128"):
        mapping().subject(spiffe_id)
    assert mapping(cut=True).subject(spiffe_id) == "x" * 107


@given(path=paths)
def test_attributes_are_cut_from_the_first_character_on(path: str) -> None:
    made = mapping(attributes=(Attribute.parse("/ns/{namespace}/sa/"), Attribute.parse("/env/{stage}")))
    found = attributes_of(made, f"spiffe://example.org/{path}/ns/stolen/sa/x")
    assert found["attribute.trust_domain"] == "example.org"
    if not path.startswith("ns/"):
        assert found["attribute.namespace"] == ""
    assert attributes_of(made, "spiffe://example.org/ns/prod/sa/web")["attribute.namespace"] == "prod"
    assert attributes_of(made, "spiffe://example.org/env/a/b")["attribute.stage"] == "a/b"


@pytest.mark.parametrize(
    "template",
    [
        "",
        "ns/{x}",
        "/ns/{X}",
        "/ns/{x}y",
        "/{a}/{b}",
        "/ns/{}",
        "/ns//{x}",
        "/'{x}",
        "/ns/{trust_domain}",
        "/{x}//",
    ],
)
def test_other_templates_are_refused(template: str) -> None:
    with pytest.raises(MappingError, match="is no template of a path"):
        Attribute.parse(template)


def test_an_attribute_is_named_once() -> None:
    with pytest.raises(MappingError, match="one attribute twice"):
        mapping(attributes=(Attribute.parse("/a/{x}"), Attribute.parse("/b/{x}")))


def test_members() -> None:
    made = mapping(cut=True, attributes=(Attribute.parse("/ns/{namespace}/"),))
    assert made.member(PROVIDER, "spiffe://example.org/web").endswith("/spire-pool/subject/web")
    assert made.member(PROVIDER, "attribute.namespace=prod").endswith("/attribute.namespace/prod")


@pytest.mark.parametrize(
    "grant",
    [
        "web",
        "attribute.stage=x",
        "namespace=x",
        "google.subject=x",
        "attribute.namespace",
        "attribute.namespace=",
        "spiffe://b/c",
    ],
)
def test_no_member_for_what_the_mapping_does_not_make(grant: str) -> None:
    with pytest.raises(PublisherError):
        mapping(attributes=(Attribute.parse("/ns/{namespace}/"),)).member(PROVIDER, grant)
