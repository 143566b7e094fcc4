"""Send requests to Google's APIs with the Application Default Credentials, through google-auth."""

from typing import Any

import requests
from google.auth.transport.requests import AuthorizedSession

from publisher import strict_json
from publisher.errors import ExitStatus
from publisher.gcp.iam_errors import IamAnswer, IamError, pause_of
from publisher.ports import Deadline
from publisher.sinks.gcs_client import credentials_translated, default_credentials
from publisher.sinks.gcs_connections import prepare
from publisher.sinks.gcs_errors import FAILURES, Verdict, classify

_SCOPE = "https://www.googleapis.com/auth/cloud-platform"
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 20.0
_CHUNK = 65536
_AGAIN = frozenset({Verdict.AGAIN, Verdict.ONCE_MORE, Verdict.LATER})


class IamTransport:
    """Implement `iam_api.Transport`. `origin` is the API's; nothing goes to another host, redirects included.

    Raises:
        SinkError: there are no credentials, none that can be used, or none just now.

    """

    def __init__(self, origin: str) -> None:
        with credentials_translated():
            credentials = default_credentials(_SCOPE)
            self._session = AuthorizedSession(credentials, refresh_timeout=_ANSWER_SECONDS)  # type: ignore[no-untyped-call]
        prepare(self._session, origin)
        self._session.max_redirects = 0

    def send(self, method: str, url: str, body: bytes | None, deadline: Deadline) -> IamAnswer:
        """Send once, and read an answer of any status up to 4 MiB.

        Raises:
            IamError: no whole answer, or no access token.

        """
        longest = min(_ANSWER_SECONDS, deadline.remaining())
        window = Deadline(deadline.clock, longest)
        try:
            response = self._session.request(  # type: ignore[no-untyped-call]
                method,
                url,
                data=body,
                headers={"Content-Type": "application/json", "Accept-Encoding": "identity"},
                timeout=(min(_CONNECT_SECONDS, longest), longest),
                max_allowed_time=longest,
                allow_redirects=False,
                stream=True,
            )
            with response:
                data = _bounded(response, window)
        except FAILURES as error:
            what = classify(error).what
            remedy = "run again; if it lasts, look at the network, the proxy and the credentials"
            raise IamError("IAM API", what, remedy, exit_status=_status(error)) from error
        return IamAnswer(
            status=response.status_code, body=data, pause=pause_of(response.headers.get("Retry-After", ""))
        )

    def close(self) -> None:
        """End the connections."""
        self._session.close()  # type: ignore[no-untyped-call]


def _status(error: Exception) -> ExitStatus:
    return ExitStatus.TEMPORARY if classify(error).verdict in _AGAIN else ExitStatus.SETTINGS


def _bounded(response: requests.Response, window: Deadline) -> bytes:
    """Read a body in the pieces in which it comes, so that a slow drip meets the deadline too."""
    data = bytearray()
    raw: Any = response.raw
    while piece := raw.read1(_CHUNK, decode_content=False):
        data += piece
        if len(data) > strict_json.LARGEST:
            raise ValueError(f"the answer has more than {strict_json.LARGEST} bytes")
        if window.passed:
            raise TimeoutError("the answer came too slowly")
    return bytes(data)
