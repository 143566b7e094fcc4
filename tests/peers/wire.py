"""Just enough of the protobuf encoding to speak to SPIRE without generated code.

The tests' own client is written by hand so that it shares nothing with the publisher's stubs: it is their
oracle, and two generated files of the same messages would clash in one process's descriptor pool.
"""

from collections.abc import Iterator, Mapping

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
Value = int | bytes


def fields(message: bytes) -> Iterator[tuple[int, Value]]:
    """Give number and value of every field, in order; a length-delimited one as bytes.

    Raises:
        ValueError: that is no protobuf message.

    """
    position = 0
    while position < len(message):
        tag, position = _varint(message, position)
        number, kind = tag >> 3, tag & 7
        if kind == _VARINT:
            value, position = _varint(message, position)
            yield number, value
            continue
        size = {_FIXED64: 8, _FIXED32: 4}.get(kind)
        if kind == _BYTES:
            size, position = _varint(message, position)
        if size is None or position + size > len(message):
            raise ValueError(f"no protobuf message: field {number} of wire type {kind}")
        yield number, message[position : position + size]
        position += size


def texts(message: bytes, number: int) -> list[bytes]:
    """Give every length-delimited value of that field."""
    return [value for found, value in fields(message) if found == number and isinstance(value, bytes)]


def number(message: bytes, wanted: int) -> int:
    """Give the last varint of that field; 0, protobuf's default, where there is none."""
    found = [value for at, value in fields(message) if at == wanted and isinstance(value, int)]
    return found[-1] if found else 0


def text(message: bytes, wanted: int) -> str:
    """Give the last string of that field; empty where there is none."""
    found = texts(message, wanted)
    return found[-1].decode() if found else ""


def encode(message: Mapping[int, Value | str | list[str]]) -> bytes:
    """Encode one message, given by field number."""
    return b"".join(
        _field(at, value)
        for at, given in message.items()
        for value in (given if isinstance(given, list) else [given])
    )


def _field(at: int, value: Value | str) -> bytes:
    if isinstance(value, int):
        return _encode_varint(at << 3 | _VARINT) + _encode_varint(value)
    data = value.encode() if isinstance(value, str) else value
    return _encode_varint(at << 3 | _BYTES) + _encode_varint(len(data)) + data


def _encode_varint(value: int) -> bytes:
    encoded = bytearray()
    while value > 0x7F:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*encoded, value])


def _varint(message: bytes, position: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if position >= len(message) or shift > 63:
            raise ValueError("no protobuf message: it ends inside a number")
        byte = message[position]
        value |= (byte & 0x7F) << shift
        position, shift = position + 1, shift + 7
        if byte < 0x80:
            return value, position
