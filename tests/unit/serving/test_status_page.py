import base64
import hashlib
import re
from dataclasses import replace
from datetime import timedelta
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.findings import Severity
from publisher.publication.lead_time import KeyLeadTime
from publisher.serving.plain_time import DAY, duration, relative, tick
from publisher.serving.status import State
from publisher.serving.status_page import (
    CONTENT_SECURITY_POLICY,
    MOST_FINDINGS,
    MOST_KEYS_SHOWN,
    render_page,
)
from publisher.serving.status_style import STYLE
from tests import statuses
from tests.statuses import HOUR, NOW, STATUSES, key, serving, status

VOID = {"meta", "link", "br", "rect", "line", "circle", "path"}
ELEMENTS = VOID | {
    "html", "head", "title", "style", "body", "header", "footer", "main", "section", "div", "p", "h1",
    "h2", "h3", "b", "small", "code", "dl", "dt", "dd", "ol", "ul", "li", "time", "svg", "text",
    "details", "summary", "table", "thead", "tbody", "tr", "th", "td",
}  # fmt: skip
FETCHING = {"src", "srcset", "style", "action", "background", "ping", "poster", "xlink:href"}


class Page(HTMLParser):
    """Read a page strictly: each element is closed in its order, known, and fetches nothing."""

    def __init__(self, page: bytes) -> None:
        super().__init__()
        self.text, self.style, self.counts = "", "", dict.fromkeys(ELEMENTS, 0)
        self._open: list[str] = []
        self.labels: list[str] = []
        self.feed(page.decode())
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in ELEMENTS
        self.counts[tag] += 1
        if tag not in VOID:
            self._open.append(tag)
        names = [name for name, _ in attrs]
        assert len(set(names)) == len(names)
        for name, value in attrs:
            assert name not in FETCHING
            assert not name.startswith("on")
            assert name != "href" or (value or "").startswith("data:image/svg+xml;base64,")
            if name == "aria-label":
                self.labels.append(value or "")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attrs)
        assert tag in VOID

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self._open and self._open[-1] == "style":
            self.style += data
        else:
            self.text += data


@pytest.mark.parametrize("name", STATUSES)
def test_every_page_is_well_formed_accessible_and_fetches_nothing(name: str) -> None:
    page = render_page(STATUSES[name])
    read = Page(page)
    assert page.startswith(b'<!doctype html><html lang="en"><head><meta charset="utf-8">')
    assert read.counts["h1"] == read.counts["title"] == read.counts["main"] == 1
    assert read.counts["style"] == 1
    word = STATUSES[name].state.value.capitalize()
    assert read.text.startswith(f"{word}: ")
    bars = page.count(b'role="img"')
    assert len(read.labels) == bars
    assert read.counts["svg"] == bars + page.count(b'aria-hidden="true"')


@pytest.mark.parametrize("name", STATUSES)
def test_the_policy_allows_the_one_style_by_its_hash(name: str) -> None:
    digest = base64.b64encode(hashlib.sha256(Page(render_page(STATUSES[name])).style.encode()).digest())
    assert f"style-src 'sha256-{digest.decode()}';" in CONTENT_SECURITY_POLICY
    assert CONTENT_SECURITY_POLICY.startswith("default-src 'none'; ")
    assert "unsafe" not in CONTENT_SECURITY_POLICY
    assert "\n" not in CONTENT_SECURITY_POLICY


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("fresh", "Fresh|Confirmed lately. Nothing to do.|Served."),
        ("due", "Due|Somebody should see why.|Served."),
        ("stale", "Stale|Somebody must see why, now.|Served."),
        ("refused", "Stale|Not served.|answered 503"),
        ("invalid", "Invalid|the last good publication|Served.|no key of the new set|What to do:"),
        ("invalid from the start", "Invalid|no good publication was read before|Not served."),
        ("empty", "Empty|No good publication was read yet|Not served.|never|with the next request"),
    ],
)
def test_the_state_is_said_in_words(name: str, sentence: str) -> None:
    text = Page(render_page(STATUSES[name])).text
    for part in sentence.split("|"):
        assert part in text


def test_ages_are_in_plain_words_and_exact_times_beside_them() -> None:
    page = render_page(STATUSES["fresh"]).decode()
    text = Page(page.encode()).text
    assert "Confirmed3 min ago" in text
    assert "2026-07-31 14:00:22 UTC" in text
    assert "published 6 h ago, expires in 18 h" in text
    assert "published 30 h ago, expired 2 h ago" in text
    assert '<time datetime="2026-07-31T14:00:22Z"' in page
    labels = Page(page.encode()).labels
    assert labels[0] == "Freshness: confirmed 3 min ago, due in 12 min, stale in 57 min, refused in 23 h"
    assert (
        "Life of the key: first published 2026-07-31 08:03:22 UTC, expiry 2026-08-01 08:03:22 UTC" in labels
    )


