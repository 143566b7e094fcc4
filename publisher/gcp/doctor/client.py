"""Ask Google one thing at a time, bounded, and keep what was answered whatever it is."""

import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any, Protocol
from urllib.parse import urlencode

import requests
from google.auth import exceptions

from publisher import strict_json
from publisher.gcp.metadata_server.transport import BoundedRequest, open_session
from publisher.ports import Deadline
from publisher.quoting import quote

_SECONDS = 15.0
_TOKENS = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*|ya29\.[A-Za-z0-9_.-]+")
_PASSING = frozenset({408, 425, 429})
_CODE = re.compile(r"[A-Za-z_]{1,60}", re.ASCII)
"""What a code looks like: anything else in its place may be what was sent, or of any length."""

_HINTS = (
    "CERTIFICATE_VERIFY_FAILED",
    "Name or service not known",
    "Connection refused",
    "Tunnel connection failed",
)


class NoAnswerError(Exception):
    """Say why no answer came."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleAnswer:
    """Hold an answer. `date` is Google's clock, where it says it; `body` empty: no JSON object."""

    status: int
    date: datetime | None
    body: Mapping[str, Any] = field(repr=False)

    @property
    def is_passing(self) -> bool:
        """Tell whether another attempt may fare better."""
        return self.status >= 500 or self.status in _PASSING  # noqa: PLR2004

    @property
    def sentence(self) -> str:
        """Give what it says is wrong, in Google's own words, quoted; empty: nothing."""
        return quote(self.words, 400) if self.words else ""

    @property
    def words(self) -> str:
        """Give Google's own words, from either of its two forms of errors."""
        refused = self.body.get("error")
        said = refused.get("message") if isinstance(refused, Mapping) else self.body.get("error_description")
        return _TOKENS.sub("(a token)", str(said or ""))

    @property
    def error(self) -> str:
        """Give the OAuth error (RFC 6749 section 5.2), or the status of google.rpc.Code; empty: none."""
        refused = self.body.get("error")
        said = refused.get("status") if isinstance(refused, Mapping) else refused
        return said if isinstance(said, str) and _CODE.fullmatch(said) else ""

    @property
    def details(self) -> str:
        """Give the details of an error, as text to search in."""
        refused = self.body.get("error")
        return json.dumps(refused.get("details", [])) if isinstance(refused, Mapping) else ""


class Ask(Protocol):
    """Ask Google."""

    def __call__(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        data: Any = None,
        token: str = "",
    ) -> GoogleAnswer:
        """Make one request.

        Raises:
            NoAnswerError: no whole answer in time.

        """
        ...


class Client:
    """Implement `Ask` over one session, within one deadline."""

    def __init__(self, session: requests.Session, deadline: Deadline) -> None:
        self._session, self._deadline = session, deadline

    def __call__(
        self,
        method: str,
        url: str,
        *,
        form: Mapping[str, str] | None = None,
        data: Any = None,
        token: str = "",
    ) -> GoogleAnswer:
        """Make one request, once."""
        headers = {"Accept": "application/json"}
        body: bytes | None = None
        if form is not None:
            body, headers["Content-Type"] = urlencode(form).encode(), "application/x-www-form-urlencoded"
        elif data is not None:
            body, headers["Content-Type"] = json.dumps(data).encode(), "application/json"
        if token:
            headers["Authorization"] = f"Bearer {token}"
        window = Deadline(self._deadline.clock, min(_SECONDS, self._deadline.remaining()))
        try:
            answer = BoundedRequest(self._session, window)(url, method, body, headers)
        except exceptions.TransportError as failure:
            raise NoAnswerError(_reason(failure)) from None
        return GoogleAnswer(status=answer.status, date=_date(answer.headers), body=_object(answer.data))


@contextmanager
def client(deadline: Deadline, pair: tuple[bytes, bytes] | None = None) -> Iterator[Client]:
    """Open a client, and close it. `pair` are a chain and its key in PEM, for mutual TLS."""
    with open_session(2) as session, ExitStack() as opened:
        if pair is not None:
            session.cert = (
                opened.enter_context(_in_memory(pair[0])),
                opened.enter_context(_in_memory(pair[1])),
            )
        yield Client(session, deadline)


@contextmanager
def _in_memory(content: bytes) -> Iterator[str]:
    """Give a path for the TLS library, which reads files only; a private key does not go to a disk."""
    number = os.memfd_create("doctor")
    try:
        os.write(number, content)
        yield f"/proc/self/fd/{number}"
    finally:
        os.close(number)


def _reason(failure: Exception) -> str:
    """Say what the connection failed of, without what a library may quote of the request."""
    cause = failure.__cause__
    names = [type(one).__name__ for one in (cause,) if one is not None] or [str(failure)]
    text = str(cause or failure)
    names += [hint for hint in _HINTS if hint.lower() in text.lower()]
    return ", ".join(names)


def _date(headers: Mapping[str, str]) -> datetime | None:
    with suppress(ValueError, TypeError, OverflowError):
        date = parsedate_to_datetime(headers.get("Date", ""))
        return date if date.tzinfo else date.replace(tzinfo=UTC)
    return None


def _object(data: bytes) -> Mapping[str, Any]:
    try:
        value = strict_json.loads(data, where="answer")
    except strict_json.MalformedError:
        return {}
    return value if isinstance(value, dict) else {}
