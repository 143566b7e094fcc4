"""`docs/findings.md` explains every code of the source, and no other."""

import re
from collections import Counter

import pytest

from publisher.publication import reports, rules
from tests.docs.codes import CODE, ROOT, severities_by_code, titles_by_code
from tests.docs.pages import page

PAGE = page("docs/findings.md")
EXPLAINED = [heading for heading in PAGE.headings() if CODE.fullmatch(heading)]
SECTIONS = PAGE.sections()
SEVERITIES = severities_by_code()
TITLES = titles_by_code()
_SEVERITY = re.compile(
    r"\*\*(?P<title>[^*]+)\.\*\* (?P<severity>[a-z]+(?: or [a-z]+)?)(?P<refusal>, refusal)?"
)


def test_every_code_of_the_source_is_explained_and_no_other() -> None:
    assert sorted(EXPLAINED) == sorted(SEVERITIES)


def test_no_code_is_explained_twice() -> None:
    assert [code for code, count in Counter(EXPLAINED).items() if count > 1] == []


def test_the_reading_of_the_source_misses_no_code() -> None:
    quoted = {
        code
        for path in (ROOT / "publisher").rglob("*.py")
        for code in re.findall(r'"([A-Z]{3}[0-9]{3})"', path.read_text())
    }
    assert quoted == set(SEVERITIES)


@pytest.mark.parametrize("code", EXPLAINED)
def test_a_code_is_explained_by_title_severity_meaning_cause_and_remedy(code: str) -> None:
    head, *items = SECTIONS[code].strip().split("\n- ")
    match = _SEVERITY.fullmatch(head.strip())
    assert match, head
    assert match["title"] == TITLES.get(code, match["title"])
    assert set(match["severity"].split(" or ")) == SEVERITIES[code]
    assert [item.partition(" ")[0] for item in items] == ["**Meaning:**", "**Cause:**", "**Remedy:**"]
    assert all(len(item.split()) > 2 for item in items)


def test_the_refusals_are_named_as_such() -> None:
    named = {code for code in EXPLAINED if ", refusal" in SECTIONS[code]}
    assert set(rules.OVERRIDE_OF) < named
    assert named - set(rules.OVERRIDE_OF) == {"ROT003", "ROT004", "ROT005"}


@pytest.mark.parametrize(("code", "option"), sorted(rules.OVERRIDE_OF.items()))
def test_a_refusal_that_can_be_overridden_says_how(code: str, option: str) -> None:
    assert f"--{option}" in SECTIONS[code]


def test_the_runbook_has_an_answer_to_every_sign_of_tampering() -> None:
    section = page("docs/runbook.md").section("Tampering")
    assert {code for code in reports.TAMPERING if code in section} == reports.TAMPERING
