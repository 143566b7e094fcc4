"""Say what each of the many exceptions of Google's client means for a publication."""

import http.client
import re
import subprocess
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any

import requests
import urllib3.exceptions
from google.auth import exceptions as auth

from publisher.errors import SinkConflictError, SinkError, SinkSettingsError, SinkUnavailableError
from publisher.sinks.gcs_library import DataCorruption, GoogleAPICallError, GoogleAPIError, InvalidResponse
from publisher.sinks.gcs_words import in_words, safe, shown


class TooLargeError(Exception):
    """Report an answer larger than a document may be."""


FAILURES = (
    GoogleAPIError,
    InvalidResponse,
    DataCorruption,
    auth.GoogleAuthError,
    requests.RequestException,
    urllib3.exceptions.HTTPError,
    http.client.HTTPException,
    TooLargeError,
    OSError,
    subprocess.SubprocessError,  # of an executable that gives the credentials' token
    # The client takes answers apart without asking for their shape first.
    ValueError,
    TypeError,
    AttributeError,
    LookupError,
    RecursionError,
)
"""What Google's client is known to raise: these share no base class but `Exception`."""


class Verdict(Enum):
    """Rank failures by what to do about them."""

    AGAIN = auto()
    ONCE_MORE = auto()
    LATER = auto()
    CONFLICT = auto()
    ABSENT = auto()
    FORBIDDEN = auto()
    SETTINGS = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """Hold what went wrong. `what` is safe to print; `pause` is the server's wish in seconds, if any.

    `remedy` None: to run again is all that can be done.
    """

    verdict: Verdict
    what: str
    remedy: str | None = None
    pause: float = 0.0
    permission: str | None = None
    of_bucket: bool = False

    def as_error(self, where: str, *, of_write: bool = False) -> SinkError:
        """Make the error that leaves the sink."""
        remedy = self.remedy or (_AFTER_WRITE if of_write else _AFTER_READ)
        return _ERRORS[self.verdict](where, self.what, remedy)


_AFTER_READ = "run again; if it lasts, look at the network between here and Cloud Storage"
_AFTER_WRITE = "run again; a repeated run finds out what was written"


_ERRORS: dict[Verdict, type[SinkError]] = {
    Verdict.AGAIN: SinkUnavailableError,
    Verdict.ONCE_MORE: SinkUnavailableError,
    Verdict.LATER: SinkUnavailableError,
    Verdict.CONFLICT: SinkConflictError,
    Verdict.ABSENT: SinkSettingsError,
    Verdict.FORBIDDEN: SinkSettingsError,
    Verdict.SETTINGS: SinkSettingsError,
}

_RETRIED = frozenset({408, 409, 425, 429})
_LIMITS = frozenset({"rateLimitExceeded", "userRateLimitExceeded", "quotaExceeded"})
_STATUSES = {
    401: (Verdict.SETTINGS, "look at the Application Default Credentials of this process"),
    403: (Verdict.FORBIDDEN, "give the publisher's identity the least role of the documentation"),
    404: (Verdict.ABSENT, "make the bucket or correct its name"),
    412: (Verdict.CONFLICT, "run again; have one publisher per bucket"),
}
_LONGEST_PAUSE = 60.0
_CREDENTIALS = _STATUSES[401][1]
_ADDRESS = "look at STORAGE_EMULATOR_HOST, the proxy and the CA bundle in the environment"
_REFUSED = re.compile(
    r"\b(?:invalid_grant|invalid_client|unauthorized_client|invalid_target|invalid_request|access_denied)\b"
    r"|(?i:\b(?:status|code|error|http/[0-9.]+)\W{1,8}40[0134]\b)"
    r"|\b40[0134] (?:Bad Request|Unauthorized|Forbidden|Not Found)\b"
)
"""How a credential service says no for good: an OAuth error (RFC 6749 section 5.2), or a status."""
_INCOMPLETE = re.compile(
    r"was not found|necessary fields|Reauthentication is needed|(?:Missing|Unable to parse) subject_token"
)
"""How the library says that what it found on this machine is not enough to ask anybody."""
_PERMISSION = re.compile(r"storage\.(?:objects|buckets)\.[A-Za-z]+")


def classify(error: Exception) -> Failure:
    """Judge one of `FAILURES`. No token gets into the judgement's text."""
    match error:
        case GoogleAPICallError() | InvalidResponse() if getattr(error, "response", None) is not None:
            return _of_answer(error.response)
        case auth.GoogleAuthError():
            return _of_credentials(error)
        case requests.RequestException():
            return _of_request(error)
        case _:
            return _of_other(error)


