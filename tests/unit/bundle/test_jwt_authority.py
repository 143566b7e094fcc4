from datetime import UTC, datetime

import pytest

from publisher.bundle.jwt_authority import JwtAuthority
from publisher.errors import BundleError
from tests import keys

KEY = keys.authority("a").key

HOSTILE = {
    "empty": "",
    "NUL": "a\0b",
    "line break": "a\n2026-01-01 ERROR forged",
    "terminal escape": "\x1b]0;owned\x07",
    "C1 control": "a\x9b2Jb",
    "lone surrogate": "a\ud800",
    "bidi override": "abc\u202edef",
    "bidi isolate": "abc\u2066def",
    "zero width space": "a\u200bb",
    "byte order mark": "\ufeffa",
    "line separator": "a\u2028b",
    "private use": "\ue000",
    "257 bytes": "k" * 257,
    "258 bytes in 129 characters": "é" * 129,
    "10 kB": "k" * 10_000,
}


@pytest.mark.parametrize("kid", HOSTILE.values(), ids=HOSTILE)
def test_a_hostile_kid_is_refused_and_never_shown_raw(kid: str) -> None:
    with pytest.raises(BundleError, match=r"not printable|more than 256") as refused:
        JwtAuthority(kid=kid, key=KEY)
    assert str(refused.value).isprintable()
    assert str(refused.value).isascii()
    assert len(str(refused.value)) < 300


@pytest.mark.parametrize("kid", ["x", "4Kb9qzPQEOTkFTEyNBmIiYcYPgBmWwwt", "k" * 256, "é" * 128, "../a?b#c d"])
def test_any_printable_kid_within_the_limit_is_kept_verbatim(kid: str) -> None:
    assert JwtAuthority(kid=kid, key=KEY).kid == kid


def test_expiry_and_taint_are_unknown_unless_given() -> None:
    assert (keys.authority("a").expires_at, keys.authority("a").tainted) == (None, None)
    expires_at = datetime(2026, 11, 1, tzinfo=UTC)
    known = keys.authority("a", expires_at=expires_at, tainted=False)
    assert (known.expires_at, known.tainted) == (expires_at, False)
