import ast
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.quoting import LONGEST, quote

CASES = {
    "plain": ("abc", "'abc'"),
    "quotes": ("it's", '"it\'s"'),
    "line break": ("a\nb", r"'a\nb'"),
    "terminal escape": ("\x1b[2J", r"'\x1b[2J'"),
    "bidi override": ("a\u202eb", r"'a\u202eb'"),
    "lone surrogate": ("\ud800", r"'\ud800'"),
    "beyond ASCII": ("ключ", r"'\u043a\u043b\u044e\u0447'"),
    "bytes": (b"\xff\n", r"b'\xff\n'"),
    "none": (None, "None"),
    "list": (["\n"], r"['\n']"),
    "as long as may be": ("x" * LONGEST, f"'{'x' * LONGEST}'"),
    "one too long": ("x" * (LONGEST + 1), f"'{'x' * (LONGEST - 1)}..."),
    "10 MB": ("x" * 10_000_000, f"'{'x' * (LONGEST - 1)}..."),
}


@pytest.mark.parametrize(("text", "shown"), CASES.values(), ids=CASES)
def test_text_from_outside_is_shown_escaped_and_shortened(text: object, shown: str) -> None:
    assert quote(text) == shown


def test_the_length_can_be_chosen() -> None:
    assert quote("abcdef", 3) == "'ab..."


def test_what_cannot_be_shown_is_named_by_its_type() -> None:
    nested: list[Any] = []
    for _ in range(100_000):
        nested = [nested]
    assert quote(nested) == "<list>"
    assert quote(10**10_000) == "<int>"


@given(st.text(st.characters(codec=None)) | st.binary() | st.floats() | st.lists(st.text()))
def test_a_quotation_is_one_short_line_of_printable_ascii(text: object) -> None:
    shown = quote(text)
    assert shown.isascii()
    assert shown.isprintable()
    assert len(shown) <= LONGEST + 3


@given(st.text(max_size=5))
def test_a_quotation_that_is_not_shortened_keeps_everything(text: str) -> None:
    assert ast.literal_eval(quote(text)) == text
