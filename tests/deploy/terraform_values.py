"""Read the values that Terraform sends a provider: MessagePack, as far as Terraform writes it."""

import struct
from collections.abc import Callable
from typing import Any

UNKNOWN = "<unknown>"
"""Stands for a value that is not known before the apply."""


class Reader:
    """Read one value from its bytes."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed
        self._position = 0

    def value(self) -> Any:
        """Read the value at the position: None, a bool, number, str, list or dict, or `UNKNOWN`.

        Raises:
            ValueError: a kind of value that Terraform does not write.

        """
        first = self._size(1)
        for low, high, read in KINDS:
            if low <= first <= high:
                return read(self, first - low)
        raise ValueError(f"no value begins with {first:#x}")

    def _take(self, count: int) -> bytes:
        self._position += count
        return self._packed[self._position - count : self._position]

    def _size(self, count: int) -> int:
        return int.from_bytes(self._take(count), "big")

    def _signed(self, power: int) -> int:
        return int.from_bytes(self._take(1 << power), "big", signed=True)

    def _text(self, count: int) -> str:
        return self._take(count).decode()

    def _array(self, count: int) -> list[Any]:
        return [self.value() for _ in range(count)]

    def _map(self, count: int) -> dict[str, Any]:
        return {self.value(): self.value() for _ in range(count)}

    def _unknown(self, count: int) -> str:
        self._take(count + 1)  # the extension's kind, and perhaps what is known about the value all the same
        return UNKNOWN


KINDS: tuple[tuple[int, int, Callable[[Reader, int], Any]], ...] = (
    (0x00, 0x7F, lambda _, number: number),
    (0x80, 0x8F, Reader._map),
    (0x90, 0x9F, Reader._array),
    (0xA0, 0xBF, Reader._text),
    (0xC0, 0xC0, lambda _, __: None),
    (0xC2, 0xC3, lambda _, second: bool(second)),
    (0xC7, 0xC7, lambda reader, _: reader._unknown(reader._size(1))),
    (0xCB, 0xCB, lambda reader, _: struct.unpack(">d", reader._take(8))[0]),
    (0xCC, 0xCF, lambda reader, power: reader._size(1 << power)),
    (0xD0, 0xD3, Reader._signed),
    (0xD4, 0xD4, lambda reader, _: reader._unknown(1)),
    (0xD9, 0xDB, lambda reader, power: reader._text(reader._size(1 << power))),
    (0xDC, 0xDD, lambda reader, power: reader._array(reader._size(2 << power))),
    (0xDE, 0xDF, lambda reader, power: reader._map(reader._size(2 << power))),
    (0xE0, 0xFF, lambda _, number: number - 0x20),
)
"""From first byte, to first byte, how to read what follows; the reader gets the distance to the former."""
