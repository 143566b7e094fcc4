"""Exchange a JWT-SVID for a token of Google, with Google's own library."""

import base64
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from http import HTTPStatus
from typing import Any, Final

import requests
from google.auth import exceptions, identity_pool

from publisher import strict_json
from publisher.errors import PublisherError
from publisher.gcp.endpoints import Endpoints
from publisher.gcp.metadata_server.errors import ForbiddenError, NotGivenError, UnavailableError
from publisher.gcp.metadata_server.tokens import Token, Wanted
from publisher.gcp.metadata_server.transport import BoundedRequest
from publisher.gcp.provider_name import Provider
from publisher.ports import Clock, Deadline
from publisher.quoting import quote

IAM_SCOPE: Final = "https://www.googleapis.com/auth/iam"
"""What a federated token needs that is only used to act as a service account."""

_JWT = "urn:ietf:params:oauth:token-type:jwt"
_LONGEST_TOKEN = 32_768
_LONGEST_REASON = 400
_TOKENS = re.compile(r"eyJ[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]*|ya29\.[A-Za-z0-9_.-]+")
_PASSING = frozenset({None, 408, 429, 500, 502, 503, 504})
# What the library raises for an answer that is no token of any kind.
_SENSELESS = (
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    OverflowError,
    OSError,
    strict_json.MalformedError,
)


class _Given(identity_pool.SubjectTokenSupplier):
    def __init__(self, token: str) -> None:
        self._token = token

    def get_subject_token(self, _context: Any, _request: Any) -> str:
        return self._token


@dataclass(frozen=True, slots=True, kw_only=True)
class GoogleExchange:
    """Exchange tokens at the STS, and act as service accounts, for one provider. Usable from many threads."""

    provider: Provider
    endpoints: Endpoints
    session: requests.Session
    clock: Clock
    timeout: float

    def __call__(self, wanted: Wanted, subject: Callable[[], str]) -> Token:
        """Make one exchange, all of it within `timeout` seconds.

        Raises:
            ForbiddenError: Google, or SPIRE, refuses.
            UnavailableError: one of them does not answer, or not with a token.

        """
        svid = subject()
        request = BoundedRequest(self.session, Deadline(self.clock, self.timeout))
        issued = self.clock.now()
        credentials = self._credentials(wanted, svid)
        try:
            credentials.refresh(request)
            if wanted.audience is not None:
                value, expires = self._id_token(wanted, credentials, request)
            else:
                value, expires = credentials.token, credentials.expiry.replace(tzinfo=UTC)
        except exceptions.GoogleAuthError as error:
            raise _refused(error, request.status, wanted, svid) from None
        except _SENSELESS as error:
            raise UnavailableError(
                f"Google's answer is no token ({type(error).__name__}); is a proxy in the way?"
            ) from None
        if not isinstance(value, str) or not 0 < len(value) <= _LONGEST_TOKEN or not value.isascii():
            raise UnavailableError("Google's answer has no token in it")
        if expires <= issued:
            raise UnavailableError("Google's token has run out already; look at this machine's clock")
        return Token(value=value, issued=issued, expires=expires)

    def _credentials(self, wanted: Wanted, svid: str) -> Any:
        impersonated = wanted.account is not None and wanted.audience is None
        return identity_pool.Credentials(  # type: ignore[no-untyped-call]
            audience=self.provider.audience,
            subject_token_type=_JWT,
            token_url=f"{self.endpoints.sts}/v1/token",
            subject_token_supplier=_Given(svid),
            service_account_impersonation_url=self._url(wanted, "generateAccessToken")
            if impersonated
            else None,
            scopes=[IAM_SCOPE] if wanted.audience is not None else list(wanted.scopes),
        )

    def _url(self, wanted: Wanted, method: str) -> str:
        return f"{self.endpoints.iamcredentials}/v1/projects/-/serviceAccounts/{wanted.account}:{method}"

    def _id_token(self, wanted: Wanted, credentials: Any, request: BoundedRequest) -> tuple[str, datetime]:
        headers = {"Content-Type": "application/json"}
        credentials.apply(headers)
        body = json.dumps({"audience": wanted.audience, "includeEmail": wanted.full}).encode()
        answer = request(self._url(wanted, "generateIdToken"), "POST", body, headers)
        if answer.status != HTTPStatus.OK:
            said = answer.data.decode("utf-8", "replace")
            raise exceptions.RefreshError("no id token", said)  # type: ignore[no-untyped-call]
        token = strict_json.loads(answer.data, where="generateIdToken")["token"]
        return token, datetime.fromtimestamp(_expiry(token), UTC)


def _expiry(token: str) -> int:
    """Read the `exp` of a JWT that Google has just made, unverified."""
    payload = token.split(".")[1]
    claims = strict_json.loads(
        base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)), where="id token"
    )
    return int(claims["exp"])


def _refused(
    error: exceptions.GoogleAuthError, status: int | None, wanted: Wanted, svid: str
) -> NotGivenError:
    """Say what Google said, without what it may have quoted of a token."""
    if isinstance(error, exceptions.TransportError):
        return UnavailableError(f"Google is not reached ({_without_secrets(str(error), svid)})")
    said = _without_secrets(_words_of(error), svid)
    if status in _PASSING or (status is not None and status < HTTPStatus.BAD_REQUEST):
        return UnavailableError(f"Google does not answer with a token just now ({status}): {said}")
    account = f" for {wanted.account}" if wanted.account else ""
    return ForbiddenError(
        f"Google refuses the exchange{account} ({status}): {said}; run spire-oidc-publisher gcp doctor"
    )


def _words_of(error: exceptions.GoogleAuthError) -> str:
    """Find the sentence in Google's answer; the library keeps the answer as its error's second argument."""
    for argument in reversed(error.args):
        try:
            told = json.loads(argument) if isinstance(argument, str) else argument
        except ValueError:
            continue
        if isinstance(told, dict):
            inner = told.get("error")
            if isinstance(inner, dict) and isinstance(inner.get("message"), str):
                return str(inner["message"])
            if isinstance(told.get("error_description"), str):
                return f"{inner}: {told['error_description']}"
    return str(error.args[0]) if error.args else type(error).__name__


def _without_secrets(text: str, svid: str) -> str:
    return quote(_TOKENS.sub("(a token)", text.replace(svid, "(a token)")), _LONGEST_REASON).strip("'\"")


def refusal_of(error: PublisherError) -> NotGivenError:
    """Translate what SPIRE's agent is missing: what may pass is told from what takes a person."""
    kind = UnavailableError if error.exit_status.name == "TEMPORARY" else ForbiddenError
    return kind(quote(str(error), _LONGEST_REASON).strip("'\""))