def test_a_page_is_small_and_bounded() -> None:
    assert len(render_page(STATUSES["twelve keys"])) < 40_000
    many = render_page(STATUSES["two hundred keys"])
    read = Page(many)
    assert len(many) < 60_000
    assert f"and {200 - MOST_KEYS_SHOWN} older keys; the JSON form has all" in read.text
    assert read.counts["li"] == MOST_KEYS_SHOWN
    assert "key-199" in read.text
    hostile = render_page(STATUSES["hostile"])
    assert len(hostile) < 120_000
    assert f"and {5 * len(statuses.HOSTILE) - MOST_FINDINGS} more findings" in Page(hostile).text


def test_one_key_too_many_is_said_in_the_singular() -> None:
    keys = tuple(key(f"key-{n}", -n, n) for n in range(MOST_KEYS_SHOWN + 1))
    text = Page(render_page(status(State.FRESH, serving=serving(keys=keys)))).text
    assert "and 1 older key; the JSON form has all" in text


def test_hostile_text_is_shown_and_not_obeyed() -> None:
    page = render_page(STATUSES["hostile"])
    assert b"<script" not in page
    assert "</style><script>alert(1)</script>" in Page(page).text
    assert page.isascii()


def test_a_long_option_is_set_as_code() -> None:
    page = render_page(STATUSES["invalid"])
    assert b'<code class="option">--accept-disjoint-keys</code>' in page


@given(st.text(alphabet=st.characters(), max_size=200), st.text("<>&'\"=/ -abc\\\n", max_size=200))
def test_no_outside_text_breaks_the_page(one: str, other: str) -> None:
    bad = statuses.finding(Severity.WARNING, one, other)
    page = render_page(
        status(
            State.INVALID,
            issuer=one,
            place=other,
            version=one,
            findings=(bad, replace(bad, where=other, what=other, remedy=one)),
            serving=replace(
                serving(keys=(replace(key(one, -1, 1), alg=other), key(other, -1, 1))),
                trust_domain=other,
                source=one,
                publisher_version=other,
            ),
        )
    )
    assert page.isascii()
    assert Page(page).counts["li"] == 4


TIMES = st.none() | st.floats(-2_000_000, 2_000_000).map(lambda hours: round(hours, 3))


@given(st.lists(st.tuples(TIMES, TIMES), max_size=6), st.floats(-1e6, 1e6))
def test_whatever_the_times_all_is_drawn_within_the_picture(
    lives: list[tuple[float | None, float | None]], age: float
) -> None:
    keys = tuple(key(f"key-{number}", *life) for number, life in enumerate(lives))
    page = render_page(status(State.FRESH, serving=serving(timedelta(hours=age), keys))).decode()
    places = [float(place) for place in re.findall(r' (?:x|x1|x2|cx)="(-?[\d.]+)%"', page)]
    assert all(0 <= place <= 100 for place in places)
    widths = re.findall(r' x="(-?[\d.]+)%"[^>]* width="(-?[\d.]+)%"', page)
    assert all(float(width) > 0 and float(x) + float(width) <= 100.01 for x, width in widths)
    assert Page(page.encode()).counts["h1"] == 1


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s"), (59.9, "59 s"), (60, "1 min"), (3599, "59 min"), (3600, "1 h"), (2 * DAY - 1, "47 h"),
        (2 * DAY, "2 days"), (729 * DAY, "729 days"), (730 * DAY, "2 years"),
    ],
)  # fmt: skip
def test_a_duration_has_one_unit(seconds: float, words: str) -> None:
    assert duration(seconds) == words


def test_a_moment_is_before_after_or_now() -> None:
    assert relative(NOW - HOUR, NOW) == "1 h ago"
    assert relative(NOW + HOUR, NOW) == "in 1 h"
    assert relative(NOW + timedelta(milliseconds=900), NOW) == "just now"


def test_the_marks_of_the_axis_fit_their_distance() -> None:
    assert tick(NOW.replace(hour=6, minute=0), 6 * 3600) == "06:00"
    assert tick(NOW.replace(hour=0, minute=0), 6 * 3600) == "31 Jul"
    assert tick(NOW, DAY) == "31 Jul"
    assert tick(NOW, 30 * DAY) == "Jul 2026"


def test_the_text_has_contrast_in_light_and_in_dark() -> None:
    schemes = re.findall(r":root\{([^}]*)\}", STYLE)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+):(#\w+)", scheme))
        for text in ("ink", "soft", "good", "warn", "bad", "none"):
            for ground in ("paper", "card", "code"):
                assert _contrast(colours[text], colours[ground]) >= 4.5, (text, ground)
        for drawn in ("key", "ink", "soft"):
            assert _contrast(colours[drawn], colours["card"]) >= 3, drawn


def _contrast(one: str, other: str) -> float:
    light, dark = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def _luminance(colour: str) -> float:
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[place : place + 2], 16) / 255 for place in (0, 2, 4)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def test_a_margin_is_shown_where_it_is_known() -> None:
    lead = KeyLeadTime(kid="a", thumbprint="t", needed=timedelta(minutes=12), available=timedelta(0))
    keys = (replace(key("a", -1, 1), lead_time=lead), key("b", -1, 1))
    page = render_page(status(State.FRESH, serving=serving(keys=keys))).decode()
    assert page.count("margin -12 min,") == 1
    assert page.count("margin of its lead time -12 min") == 1
    Page(page.encode())
