import json
from datetime import timedelta

import pytest

from publisher.publication.document_set import Headers, StoredObject
from publisher.publication.found import FoundKeys, cached_for, shown
from tests import keys


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"keys":null}', b'{"keys":{}}', b"\xff", b"<html>"])
def test_what_is_no_jwk_set_has_no_keys(body: bytes) -> None:
    assert FoundKeys.parse(body, where="keys") is None


def test_anything_in_a_set_is_identified_or_a_stranger() -> None:
    odd = [
        keys.jwk("a", use="jwt-svid"),
        {name: value for name, value in keys.jwk("b").items() if name != "kid"},
        {"kty": "oct", "k": "AAAA"},
        7,
    ]
    found = FoundKeys.parse(json.dumps({"keys": odd}).encode(), where="keys")
    assert found is not None
    assert [key.kid for key in found.identified] == ["a", "keys[1]"]
    assert found.thumbprints == {keys.authority(kid).key.thumbprint for kid in ("a", "b")}
    assert len(found.strangers) == 2


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        (None, 3600),
        (Headers(content_type=None, cache_control=None), 3600),
        (Headers(content_type=None, cache_control="public, max-age=60"), 60),
        (Headers(content_type=None, cache_control="no-store"), 0),
        (Headers(content_type=None, cache_control="public"), 3600),
    ],
)
def test_caches_keep_an_object_for_its_own_max_age(headers: Headers | None, seconds: int) -> None:
    stored = StoredObject(path="keys", body=b"", generation="1", headers=headers)
    assert cached_for(stored) == timedelta(seconds=seconds)


def test_names_from_outside_are_few_and_escaped() -> None:
    assert shown(["a", "\x1b[2J"]) == "'a', '\\x1b[2J'"
    assert shown("abcdefg") == "'a', 'b', 'c', 'd', 'e' and 2 more"
