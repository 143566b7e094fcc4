import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.strict_json import DEEPEST, LARGEST, MalformedError, dumps, loads

REFUSED = {
    "empty": (b"", "not JSON at line 1 column 1"),
    "not JSON": (b"-----BEGIN PUBLIC KEY-----", "not JSON at line 1 column 1"),
    "truncated": (b'{"keys":\n [', "not JSON at line 2 column 3"),
    "two texts": (b"{}{}", "Extra data"),
    "single quotes": (b"{'keys': []}", "not JSON"),
    "trailing comma": (b"[1,]", "not JSON"),
    "comment": (b"[] // all", "not JSON"),
    "raw control character": (b'"a\nb"', "not JSON"),
    "not UTF-8": (b'{"kid":"\xff"}', "not UTF-8 at byte 8"),
    "UTF-16 of PowerShell": ('{"keys":[]}'.encode("utf-16"), "not UTF-8 at byte 0"),
    "UTF-16 without mark": ("{}".encode("utf-16-le"), "not JSON"),
    "surrogate in UTF-8": (b'"\xed\xa0\x80"', "not UTF-8 at byte 1"),
    "overlong UTF-8": (b'"\xc0\xaf"', "not UTF-8 at byte 1"),
    "byte order mark": (b"\xef\xbb\xbf{}", "starts with a byte order mark"),
    "duplicate member": (b'{"a":1,"a":1}', "the member 'a' appears twice"),
    "duplicate member spelled otherwise": (rb'{"kid":1,"\u006bid":2}', "the member 'kid' appears twice"),
    "duplicate member far below": (b'[{"keys":[{"a":1,"b":2,"a":3}]}]', "the member 'a' appears twice"),
    "NaN": (b"[NaN]", "'NaN' is not finite"),
    "infinity": (b"[-Infinity]", "'-Infinity' is not finite"),
    "beyond a double": (b"[1e999]", "'1e999' is not finite"),
    "integer of 10,000 digits": (b"9" * 10_000, "beyond a double"),
    "integer beyond a double": (b"1" + b"0" * 309, "beyond a double"),
    "half a surrogate pair": (rb'{"kid":"\ud800"}', "half of a surrogate pair"),
    "half a surrogate pair as a name": (rb'{"\udfff":0}', "half of a surrogate pair"),
    "one array too deep": (b"[" * (DEEPEST + 1) + b"]" * (DEEPEST + 1), "nested more than 32 deep"),
    "one object too deep": (b'{"a":' * (DEEPEST + 1) + b"0" + b"}" * (DEEPEST + 1), "nested more than 32"),
    "200,000 open brackets": (b"[" * 200_000, "nested more than 32 deep"),
    "200,000 arrays": (b"[" * 200_000 + b"]" * 200_000, "nested more than 32 deep"),
    "200,000 objects": (b'{"a":' * 200_000 + b"0" + b"}" * 200_000, "nested more than 32 deep"),
    "4 MiB of brackets": (b"[" * LARGEST, "nested more than 32 deep"),
}


@pytest.mark.parametrize(("data", "what"), REFUSED.values(), ids=REFUSED)
def test_what_has_two_readings_or_none_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(MalformedError) as refused:
        loads(data, where="file:x")
    assert refused.value.where == "file:x"
    assert what in refused.value.what
    assert refused.value.remedy
    assert len(str(refused.value)) < 300


def test_a_document_of_the_limit_is_read_and_one_byte_more_is_not() -> None:
    assert loads(b"[]".ljust(LARGEST), where="x") == []
    with pytest.raises(MalformedError, match="4194305 bytes are more than the limit of 4194304"):
        loads(b"[]".ljust(LARGEST + 1), where="x")
    with pytest.raises(MalformedError, match="3 bytes are more than the limit of 2"):
        loads(b"[ ]", where="x", largest=2)


READ: dict[str, tuple[bytes, Any]] = {
    "object": (b' {"a": [1, -2.5, true, null, "\\u00e9"]}\n', {"a": [1, -2.5, True, None, "é"]}),
    "whole surrogate pair": (rb'"\ud83d\udd11"', "\U0001f511"),
    "same name in two objects": (b'[{"a":1},{"a":2}]', [{"a": 1}, {"a": 2}]),
    "64 bits": (b"18446744073709551615", 2**64 - 1),
    "largest double": (b"1" + b"0" * 308, 10**308),
    "deepest": (b'[{"a":' * (DEEPEST // 2) + b"0" + b"}]" * (DEEPEST // 2), None),
}


@pytest.mark.parametrize(("data", "value"), READ.values(), ids=READ)
def test_one_unambiguous_text_is_read(data: bytes, value: Any) -> None:
    assert loads(data, where="x") == (value if value is not None else json.loads(data))


def test_integers_stay_integers() -> None:
    assert type(loads(b"1", where="x")) is int
    assert type(loads(b"1.0", where="x")) is float


def test_a_hostile_member_name_is_quoted() -> None:
    data = json.dumps({"\x1b[2J" + "x" * 9999: 1}).replace("}", ',"\\u001b[2J' + "x" * 9999 + '":2}').encode()
    with pytest.raises(MalformedError) as refused:
        loads(data, where="x")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 200


def test_the_canonical_form_is_sorted_dense_utf8() -> None:
    assert dumps({"b": [1, None], "a": "é\n"}) == '{"a":"é\\n","b":[1,null]}'.encode()


def test_what_is_no_json_is_not_written() -> None:
    with pytest.raises(ValueError, match="JSON compliant"):
        dumps(float("nan"))


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda children: st.lists(children, max_size=4) | st.dictionaries(st.text(), children, max_size=4),
    max_leaves=12,
)


@given(VALUES)
def test_what_was_written_is_read_as_it_was(value: Any) -> None:
    assert loads(dumps(value), where="x") == value


@given(VALUES)
def test_the_canonical_form_does_not_depend_on_how_the_value_was_spelled(value: Any) -> None:
    for spelled in (json.dumps(value), json.dumps(value, indent=2, ensure_ascii=False)):
        assert dumps(loads(spelled.encode(), where="x")) == dumps(value)


@given(st.dictionaries(st.text(), VALUES, min_size=2))
def test_the_order_of_members_never_changes_the_bytes(members: dict[str, Any]) -> None:
    assert dumps(dict(reversed(members.items()))) == dumps(members)


@given(st.binary() | st.text(alphabet='[]{}",:0e9NaN \\ud', max_size=40).map(str.encode))
def test_bytes_from_outside_raise_nothing_else(data: bytes) -> None:
    try:
        value = loads(data, where="x")
    except MalformedError as error:
        message = str(error)
    else:
        message = ""
        assert json.loads(data) == value
    assert not message or message.isprintable()
