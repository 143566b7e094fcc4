"""Why a token is not given: for good, or for now."""

from http import HTTPStatus


class NotGivenError(Exception):
    """Carry a status and a reason to the workload. The reason holds neither token nor key.

    `alike`: the reason without what is another for each process, by which the log tells repetitions; None:
    the reason itself.
    """

    status = HTTPStatus.FORBIDDEN

    def __init__(self, reason: str, *, alike: str | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.alike = reason if alike is None else alike


class ForbiddenError(NotGivenError):
    """Refuse until a person changes something."""


class UnavailableError(NotGivenError):
    """Say that it may work later: SPIRE's agent or Google does not answer just now."""

    status = HTTPStatus.SERVICE_UNAVAILABLE
