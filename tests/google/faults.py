"""What may go wrong between a client and the stand-in, as data: it crosses a process boundary."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tests.google.errors import STATUSES

ALWAYS = 1_000_000
PAGE = b"<!doctype html><html><body>Please log in</body></html>"


class Kind(StrEnum):
    ANSWER = "answer"
    """Answer `status`, `body` and `headers`; nothing is asked."""
    HTML = "html"
    """Answer 200 with a page, as a login page in between does."""
    WRONG_JSON = "wrong_json"
    """Answer 200 with JSON that nobody expects."""
    RESET = "reset"
    """Break the connection; nothing is asked."""
    LOSE_REPLY = "lose_reply"
    """Do what is asked, then break the connection."""
    STALL = "stall"
    """Say nothing for `seconds`, then break the connection."""
    DELAY = "delay"
    """Wait for `seconds`, then do what is asked."""
    DRIP = "drip"
    """Send the true answer's body byte by byte, `seconds` apart."""
    TRUNCATE = "truncate"
    """Send the true answer's headers and half of its body, then close."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that goes wrong with the next `times` requests that `where` fits.

    `where` is a regular expression, searched in "METHOD HOST PATH?QUERY".
    """

    kind: Kind
    where: str = ""
    times: int = 1
    status: int = 200
    body: str | None = None
    """None: an error of that status in Google's form."""
    headers: Mapping[str, str] = field(default_factory=dict)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    def canned(self) -> tuple[int, dict[str, str], bytes] | None:
        """Give the answer that comes instead of the true one; None: this fault has none."""
        match self.kind:
            case Kind.ANSWER:
                error = {"error": {"code": self.status, "message": "told to", "status": _name(self.status)}}
                body = json.dumps(error) if self.body is None else self.body
                return self.status, {"Content-Type": "application/json", **self.headers}, body.encode()
            case Kind.HTML:
                return 200, {"Content-Type": "text/html; charset=utf-8"}, PAGE
            case Kind.WRONG_JSON:
                return 200, {"Content-Type": "application/json"}, b'{"unexpected": true}'
            case _:
                return None


def status(code: int, *, where: str = "", times: int = 1, headers: Mapping[str, str] | None = None) -> Fault:
    """Answer with an error of that status."""
    return Fault(kind=Kind.ANSWER, where=where, times=times, status=code, headers=headers or {})


def service_disabled(service: str, *, where: str, times: int = 1) -> Fault:
    """Answer that an API is not enabled in the project, as Google does (reported)."""
    message = (
        f"{service} API has not been used in project 123456789 before or it is disabled. "
        "Enable it by visiting https://console.developers.google.com/apis/api/"
        f"{service}/overview?project=123456789 then retry."
    )
    reason = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": "SERVICE_DISABLED",
        "domain": "googleapis.com",
        "metadata": {"service": service, "consumer": "projects/123456789"},
    }
    error = {"code": 403, "message": message, "status": "PERMISSION_DENIED", "details": [reason]}
    return Fault(kind=Kind.ANSWER, where=where, times=times, status=403, body=json.dumps({"error": error}))


def _name(code: int) -> str:
    return STATUSES.get(code, "UNKNOWN")
