from pathlib import Path

import pytest

from publisher.settings.options import OPTIONS, named
from publisher.settings.values import BadValueError, duration, https_url, parse


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("60", 60), ("60s", 60), ("15m", 900), ("1h", 3600), ("7d", 604800), ("0", 0), ("007", 7)],
)
def test_durations(text: str, seconds: int) -> None:
    assert duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "s", "-1", "+1", "1.5h", "1 h", "1w", "1H", "1h30m", "\u0661", "1\n", "9999999999", "inf", "1e3"],
)
def test_what_is_no_duration(text: str) -> None:
    with pytest.raises(BadValueError, match="is not a duration"):
        duration(text)


GOOD = [
    ("jwks-max-age", "10s", 10),
    ("jwks-max-age", 10, 10),
    ("timeout", "1h", 3600),
    ("verify-url", "FALSE", False),
    ("verify-url", "0", False),
    ("verify-url", "on", True),
    ("verify-url", True, True),
    ("signing-algorithms", "ES384, RS256", ("RS256", "ES384")),
    ("signing-algorithms", ["ES256"], ("ES256",)),
    ("fail-on", "error", "error"),
    ("state-file", "a/b", Path("a/b")),
    ("sink", "gs://b", "gs://b"),
]


@pytest.mark.parametrize(("name", "value", "parsed"), GOOD)
def test_good_values(name: str, value: object, parsed: object) -> None:
    assert parse(named(name), value) == parsed


BAD = [
    ("jwks-max-age", "9s", "out of bounds"),
    ("jwks-max-age", "8d", "out of bounds"),
    ("jwks-max-age", True, "is a boolean"),
    ("jwks-max-age", -1, "is an integer"),
    ("jwks-max-age", 60.0, "is a number"),
    ("configuration-max-age", 9, "out of bounds"),
    ("timeout", "0", "out of bounds"),
    ("timeout", "2h", "out of bounds"),
    ("due-after", "0s", "out of bounds"),
    ("stale-after", "366d", "out of bounds"),
    ("verify-url", "maybe", "neither true nor false"),
    ("verify-url", "", "neither true nor false"),
    ("signing-algorithms", "", "is an empty list"),
    ("signing-algorithms", "RS256,none", "has the unknown name 'none'"),
    ("signing-algorithms", "ES256,ES256", "has ES256 more than once"),
    ("signing-algorithms", [], "is an empty list"),
    ("signing-algorithms", [1], "no list of strings"),
    ("signing-algorithms", 1, "no list of strings"),
    ("fail-on", "fatal", "is not one of info, warning, error"),
    ("state-file", "", "is empty"),
    ("state-file", "a\0b", "is not a path"),
    ("state-file", "a" * 5000, "is not a path"),
    ("sink", "", "is empty"),
    ("sink", {}, "is a table"),
]


@pytest.mark.parametrize(("name", "value", "what"), BAD)
def test_bad_values_say_what_is_right(name: str, value: object, what: str) -> None:
    with pytest.raises(BadValueError) as caught:
        parse(named(name), value)
    assert what in caught.value.what
    assert caught.value.remedy


@pytest.mark.parametrize("option", [option for option in OPTIONS if option.default], ids=lambda o: o.name)
def test_every_default_is_a_value(option: object) -> None:
    parse(option, option.default)  # type: ignore[attr-defined,arg-type]


@pytest.mark.parametrize("url", ["https://a", "https://a:8443/b?c=d", "https://[::1]/x"])
def test_https_urls(url: str) -> None:
    assert https_url(url) == url


@pytest.mark.parametrize(
    "url",
    ["", "http://a", "https://", "https://u:p@a", "https://a#f", "https://a b", "https://[", "https://a:x",
     "https://ä.example", "https://a/" + "x" * 600],
)  # fmt: skip
def test_what_is_no_https_url(url: str) -> None:
    with pytest.raises(BadValueError):
        https_url(url)
