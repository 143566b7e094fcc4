import re
from dataclasses import dataclass
from typing import Self

from publisher.errors import BundleError
from publisher.quoting import quote

_SCHEME = "spiffe://"
_NAME = re.compile(r"[a-z0-9._-]{1,255}")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class TrustDomain:
    """Name a SPIFFE trust domain (SPIFFE-ID section 2.1): lower-case letters, digits, `.`, `-`, `_`."""

    name: str

    @classmethod
    def parse(cls, text: str) -> Self:
        """Read `example.org` or `spiffe://example.org`.

        Raises:
            BundleError: for anything else, a path or upper-case letters included.

        """
        name = text.removeprefix(_SCHEME)
        if not _NAME.fullmatch(name):
            raise BundleError(
                f"trust domain {quote(text)}",
                "must be 1 to 255 of the characters a-z 0-9 . - _",
                "give it as in SPIRE's configuration, e.g. example.org",
            )
        return cls(name=name)

    def __str__(self) -> str:
        return self.name
