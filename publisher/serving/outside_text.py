"""Text from outside, made fit for a page and for a label; and how a page counts what it holds back."""

from html import escape
from typing import Final

from publisher.quoting import LONGEST, quote

LONG_NAME: Final = 72
"""The most characters of a key's name on the page: two lines on a phone."""


def shown(text: str, longest: int = LONGEST) -> str:
    """Give text as it is where that is harmless, else `quote`d.

    Harmless: printable ASCII of at most `longest` characters. All else (line breaks, characters that turn
    the direction of writing, lone surrogates, look-alikes, endless text) is escaped and shortened, so that
    it can be encoded and cannot pass for something else.
    """
    return text if len(text) <= longest and text.isascii() and text.isprintable() else quote(text, longest)


def html(text: str, longest: int = LONGEST) -> str:
    """Give text as it may stand in HTML, between tags and between quotes of either kind."""
    return escape(shown(text, longest), quote=True)


def count(number: int) -> str:
    """Give the HTML of a number beside a heading."""
    return f' <small class="soft">{number:,}</small>'


def more(number: int, noun: str) -> str:
    """Give the HTML that says how many were left out; nothing where none was."""
    if number <= 0:
        return ""
    nouns = noun if number == 1 else f"{noun}s"
    return f'<p class="soft more">and {number:,} {nouns}; the JSON form has all</p>'
