from datetime import timedelta

import pytest

from publisher.findings import Severity
from publisher.publication import answers
from publisher.publication.answers import Answer, Kind
from tests.doubles import NOON

E, W, I = Severity.ERROR, Severity.WARNING, Severity.INFO  # noqa: E741 (columns of the table)
JSON = {"content-type": "application/json", "cache-control": "public, max-age=60"}
NOON_TEXT, LATER = "Sun, 22 Nov 2026 12:00:00 GMT", "Sun, 22 Nov 2026 12:02:00 GMT"


def answer(kind: Kind = Kind.JWKS, status: int = 200, /, **headers: str | None) -> Answer:
    """Give an answer as we want it served, its headers overlaid; one of value None is absent."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    kept = {name: value for name, value in {**JSON, **named}.items() if value is not None}
    return Answer(url="https://issuer.example/x", kind=kind, status=status, headers=kept, read_at=NOON)


CASES: dict[str, tuple[Answer, list[tuple[str, Severity]]]] = {
    "as published": (answer(), []),
    "moved": (answer(Kind.JWKS, 301, location="https://x/\n"), [("WEB002", E)]),
    "not modified": (answer(Kind.JWKS, 304), [("WEB002", E)]),
    "absent": (answer(Kind.JWKS, 404, content_type="text/html"), [("WEB003", E)]),
    "forbidden, as buckets say absent": (answer(Kind.JWKS, 403), [("WEB003", E)]),
    "broken": (answer(Kind.JWKS, 500), [("WEB003", E)]),
    "no content": (answer(Kind.JWKS, 204), [("WEB003", E)]),
    "charset": (answer(content_type='Application/JSON; charset="UTF-8"'), []),
    "no Content-Type": (answer(content_type=None), [("WEB004", E)]),
    "octet-stream": (answer(content_type="application/octet-stream"), [("WEB004", E)]),
    "jwk-set": (answer(content_type="application/jwk-set+json"), [("WEB004", E)]),
    "Latin 1": (answer(content_type="application/json; charset=iso-8859-1"), [("WEB004", E)]),
    "no Cache-Control": (answer(cache_control=None), [("WEB005", W)]),
    "Cache-Control without lifetime": (answer(cache_control="public"), [("WEB005", W)]),
    "no-store": (answer(cache_control="no-store"), [("WEB006", W)]),
    "no-cache": (answer(cache_control="No-Cache, max-age=60"), [("WEB006", W)]),
    "max-age=0": (answer(cache_control="max-age=0"), [("WEB006", W)]),
    "max-age is no number": (answer(cache_control="max-age=soon"), [("WEB006", W)]),
    "expired": (answer(cache_control=None, expires="0"), [("WEB006", W)]),
    "configuration not cached": (answer(Kind.CONFIGURATION, 200, cache_control="no-store"), []),
    "manifest not cached": (answer(Kind.MANIFEST, 200, cache_control="no-store"), []),
    "five minutes": (answer(cache_control="max-age=300"), []),
    "six minutes": (answer(cache_control='max-age="360"'), [("WEB007", I)]),
    "Cloud Storage's default": (answer(cache_control="public, max-age=3600"), [("WEB007", W)]),
    "an hour in shared caches": (answer(cache_control="max-age=60, s-maxage=3600"), [("WEB007", W)]),
    "for ever": (answer(cache_control="max-age=9999999999"), [("WEB007", W)]),
    "young": (answer(age="60"), []),
    "too old": (answer(age="61"), [("WEB008", W)]),
    "an age that is none": (answer(age="-1"), []),
    "an age without lifetime": (answer(age="99", cache_control=None), [("WEB005", W)]),
    "identity": (answer(content_encoding="identity"), []),
    "gzip": (answer(content_encoding="GZIP"), [("WEB009", E)]),
}


@pytest.mark.parametrize(("given", "expected"), CASES.values(), ids=CASES)
def test_each_rule(given: Answer, expected: list[tuple[str, Severity]]) -> None:
    found = answers.judge(given)
    assert [(finding.code, finding.severity) for finding in found] == expected
    assert all(finding.where == given.url and finding.what and finding.remedy for finding in found)
    assert all(str(finding).isprintable() for finding in found)


def test_every_code_has_a_case() -> None:
    reached = {code for _, expected in CASES.values() for code, _ in expected}
    assert reached | {"WEB001", "WEB010"} == set(answers.CODES)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"cache_control": "max-age=60"}, 60),
        ({"cache_control": "max-age=60, max-age=10"}, 60),  # the first of two counts
        ({"cache_control": "max-age=60", "expires": "0"}, 60),  # RFC 9111 section 5.3
        ({"cache_control": "s-maxage=5"}, 5),
        ({"cache_control": "max-age=" + "9" * 5000}, 0),
        ({"cache_control": None, "expires": LATER, "date": NOON_TEXT}, 120),
        ({"cache_control": None, "expires": LATER}, 120),
        ({"cache_control": None, "expires": LATER, "date": "yesterday"}, 120),
        ({"cache_control": None, "expires": NOON_TEXT, "date": LATER}, 0),
        ({"cache_control": None, "expires": "Sun, 22 Nov 2026 12:02:00 -0000"}, 120),
        ({"cache_control": None, "expires": f"Sun, 22 Nov {'9' * 30} 12:02:00 GMT"}, 0),
        ({"cache_control": None}, None),
        ({"cache_control": ",=,private"}, None),
    ],
)
def test_lifetime(headers: dict[str, str | None], seconds: int | None) -> None:
    expected = None if seconds is None else timedelta(seconds=seconds)
    assert answer(**headers).lifetime == expected


def test_last_modified() -> None:
    assert answer(last_modified=NOON_TEXT).last_modified == NOON
    assert answer(last_modified="x").last_modified is None
    assert answer().last_modified is None


def test_the_codes_of_an_absent_object() -> None:
    assert [status for status in range(200, 600) if answer(Kind.JWKS, status).is_absent] == [403, 404, 410]