def _of_other(error: Exception) -> Failure:
    match error:
        case DataCorruption():
            return Failure(verdict=Verdict.ONCE_MORE, what="the bytes do not match their checksum")
        case TooLargeError():
            remedy = "look at who wrote it and remove it"
            return Failure(verdict=Verdict.SETTINGS, what=str(error), remedy=remedy)
        case OSError() if not isinstance(error, ConnectionError | TimeoutError):
            return Failure(verdict=Verdict.SETTINGS, what=shown(error), remedy=_ADDRESS)
        case ValueError():
            return Failure(verdict=Verdict.ONCE_MORE, what=f"the answer makes no sense: {shown(error)}")
        case TypeError() | AttributeError() | LookupError() | RecursionError():
            said = shown(error) if error.args else ""
            what = f"the answer makes no sense: {type(error).__name__} {said}".rstrip()
            return Failure(verdict=Verdict.ONCE_MORE, what=what)
        case _:
            # A TimeoutError is the sink's own, and says what was waited for.
            words = None if isinstance(error, TimeoutError) else in_words(error)
            return Failure(verdict=Verdict.AGAIN, what=words or shown(error))


def _of_credentials(error: auth.GoogleAuthError) -> Failure:
    broken = in_words(error)
    what = f"no access token: {broken or shown(error)}"
    if broken or error.retryable or _may_pass(error):
        return Failure(verdict=Verdict.AGAIN, what=what, remedy=f"run again; if it lasts, {_CREDENTIALS}")
    return Failure(verdict=Verdict.SETTINGS, what=what, remedy=_CREDENTIALS)


def _may_pass(error: auth.GoogleAuthError) -> bool:
    """Tell whether an error that carries only the text of an answer, and no status, is no refusal.

    The library calls a 503 of the metadata server, of STS and of impersonation final.
    """
    if isinstance(error, auth.TransportError | auth.TimeoutError):
        return True
    if isinstance(error, auth.ReauthFailError) or not isinstance(error, auth.RefreshError | auth.OAuthError):
        return False
    said = " ".join(map(str, error.args))
    return not (_REFUSED.search(said) or _INCOMPLETE.search(said))


def _of_request(error: requests.RequestException) -> Failure:
    what = in_words(error) or shown(error)
    match error:
        case requests.JSONDecodeError():
            return Failure(verdict=Verdict.ONCE_MORE, what=f"the answer is not JSON: {what}")
        case requests.exceptions.SSLError() if "CERTIFICATE_VERIFY_FAILED" in str(error):
            return Failure(verdict=Verdict.LATER, what=what, remedy=_ADDRESS)
        case requests.TooManyRedirects():
            what = "the answer is a redirect, which Cloud Storage never sends"
            return Failure(verdict=Verdict.LATER, what=what, remedy=_ADDRESS)
        case ValueError():  # an address without scheme or host
            return Failure(verdict=Verdict.SETTINGS, what=what, remedy=_ADDRESS)
        case _:
            return Failure(verdict=Verdict.AGAIN, what=what)


def _of_answer(response: requests.Response) -> Failure:
    status = response.status_code
    if status < 400:  # noqa: PLR2004 - a success that the client did not understand, or a redirect
        return Failure(verdict=Verdict.ONCE_MORE, what=f"answered {status} in an unknown way")
    message, reason = _said(response)
    what = f"answered {status}: {safe(message)}"
    if status in _RETRIED or status >= 500 or (status == 403 and reason in _LIMITS):  # noqa: PLR2004
        return Failure(verdict=Verdict.AGAIN, what=what, pause=_retry_after(response))
    verdict, remedy = _STATUSES.get(status, (Verdict.SETTINGS, "look at the bucket's settings"))
    named = _PERMISSION.search(message)
    return Failure(
        verdict=verdict,
        what=what,
        remedy=remedy,
        permission=named and named.group(),
        of_bucket="bucket does not exist" in message.lower(),
    )


def _said(response: requests.Response) -> tuple[str, str]:
    """Give the message and the reason of an error answer: JSON from the API, text from downloads."""
    try:
        error: Any = response.json()["error"]
        message = str(error["message"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return response.text, ""
    try:
        return message, str(error["errors"][0]["reason"])
    except (TypeError, LookupError):
        return message, ""  # as APIs other than Cloud Storage answer


def _retry_after(response: requests.Response) -> float:
    """Give the seconds of `Retry-After` (RFC 9110 section 10.2.3); 0 for none, or a date."""
    wish = response.headers.get("Retry-After", "")
    return min(float(wish), _LONGEST_PAUSE) if re.fullmatch("[0-9]{1,6}", wish) else 0.0
