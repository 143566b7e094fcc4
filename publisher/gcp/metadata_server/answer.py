"""What is answered, and how it goes onto the wire."""

import json
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any, Final

TEXT: Final = "application/text"
"""What Google's server calls its plain values."""

JSON: Final = "application/json"

_FIXED = (
    # Google's libraries look for both: the first tells a metadata server from a stranger's web server.
    "Metadata-Flavor: Google",
    "Server: Metadata Server for VM",
    "Cache-Control: no-store",
    "X-Content-Type-Options: nosniff",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold one answer. `body` of an access token is a secret: never log one."""

    status: HTTPStatus = HTTPStatus.OK
    media_type: str = TEXT
    body: bytes = b""
    fields: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"Answer({int(self.status)}, {len(self.body)} bytes)"

    def encoded(self, *, keep_alive: bool, head_only: bool = False) -> bytes:
        """Give the whole answer as HTTP/1.1 sends it; without `keep_alive` it says so.

        `head_only`: as HEAD is answered, with the length of a body that is not sent (RFC 9110 section 9.3.2).
        """
        lines = (
            f"HTTP/1.1 {self.status.value} {self.status.phrase}",
            f"Content-Type: {self.media_type}",
            f"Content-Length: {len(self.body)}",
            *_FIXED,
            *self.fields,
            *(() if keep_alive else ("Connection: close",)),
            "",
            "",
        )
        return "\r\n".join(lines).encode("ascii") + (b"" if head_only else self.body)


def text(value: str) -> Answer:
    """Answer one plain value."""
    return Answer(body=value.encode())


def document(value: Any) -> Answer:
    """Answer a value as JSON."""
    return Answer(media_type=JSON, body=json.dumps(value, separators=(",", ":")).encode())


def refusal(status: HTTPStatus, reason: str, *fields: str) -> Answer:
    """Answer why something is not given: a sentence for a person, with nothing secret in it."""
    return Answer(status=status, body=f"{reason}\n".encode("ascii", "backslashreplace"), fields=fields)
