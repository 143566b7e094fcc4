"""Ask Google's IAM API for one provider and its operations, within limits."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import requests
from google.api_core.exceptions import from_http_response
from google.auth.transport.requests import AuthorizedSession

from publisher import strict_json
from publisher.errors import SinkError, SinkSettingsError, SinkUnavailableError
from publisher.quoting import quote
from publisher.sinks.gcs_client import bound, credentials_translated, default_credentials
from publisher.sinks.gcs_connections import prepare
from publisher.sinks.gcs_words import safe

SCOPE = "https://www.googleapis.com/auth/cloud-platform"
ROLE = "roles/iam.workloadIdentityPoolAdmin"

Answer = Mapping[str, Any]

_RETRIED = frozenset({408, 409, 425, 429})
_PASSING = frozenset({4, 8, 10, 13, 14})
"""DEADLINE_EXCEEDED, RESOURCE_EXHAUSTED, ABORTED, INTERNAL and UNAVAILABLE, of google.rpc.Code."""

_OPERATION = re.compile(r"projects(?:/[A-Za-z0-9_-]+)+/operations/[A-Za-z0-9_-]+", re.ASCII)


@dataclass(frozen=True, slots=True)
class ProviderClient:
    """Hold the session that many threads may share, and the origin of the IAM API."""

    _http: Any
    _origin: str

    @property
    def credentials(self) -> Any:
        """Give the credentials, for what may be said about them."""
        return self._http.credentials

    def fetch(self, name: str, timeout: tuple[float, float]) -> Answer:
        """Read one resource, or an operation.

        Raises:
            SinkError: an answer that repeating does not change.
            ValueError: an answer that makes no sense.

        """
        return self._ask("GET", name, timeout)

    def upload(self, name: str, jwks: str, timeout: tuple[float, float]) -> str | None:
        """Replace the uploaded keys of a provider, and give the operation to wait for; None: none is named.

        Raises:
            SinkError: an answer that repeating does not change.
            ValueError: an answer that makes no sense.

        """
        path = f"{name}?updateMask=oidc.jwksJson"
        answer = self._ask("PATCH", path, timeout, {"oidc": {"jwksJson": jwks}})
        refuse_failed(answer, name)
        operation = answer.get("name")
        if answer.get("done") is True or not isinstance(operation, str):
            return None
        return operation if _OPERATION.fullmatch(operation) else None

    def close(self) -> None:
        """End the connections."""
        self._http.close()

    def _ask(
        self, method: str, path: str, timeout: tuple[float, float], body: Answer | None = None
    ) -> Answer:
        url = f"{self._origin}/v1/{path}"
        response = self._http.request(method, url, json=body, timeout=timeout)
        if response.status_code != requests.codes.ok:
            raise _refused(response, path) or from_http_response(response)  # type: ignore[no-untyped-call]
        try:
            answer = strict_json.loads(response.content, where="answer")
        except strict_json.MalformedError as error:
            raise ValueError(f"it is {error.what}") from error
        if not isinstance(answer, dict):
            raise ValueError("it is no JSON object")  # noqa: TRY004 (an answer, no argument)
        return answer


def open_provider_client(origin: str) -> ProviderClient:
    """Make a client with the Application Default Credentials for the IAM API at an origin.

    No request goes to IAM. Whoever opened it closes it.

    Raises:
        SinkSettingsError: no credentials, or none that can be used; no CA bundle where one is named.
        SinkUnavailableError: Google's metadata server does not answer just now.

    """
    with credentials_translated():
        session = AuthorizedSession(default_credentials(SCOPE))  # type: ignore[no-untyped-call]
    prepare(session, origin)
    bound(session)
    return ProviderClient(session, origin)


def refuse_failed(operation: Answer, name: str) -> None:
    """Raise what an operation that ended badly says.

    Raises:
        SinkUnavailableError: it does, by a code that a repetition can change.
        SinkSettingsError: it does, by another.

    """
    error = operation.get("error")
    if error:
        details = error if isinstance(error, dict) else {"message": error}
        what = f"the operation failed: {safe(str(details.get('message')))}"
        if details.get("code") in _PASSING:
            raise SinkUnavailableError(name, what, "run again; if it lasts, look at the provider")
        raise SinkSettingsError(name, what, "look at what Google says, and at the provider")


def _refused(response: requests.Response, path: str) -> SinkError | None:
    """Say what a person has to do about a final answer; None: repeating may help."""
    status, name = response.status_code, path.partition("?")[0]
    if status in _RETRIED or not 400 <= status < 500:  # noqa: PLR2004
        return None
    what = f"answered {status}: {safe(_message(response))}"
    match status:
        case 401:
            remedy = "look at the Application Default Credentials of this process"
        case 403 if "SERVICE_DISABLED" in response.text:
            remedy = "enable the IAM API of that project: gcloud services enable iam.googleapis.com"
        case 403:
            remedy = (
                f"grant the publisher's identity {ROLE} on the project, or a role with "
                "iam.workloadIdentityPoolProviders.get and .update"
            )
        case 404:
            what = f"there is no such provider ({what})"
            remedy = "correct --sink, or create the provider: spire-oidc-publisher gcp setup"
        case _:
            remedy = "Google does not take these keys for this provider; look at what it says"
    return SinkSettingsError(f"provider {quote(name, 200)}", what, remedy)


def _message(response: requests.Response) -> str:
    try:
        return str(response.json()["error"]["message"])
    except (ValueError, TypeError, LookupError, RecursionError):
        return response.text
