"""Read HTTP/1 requests with no room for two readings: whatever could be smuggled is refused.

A small grammar of our own instead of a lax parser: `http.server` takes bare line feeds and several lengths,
and `h11` folds continued lines and merges equal lengths before anybody can look. Here a request of which two
readers could think differently has no reading at all (RFC 9112 sections 2.2, 3.2, 5.2, 6.1, 6.3 and 11.2).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import Final

LARGEST_HEAD: Final = 16_384
"""The most bytes of a request line and its header fields."""

LARGEST_BODY: Final = 65_536
"""The most bytes of a body: the certificates that google-auth may send with a request for a token."""

MOST_FIELDS: Final = 64
"""The most header fields."""

_LINE = re.compile(rb"([A-Z]{1,16}) (/[!-~]*) HTTP/1\.([01])")
_NAME = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}")
_VALUE = re.compile(rb"[ -~\t]*")
_LENGTH = re.compile(r"[0-9]{1,9}", re.ASCII)
_END = b"\r\n\r\n"
_BARE = re.compile(rb"(?<!\r)\n|\r(?=[^\n])")
_ONCE = frozenset({"host", "content-length", "metadata-flavor", "content-type", "authorization"})


class BadRequestError(Exception):
    """Refuse what is no request that we read: the connection ends with this status and reason."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.reason = reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """Hold one request: the target in its two halves as sent, and header fields by lower-case name.

    The body is read and dropped: nothing here depends on one.
    """

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    keep_alive: bool


class RequestReader:
    """Cut a stream of bytes into requests. After an error it is of no use any more."""

    def __init__(self) -> None:
        self._bytes = bytearray()
        self._pending: Request | None = None
        self._missing = 0

    @property
    def held(self) -> int:
        """Tell how many bytes wait here."""
        return len(self._bytes)

    @property
    def is_between(self) -> bool:
        """Tell whether nothing of a next request has come."""
        return not self._bytes and self._pending is None

    def feed(self, data: bytes) -> None:
        """Take bytes from the connection; whoever feeds bounds `held`."""
        self._bytes += data

    def next(self) -> Request | None:
        """Give the next request once it is there with its body; None: more bytes are needed.

        Raises:
            BadRequestError: too large, or not one plain request.

        """
        if self._pending is None:
            end = self._bytes.find(_END, 0, LARGEST_HEAD)
            if end < 0:
                self._refuse_early()
                return None
            head = bytes(self._bytes[:end])
            del self._bytes[: end + len(_END)]
            self._pending, self._missing = _parse(head)
        dropped = min(self._missing, len(self._bytes))
        del self._bytes[:dropped]
        self._missing -= dropped
        if self._missing:
            return None
        request, self._pending = self._pending, None
        return request

    def _refuse_early(self) -> None:
        """Refuse what no further byte can mend, so that nobody waits for the end of its time."""
        if len(self._bytes) >= LARGEST_HEAD:
            raise BadRequestError(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                f"the request line and its header fields have more than {LARGEST_HEAD} bytes",
            )
        if self._bytes and not (b"A" <= self._bytes[:1] <= b"Z"):
            raise _bad("a request begins with its method")
        if _BARE.search(self._bytes):
            raise _bad("a line ends with a carriage return and a line feed, never with one of them")


def _bad(reason: str) -> BadRequestError:
    return BadRequestError(HTTPStatus.BAD_REQUEST, reason)


def _parse(head: bytes) -> tuple[Request, int]:
    first, *lines = head.split(b"\r\n")
    line = _LINE.fullmatch(first)
    if line is None:
        raise _bad("the request line is not METHOD /path HTTP/1.1, with a target that begins with a slash")
    target = line[2].decode("ascii")
    if "#" in target:
        raise _bad("a target has no fragment")
    headers = _fields(lines)
    minor = line[3]
    if "host" not in headers:
        raise _bad("there is no Host")
    path, _, query = target.partition("?")
    tokens = {token.strip().lower() for token in headers.get("connection", "").split(",")}
    method = line[1].decode("ascii")
    return (
        Request(
            method=method,
            path=path,
            query=query,
            headers=headers,
            keep_alive=minor == b"1" and "close" not in tokens,
        ),
        _length(method, headers),
    )


def _fields(lines: list[bytes]) -> dict[str, str]:
    if len(lines) > MOST_FIELDS:
        raise BadRequestError(
            HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE, f"there are more than {MOST_FIELDS} header fields"
        )
    headers: dict[str, str] = {}
    for line in lines:
        name, colon, value = line.partition(b":")
        # A line that begins with white space would continue the one before it: obs-fold. A space before the
        # colon is what RFC 9112 section 5.1 has us refuse. Neither is a name.
        if not colon or not _NAME.fullmatch(name):
            raise _bad("a header field is not NAME: VALUE on one line")
        if not _VALUE.fullmatch(value):
            raise _bad("the value of a header field has characters other than printable ASCII")
        key = name.decode("ascii").lower()
        text = value.decode("ascii").strip(" \t")
        if key in headers:
            if key in _ONCE:
                raise _bad(f"there is more than one {key}")
            text = f"{headers[key]}, {text}"
        headers[key] = text
    return headers


def _length(method: str, headers: Mapping[str, str]) -> int:
    if "transfer-encoding" in headers:
        raise _bad("a request with Transfer-Encoding is not read")
    if "expect" in headers:
        raise BadRequestError(HTTPStatus.EXPECTATION_FAILED, "nothing is to be expected here")
    text = headers.get("content-length", "0")
    if not _LENGTH.fullmatch(text):
        raise _bad("Content-Length is not one number")
    length = int(text)
    if length and method != "POST":
        raise _bad(f"a {method} has no body")
    if length > LARGEST_BODY:
        raise BadRequestError(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"a body has at most {LARGEST_BODY} bytes")
    return length
