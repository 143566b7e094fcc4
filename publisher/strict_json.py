"""Read JSON that leaves no room for two readings; write one canonical form."""

import codecs
import json
import math
from collections.abc import Iterable
from typing import Any

from publisher.errors import PublisherError
from publisher.quoting import quote

LARGEST = 4 * 1024 * 1024
"""The most bytes that any document of ours or of SPIRE may have."""

DEEPEST = 32
"""The most objects and arrays within each other. The deepest document that we know has 4."""

_REMEDY = "look at what wrote this document"
_TOO_DEEP = f"nested more than {DEEPEST} deep"


class MalformedError(PublisherError):
    """Say why bytes are not one unambiguous JSON text. Parsers translate it to their own error."""


def loads(data: bytes, *, where: str, largest: int = LARGEST) -> Any:
    """Parse one JSON text (RFC 8259), strictly (RFC 7493, I-JSON).

    Refused: more than `largest` bytes, anything but UTF-8, a byte order mark (RFC 8259 section 8.1),
    duplicate members, `NaN`, infinities and numbers beyond a double (integers too), lone surrogates,
    nesting deeper than `DEEPEST`.

    Raises:
        MalformedError: with `where` as its place.

    """
    if len(data) > largest:
        raise MalformedError(where, f"{len(data)} bytes are more than the limit of {largest}", _REMEDY)
    if data.startswith(codecs.BOM_UTF8):
        raise MalformedError(where, "starts with a byte order mark, which JSON must not", _REMEDY)
    try:
        value = json.loads(
            data.decode("utf-8"),
            object_pairs_hook=_unique,
            parse_int=_integer,
            parse_float=_finite,
            parse_constant=_finite,
        )
        _refuse_depth(value)
        # A lone surrogate, written as an escape, parses but is no Unicode text and cannot be encoded.
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeDecodeError as error:
        raise MalformedError(where, f"not UTF-8 at byte {error.start}", _REMEDY) from error
    except UnicodeEncodeError as error:
        raise MalformedError(where, "a string holds half of a surrogate pair", _REMEDY) from error
    except json.JSONDecodeError as error:
        what = f"not JSON at line {error.lineno} column {error.colno}: {error.msg}"
        raise MalformedError(where, what, _REMEDY) from error
    except RecursionError as error:
        raise MalformedError(where, _TOO_DEEP, _REMEDY) from error
    except _AmbiguousError as error:
        raise MalformedError(where, str(error), _REMEDY) from error
    return value


def dumps(value: Any) -> bytes:
    """Serialise to the one form that we publish: members sorted, no white space, UTF-8.

    For our documents, whose member names are ASCII and whose numbers are integers, this is the
    JSON Canonicalization Scheme of RFC 8785.
    """
    return json.dumps(
        value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    ).encode()


class _AmbiguousError(ValueError):
    """Carry a sentence out of the hooks of `json.loads`."""


def _unique(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    members: dict[str, Any] = {}
    for name, value in pairs:
        if name in members:
            raise _AmbiguousError(f"the member {quote(name, 40)} appears twice in one object")
        members[name] = value
    return members


def _finite(digits: str) -> float:
    """Read a number with a fraction or exponent; `NaN` and `Infinity` come here too."""
    number = float(digits)
    if not math.isfinite(number):
        raise _AmbiguousError(f"the number {quote(digits, 40)} is not finite, or beyond a double")
    return number


def _integer(digits: str) -> int:
    _finite(digits)  # first: the time that int() takes grows with the square of the digits
    return int(digits)


def _refuse_depth(value: Any) -> None:
    """Refuse what a recursive reader of the value (a `repr`, an encoder) might not survive."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        level = [child for node in level for child in _children(node) if isinstance(child, dict | list)]
        if not level:
            return
    raise _AmbiguousError(_TOO_DEEP)


def _children(node: Any) -> Iterable[Any]:
    return node.values() if isinstance(node, dict) else node
