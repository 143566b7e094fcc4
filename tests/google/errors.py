"""How Google says no: two shapes of error body, one for STS and one for every other API."""

from collections.abc import Mapping
from typing import Any

STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ALREADY_EXISTS",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RefusedError(Exception):
    """Refuse a request; `status` and `body` are the answer."""

    status = 400

    @property
    def body(self) -> Mapping[str, Any]:
        raise NotImplementedError


class ApiError(RefusedError):
    """Refuse as `google.rpc.Status` in JSON: `{"error": {"code", "message", "status"}}` (documented)."""

    def __init__(
        self, status: int, message: str, *, name: str = "", details: list[Any] | None = None
    ) -> None:
        super().__init__(message)
        self.status = status
        self._error: dict[str, Any] = {
            "code": status,
            "message": message,
            "status": name or STATUSES.get(status, "UNKNOWN"),
        }
        if details:
            self._error["details"] = details

    @property
    def body(self) -> Mapping[str, Any]:
        return {"error": self._error}


class OAuthError(RefusedError):
    """Refuse as RFC 6749 section 5.2 does, with STS's words where those are known.

    Known words (documentation and users' reports): the constants of `sts` and `id_tokens` that say so.
    """

    def __init__(self, error: str, description: str, *, status: int = 400) -> None:
        super().__init__(description)
        self.status = status
        self._error = {"error": error, "error_description": description}

    @property
    def body(self) -> Mapping[str, Any]:
        return self._error


def not_found() -> ApiError:
    return ApiError(404, "Requested entity was not found.")


def denied(permission: str, resource: str) -> ApiError:
    """Refuse for want of a permission; whether the resource exists is not told (seen in many reports)."""
    return ApiError(
        403,
        f"Permission '{permission}' denied on resource '{resource}' (or it may not exist).",
        details=[
            {
                "@type": "type.googleapis.com/google.rpc.ErrorInfo",
                "reason": "IAM_PERMISSION_DENIED",
                "domain": "iam.googleapis.com",
                "metadata": {"permission": permission, "resource": resource},
            }
        ],
    )
