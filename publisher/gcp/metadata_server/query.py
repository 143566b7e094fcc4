"""Read the query of a request: each parameter once, and spelled in one way."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import parse_qsl

from publisher.gcp.metadata_server.tree import View

MOST_SCOPES: Final = 32
"""The most scopes of one token."""

LONGEST: Final = 2048
"""The most characters of a scope or of an audience."""

_MOST_PARAMETERS = 16
_TRUTHS = {"true": True, "1": True, "false": False, "0": False, "": False}


class QueryError(Exception):
    """Say which parameter is wrong."""


@dataclass(frozen=True, slots=True)
class Query:
    """Hold the parameters. Those that mean nothing here are passed over, as Google's server does."""

    parameters: Mapping[str, str]

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `a=b&c=d`, percent-encoded.

        Raises:
            QueryError: a parameter that is given twice, or is not UTF-8; too many.

        """
        try:
            pairs = parse_qsl(text, keep_blank_values=True, max_num_fields=_MOST_PARAMETERS, errors="strict")
        except ValueError as error:
            raise QueryError("the query is not NAME=VALUE&NAME=VALUE, percent-encoded") from error
        if len(dict(pairs)) < len(pairs):
            raise QueryError("a parameter is given twice")
        return cls(dict(pairs))

    @property
    def view(self) -> View:
        """Read `recursive` and `alt`.

        Raises:
            QueryError: another value than they have.

        """
        recursive = _TRUTHS.get(self.parameters.get("recursive", "").lower())
        alt = self.parameters.get("alt")
        if recursive is None or alt not in {None, "json", "text"}:
            raise QueryError("recursive is true or false, and alt is json or text")
        if _TRUTHS.get(self.parameters.get("wait_for_change", "").lower()) is not False:
            raise QueryError("nothing changes here that could be waited for")
        return View(recursive=recursive, alt=alt)

    def scopes(self, usual: tuple[str, ...]) -> tuple[str, ...]:
        """Read `scopes`: sorted, each once; `usual` where none are asked for.

        Raises:
            QueryError: too many, or with characters that no scope has (RFC 6749 section 3.3).

        """
        # Commas are Google's; a space would be RFC 6749's, and some libraries send that.
        wanted = {word for word in self.parameters.get("scopes", "").replace(",", " ").split(" ") if word}
        if len(wanted) > MOST_SCOPES or not all(_is_plain(word) for word in wanted):
            raise QueryError(f"scopes are up to {MOST_SCOPES} words of printable ASCII, with commas between")
        return tuple(sorted(wanted)) or usual

    @property
    def audience(self) -> str:
        """Read `audience`.

        Raises:
            QueryError: it is missing, or not printable ASCII.

        """
        audience = self.parameters.get("audience", "")
        if not _is_plain(audience.replace(" ", "")):
            raise QueryError(f"audience is required: 1 to {LONGEST} characters of printable ASCII")
        return audience

    @property
    def full(self) -> bool:
        """Read `format`: whether `full`.

        Raises:
            QueryError: neither `full` nor `standard`.

        """
        wanted = self.parameters.get("format", "standard").lower()
        if wanted not in {"full", "standard"}:
            raise QueryError("format is full or standard")
        return wanted == "full"


def _is_plain(text: str) -> bool:
    return 0 < len(text) <= LONGEST and text.isascii() and text.isprintable() and not set(text) & set('"\\')
