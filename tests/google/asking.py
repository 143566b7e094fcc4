"""What a test asks of STS, by hand or through google-auth."""

from typing import Any

import requests
from google.auth import identity_pool
from google.auth.transport.requests import Request

from tests.google.google import CLOUD_PLATFORM, Google
from tests.google.issuers import Issuer

ACCOUNT = "app@my-project.iam.gserviceaccount.com"
USER = "roles/iam.workloadIdentityUser"
JWT = "urn:ietf:params:oauth:token-type:jwt"
MTLS = "urn:ietf:params:oauth:token-type:mtls"
UNREACHABLE = "Error connecting to the given credential's issuer."
ISSUER = Issuer()


class Supplier(identity_pool.SubjectTokenSupplier):
    """Give google-auth a subject token."""

    def __init__(self, token: str) -> None:
        self._token = token

    def get_subject_token(self, context: Any, request: Any) -> str:
        return self._token


def form_of(provider: str, token: str, **others: str | None) -> dict[str, str]:
    """Give the parameters of a token exchange; one that is None is left out."""
    form: dict[str, str | None] = {
        "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
        "audience": Google.audience(provider),
        "scope": CLOUD_PLATFORM,
        "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
        "subject_token_type": JWT,
        "subject_token": token,
        **others,
    }
    return {name: value for name, value in form.items() if value is not None}


def ask_sts(
    google: Google, session: requests.Session, provider: str, token: str, **others: str | None
) -> requests.Response:
    """Exchange a JWT-SVID by hand."""
    return session.post(google.sts_url, data=form_of(provider, token, **others), timeout=20)


def refusal(answer: requests.Response) -> tuple[str, str]:
    """Give error and description of an answer of 400."""
    body = answer.json()
    assert answer.status_code == 400, body
    return body["error"], body["error_description"]


def credentials(google: Google, provider: str, token: str, **others: Any) -> identity_pool.Credentials:
    """Make google-auth's credentials for a JWT-SVID."""
    return identity_pool.Credentials(  # type: ignore[no-untyped-call]  # google-auth is half typed
        audience=google.audience(provider),
        subject_token_type=JWT,
        token_url=google.sts_url,
        subject_token_supplier=Supplier(token),
        scopes=[CLOUD_PLATFORM],
        **others,
    )


def refresh(made: Any, session: requests.Session) -> str:
    """Let google-auth fetch an access token and give it.

    Raises:
        google.auth.exceptions.GoogleAuthError: it has none.

    """
    made.refresh(Request(session))
    return str(made.token)
