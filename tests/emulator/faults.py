"""What the fault proxy may do to one exchange, each as one word of a test."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum, auto


class Kind(Enum):
    ANSWER = auto()
    """Answer in the server's place; the server is not asked."""
    RESET = auto()
    """Break the connection; the server is not asked."""
    STALL = auto()
    """Say nothing for `seconds`, then break the connection; the server is not asked."""
    TRUNCATE = auto()
    """Ask the server; send its headers and half of its body, then close."""
    DRIP = auto()
    """Ask the server; send its body byte by byte, `seconds` apart."""
    CORRUPT = auto()
    """Ask the server; change one bit of its body."""
    REPLACE_BODY = auto()
    """Ask the server; send `body` with the status and headers of its answer."""
    REPLACE_HEADERS = auto()
    """Ask the server; change its `headers`, remove those that are empty."""
    LOSE_REPLY = auto()
    """Ask the server; break the connection instead of sending its answer."""
    RESET_EARLY = auto()
    """Break the connection before the request's body is read; the server is not asked."""
    CUT = auto()
    """Ask the server; send its headers and half of its body, then break the connection."""
    DRIP_HEAD = auto()
    """Ask the server; send its status line and headers byte by byte, `seconds` apart."""
    HOLD = auto()
    """Keep the request for `FaultProxy.deliver`, break the connection; the server is not asked yet."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong with the next `times` requests of a method (None: any).

    `where` chooses among them by method and object (`bucket/name`). It is asked about every request while
    this waits, under a lock and in their order, so that it may count.
    """

    kind: Kind
    method: str | None = None
    where: Callable[[str, str], bool] = lambda _method, _object: True
    times: int = 1
    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0


ALWAYS = 1_000_000


def google_error(status: int, message: str, reason: str = "") -> bytes:
    """Write an error as the JSON API does."""
    error = {"code": status, "message": message, "errors": [{"message": message, "reason": reason}]}
    return json.dumps({"error": error}).encode()


def answer(
    status: int,
    message: str = "told to",
    *,
    reason: str = "",
    method: str | None = None,
    times: int = 1,
    headers: Mapping[str, str] | None = None,
) -> Fault:
    """Answer with an error like Google's."""
    return Fault(
        kind=Kind.ANSWER,
        method=method,
        times=times,
        status=status,
        body=google_error(status, message, reason),
        headers={"Content-Type": "application/json"} | dict(headers or {}),
    )


def html(*, method: str | None = None, times: int = 1) -> Fault:
    """Answer 200 with a page, as a login page in between does."""
    return Fault(
        kind=Kind.ANSWER,
        method=method,
        times=times,
        body=b"<html>Please log in</html>",
        headers={"Content-Type": "text/html"},
    )
