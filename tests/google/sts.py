"""The Security Token Service: exchange a subject token for a federated access token (RFC 8693).

Documented: parameters and their values, the error body, what a subject token must be. Reported by users: the
words of `NO_SUCH_AUDIENCE` and `NO_SUCH_TARGET`. Invented: the words for other bad parameters; that a missing
scope is refused; the lifetime of a token (`Settings`).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.google.chains import verify_chain
from tests.google.discovery import IssuerKeys
from tests.google.errors import OAuthError
from tests.google.id_tokens import verify
from tests.google.mapping import identify
from tests.google.names import PROVIDER, pool_of
from tests.google.state import State

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPE = "urn:ietf:params:oauth:token-type:"
ACCESS_TOKEN, MTLS = f"{_TYPE}access_token", f"{_TYPE}mtls"
SUBJECT_TYPES = (f"{_TYPE}jwt", f"{_TYPE}id_token")
NO_SUCH_AUDIENCE = (
    'Invalid value for "audience". This value should be the full resource name of the Identity Provider. See '
    "https://cloud.google.com/iam/docs/reference/sts/rest/v1/TopLevel/token for the list of possible formats."
)
NO_SUCH_TARGET = (
    'The target service indicated by the "audience" parameters is invalid. This might either be because the '
    "pool or provider is disabled or deleted or because it doesn't exist."
)
_PREFIX = "//iam.googleapis.com/"
_FEDERATED = "ya29.d"
_NEEDED = ("grant_type", "audience", "scope", "requested_token_type", "subject_token", "subject_token_type")


@dataclass(frozen=True, kw_only=True)
class Exchange:
    """Hold what a client asks for; `certificate` is the DER that it showed in TLS, if any."""

    parameters: Mapping[str, str]
    certificate: bytes | None
    detail: dict[str, Any] = field(default_factory=dict)
    """Filled for the journal; never a token."""


def exchange(state: State, keys: IssuerKeys, asked: Exchange) -> dict[str, Any]:
    """Verify the subject token and give the answer of the token endpoint.

    Raises:
        OAuthError: refused.

    """
    given = asked.parameters
    asked.detail.update({key: given.get(key, "") for key in ("audience", "scope", "subject_token_type")})
    if "options" in given:
        asked.detail["options"] = given["options"]
    for name in _NEEDED:
        if not given.get(name):
            raise OAuthError("invalid_request", f'Missing required parameter: "{name}".')
    if given["grant_type"] != GRANT:
        raise OAuthError("unsupported_grant_type", "Bad Request")
    if given["requested_token_type"] != ACCESS_TOKEN:
        raise OAuthError("invalid_request", 'Invalid value for "requested_token_type".')
    with state.lock:
        name, provider = _provider(state, given["audience"])
        now, settings = state.clock.now(), state.settings
    kind = given["subject_token_type"]
    # Not under the lock: an issuer may take its time.
    if "oidc" in provider and kind in SUBJECT_TYPES:
        assertion = verify(given["subject_token"], name, provider, keys, now, settings)
        ends = float(assertion["exp"])
    elif "x509" in provider and kind == MTLS:
        if asked.certificate is None:
            raise OAuthError("invalid_request", "The connection has no client certificate.")
        store = provider["x509"]["trustStore"]
        assertion = verify_chain(given["subject_token"], asked.certificate, store, now)
        ends = float("inf")
    else:
        raise OAuthError("invalid_request", 'Invalid value for "subject_token_type".')
    identity = identify(name, provider, assertion)
    asked.detail["subject"] = identity.subject
    lifetime = settings.token_lifetime
    if settings.bound_by_subject_token:
        lifetime = min(lifetime, max(ends - now, 1.0))
    with state.lock:
        token = state.issue(
            identity.principal, identity.members, given["scope"].split(), lifetime, _FEDERATED
        )
    return {
        "access_token": token,
        "issued_token_type": ACCESS_TOKEN,
        "token_type": "Bearer",
        "expires_in": int(lifetime),
    }


def _provider(state: State, audience: str) -> tuple[str, dict[str, Any]]:
    name = audience.removeprefix(_PREFIX)
    match = PROVIDER.fullmatch(name)
    if name == audience or match is None or not match["provider"]:
        raise OAuthError("invalid_request", NO_SUCH_AUDIENCE)
    now, propagation = state.clock.now(), state.settings.propagation
    for held in (pool_of(name), name):
        resource = state.resources.get(held)
        seen = resource and resource.seen_by_sts(now, propagation)
        if not seen or seen.get("disabled") or seen["state"] != "ACTIVE":
            raise OAuthError("invalid_target", NO_SUCH_TARGET)
    return name, dict(seen or {})
