"""Errors as SPIRE's operator reads them: the status of a call, and a text to act on."""

from collections.abc import Sequence

from grpc import StatusCode

from publisher.errors import ExitStatus, PublisherError, RefusedError
from publisher.logs import printable
from publisher.spire_plugin.settings import in_members

LONGEST = 3000
"""The most characters of a status's text: it travels in a header, for which 8 KiB are usual."""

_BY_HAND = (
    " (overrides count in a run of `spire-oidc-publisher publish` by a person, never here; the next tick"
    " finds it published)"
)


def code_of(error: PublisherError) -> StatusCode:
    """Give the status: what kind of failure it is, and whether asking again may help."""
    if isinstance(error, RefusedError):
        return StatusCode.FAILED_PRECONDITION
    match error.exit_status:
        case ExitStatus.UNSAFE:
            return StatusCode.INVALID_ARGUMENT
        case ExitStatus.TEMPORARY:
            return StatusCode.UNAVAILABLE
        case _:
            return StatusCode.FAILED_PRECONDITION


def status_of(failed: Sequence[tuple[str | None, PublisherError]]) -> tuple[StatusCode, str]:
    """Give the status of a call of which these publications failed, one at least; the gravest counts."""
    ranked = (StatusCode.FAILED_PRECONDITION, StatusCode.INVALID_ARGUMENT, StatusCode.UNAVAILABLE)
    code = min((code_of(error) for _, error in failed), key=ranked.index)
    return code, printable("; and ".join(_said(name, error) for name, error in failed), LONGEST)


def _said(name: str | None, error: PublisherError) -> str:
    named = f"publication {name}: " if name else ""
    said = f"{error.where}: {error.what}; {in_members(error.remedy)}" if error.remedy else str(error)
    return f"{named}{said}{_BY_HAND if isinstance(error, RefusedError) else ''}"
