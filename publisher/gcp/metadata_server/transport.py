"""Google's auth library over `requests`, with our bounds: one deadline, small answers, no redirects."""

from collections.abc import Mapping
from typing import Any, Final

import requests
from google.auth import exceptions, transport
from urllib3.exceptions import HTTPError

from publisher.gcp.metadata_server.cut_off import CutOff, CuttingAdapter, cut_off
from publisher.ports import Deadline

LARGEST: Final = 65_536
"""The most bytes of an answer. A token of Google has about 1,000."""

_CONNECT_SECONDS = 5.0
_CHUNK = 8192


class Answer(transport.Response):
    """Hold an answer as the library wants it."""

    def __init__(self, status: int, headers: Mapping[str, str], data: bytes) -> None:
        self._status, self._headers, self._data = status, headers, data

    @property
    def status(self) -> int:
        """Give the status."""
        return self._status

    @property
    def headers(self) -> Mapping[str, str]:
        """Give the header fields."""
        return self._headers

    @property
    def data(self) -> bytes:
        """Give the body."""
        return self._data


def open_session(connections: int) -> requests.Session:
    """Open a session for that many threads at once. Proxies and CA files are those of the environment."""
    session = requests.Session()
    # Else `requests` would look for a password of this host in the user's .netrc, and send it.
    session.auth = _unchanged
    for scheme in ("https://", "http://"):
        session.mount(scheme, CuttingAdapter(pool_maxsize=connections))
    return session


def _failed(what: str) -> Exception:
    error: Exception = exceptions.TransportError(what)  # type: ignore[no-untyped-call]
    return error


def _unchanged(request: requests.PreparedRequest) -> requests.PreparedRequest:
    return request


class BoundedRequest(transport.Request):
    """Make the requests of one exchange, all within one deadline; remember the last status."""

    def __init__(self, session: requests.Session, deadline: Deadline) -> None:
        self._session = session
        self._deadline = deadline
        self.status: int | None = None

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,  # noqa: ARG002 (the library's; the deadline is shorter)
        **_others: Any,
    ) -> Answer:
        """Make one request.

        Raises:
            google.auth.exceptions.TransportError: no whole answer in time.

        """
        self.status = None
        if self._deadline.passed:
            raise _failed("no time is left")
        remaining = self._deadline.remaining()
        try:
            with (
                cut_off(self._deadline) as cut,
                self._session.request(
                    method,
                    url,
                    data=body,
                    headers=dict(headers or {}),
                    timeout=(min(_CONNECT_SECONDS, remaining), remaining),
                    allow_redirects=False,
                    stream=True,
                ) as response,
            ):
                data = self._body(response, cut)
        except (requests.RequestException, HTTPError, OSError) as error:
            raise _failed(type(error).__name__) from error
        self.status = response.status_code
        return Answer(response.status_code, response.headers, data)

    def _body(self, response: requests.Response, cut: CutOff) -> bytes:
        data = b""
        while piece := response.raw.read1(_CHUNK, decode_content=True):
            data += piece
            if len(data) > LARGEST:
                raise _failed(f"the answer has more than {LARGEST} bytes")
            if self._deadline.passed:
                raise _failed("the answer came too slowly")
        if cut.is_due:  # an end that we made ourselves
            raise _failed("the answer came too slowly")
        return data
