"""Read typed members of the JSON objects of a manifest, each refusal with its place."""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

from publisher.bundle.trust_bundle import LARGEST_NUMBER, MOST_KEYS
from publisher.errors import PublisherError
from publisher.quoting import quote

_LONGEST_PERIOD = 10**9  # seconds, some 30 years: times and sums of such periods stay within datetime
_T = TypeVar("_T")


class ManifestError(PublisherError):
    """Say why bytes are no manifest of a schema that we know."""


class Reader:
    """Read typed members of one JSON object.

    Raises:
        ManifestError: the value is no object, or, from every method, the member is not what was wanted.

    """

    def __init__(self, value: Any, where: str) -> None:
        if not isinstance(value, dict):
            raise ManifestError(where, "is not a JSON object", "publish again to replace it")
        self._members: Mapping[str, Any] = value
        self._where = where

    def text(self, name: str) -> str:
        """Read a string."""
        value = self._members.get(name)
        if not isinstance(value, str):
            raise self._refused(name, "a string")
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """Read an array of strings."""
        value = self._members.get(name)
        if not isinstance(value, list) or not all(isinstance(text, str) for text in value):
            raise self._refused(name, "an array of strings")
        return tuple(value)

    def number(self, name: str, least: int = 0) -> int:
        """Read a whole number from `least` to 2^63 - 1."""
        value = self._members.get(name)
        if type(value) is not int or not least <= value <= LARGEST_NUMBER:
            raise self._refused(name, f"a number from {least} to 2^63 - 1")
        return value

    def period(self, name: str) -> timedelta:
        """Read whole seconds, of either sign."""
        value = self._members.get(name)
        if type(value) is not int or abs(value) > _LONGEST_PERIOD:
            raise self._refused(name, f"a number of seconds up to {_LONGEST_PERIOD}")
        return timedelta(seconds=value)

    def time(self, name: str) -> datetime:
        """Read a time of RFC 3339, in UTC."""
        try:
            time = datetime.fromisoformat(self.text(name))
            if time.tzinfo is None:
                raise self._refused(name, "a time with its zone")
            return time.astimezone(UTC)
        except (ValueError, OverflowError) as error:
            raise self._refused(name, "a time") from error

    def optional(self, name: str, read: Callable[[str], _T]) -> _T | None:
        """Read a member that may be null or absent."""
        return None if self._members.get(name) is None else read(name)

    def array(self, name: str) -> list["Reader"]:
        """Read an array of objects."""
        value = self._members.get(name)
        if not isinstance(value, list) or len(value) > MOST_KEYS:
            raise self._refused(name, f"an array of at most {MOST_KEYS}")
        return [Reader(item, f"{self._where}: {name}[{number}]") for number, item in enumerate(value)]

    def part(self, name: str, read: Callable[["Reader"], _T]) -> _T | None:
        """Read an object that may be null or absent."""
        value = self._members.get(name)
        return None if value is None else read(Reader(value, f"{self._where}: {name}"))

    def _refused(self, name: str, wanted: str) -> ManifestError:
        shown = quote(self._members.get(name), 40)
        return ManifestError(
            self._where, f"member {name} is {shown}, not {wanted}", "publish again to replace it"
        )
