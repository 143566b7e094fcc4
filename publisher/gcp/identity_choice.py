"""Choose one of the identities that an agent gives to one process."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from publisher.errors import SourceSettingsError, SourceUnavailableError
from publisher.quoting import quote

_MOST_NAMED = 5


class SeveralIdentitiesError(SourceSettingsError):
    """Report several identities where one was wanted and none was named."""


class NoSuchIdentityError(SourceUnavailableError):
    """Report that none of the identities is the one that was named, or not yet."""


class Named(Protocol):
    """Be an SVID as the Workload API gives it: `hint` is what the registration entry calls it, or empty."""

    @property
    def spiffe_id(self) -> str:
        """Give its SPIFFE ID."""
        ...

    @property
    def hint(self) -> str:
        """Give the hint of its registration entry."""
        ...


_N = TypeVar("_N", bound=Named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """Say which identity is wanted: by SPIFFE ID, by hint, by both; by neither, the only one there is."""

    spiffe_id: str | None = None
    hint: str | None = None

    def of(self, svids: Sequence[_N], *, where: str) -> _N:
        """Give the one that is wanted.

        The specification would have the first one for the default. Not here: the order is the agent's, and
        the wrong one is another principal to Google.

        Raises:
            NoSuchIdentityError: there is none.
            SeveralIdentitiesError: there are several.

        """
        fitting = [svid for svid in svids if self._fits(svid)]
        if len(fitting) == 1:
            return fitting[0]
        if fitting:
            raise SeveralIdentitiesError(
                where,
                f"the agent gives this process {len(fitting)} identities: {_names(fitting)}",
                "choose one with --spiffe-id, or with --hint",
            )
        raise NoSuchIdentityError(
            where,
            f"the agent does not give this process {self._wanted}"
            + (f", but {_names(svids)}" if svids else ""),
            "correct --spiffe-id or --hint, or register it: spire-server entry create",
        )

    def _fits(self, svid: Named) -> bool:
        return self.spiffe_id in {None, svid.spiffe_id} and self.hint in {None, svid.hint}

    @property
    def _wanted(self) -> str:
        words = [quote(self.spiffe_id)] if self.spiffe_id is not None else []
        words += [f"hint {quote(self.hint)}"] if self.hint is not None else []
        return " with ".join(words) or "any identity"


def _names(svids: Sequence[Named]) -> str:
    shown = [
        quote(svid.spiffe_id) + (f" (hint {quote(svid.hint)})" if svid.hint else "")
        for svid in svids[:_MOST_NAMED]
    ]
    return ", ".join(shown) + (", ..." if len(svids) > _MOST_NAMED else "")
