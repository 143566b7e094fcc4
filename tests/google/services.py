"""Every service of the stand-in behind one door: a request in, an answer out. Knows no sockets.

Beyond documented facts: `/whoami`; every path here answers on every host name.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, unquote

from tests.google import iam_credentials, iam_pools
from tests.google.discovery import IssuerKeys
from tests.google.errors import ApiError, OAuthError
from tests.google.iam_pools import Call
from tests.google.journal import Entry
from tests.google.state import State, Token
from tests.google.storage import Answer, read_object
from tests.google.sts import Exchange, exchange

_UNAUTHENTICATED = (
    "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other "
    "valid authentication credential. See https://developers.google.com/identity/sign-in/web/devconsole-project."
)
"""Google's words (documented)."""
_PROJECT = re.compile(r"projects/[^/]+")


@dataclass(frozen=True, kw_only=True)
class Request:
    """Hold a request as it came: the path still quoted, header names in lower case."""

    method: str
    path: str
    query: str
    headers: Mapping[str, str]
    body: bytes
    certificate: bytes | None


class Services:
    """Answer for STS, IAM, IAM credentials, Resource Manager, Cloud Storage and the id tokens' keys."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.keys = IssuerKeys(state)
        self.id_tokens = iam_credentials.IdTokenKey()

    def answer(self, request: Request, entry: Entry) -> Answer:
        """Give headers and body of an answer of 200, and fill the journal's entry.

        Raises:
            RefusedError: it holds another answer.

        """
        path = request.path
        if path == "/v1/token" and request.method == "POST":
            asked = Exchange(
                parameters=_parameters(request), certificate=request.certificate, detail=entry.detail
            )
            try:
                return {}, exchange(self.state, self.keys, asked)
            except OAuthError as error:
                entry.detail.update(error=error.body["error"], error_description=str(error))
                raise
        if path == "/oauth2/v3/certs" and request.method == "GET":
            return {}, self.id_tokens.jwks()
        with self.state.lock:
            caller = self._caller(request)
            entry.caller = caller.principal if caller else ""
            if "/storage/v1/b/" in path and request.method == "GET":
                alternative = parse_qs(request.query).get("alt", ["json"])[-1]
                return read_object(self.state, path, alternative, caller)
            if caller is None:
                raise ApiError(401, _UNAUTHENTICATED)
            if path == "/whoami":
                return {}, self.describe(caller)
            return {}, self._api(request, entry, caller)

    def describe(self, token: Token) -> dict[str, Any]:
        """Say who bears a token."""
        left = int(token.expires_at - self.state.clock.now())
        return {
            "principal": token.principal,
            "members": sorted(token.members),
            "scopes": list(token.scopes),
            "expires_in": left,
        }

    def _api(self, request: Request, entry: Entry, caller: Token) -> dict[str, Any]:
        version, _, rest = unquote(request.path).removeprefix("/").partition("/")
        path, _, verb = rest.partition(":")
        if version not in {"v1", "v3"}:
            raise ApiError(404, "Not Found")
        if path.endswith("/allowedLocations"):
            return {"locations": [], "encodedLocations": "0x0"}
        query = {name: values[-1] for name, values in parse_qs(request.query).items()}
        body = _json_body(request)
        call = Call(method=request.method, path=path, verb=verb, query=query, body=body, caller=caller)
        if _PROJECT.fullmatch(path) and request.method == "GET" and not verb:
            return self._project(call, version)
        if verb == "generateAccessToken" and request.method == "POST":
            return iam_credentials.generate_access_token(self.state, call, entry.detail)
        if verb == "generateIdToken" and request.method == "POST":
            return iam_credentials.generate_id_token(self.state, call, entry.detail, self.id_tokens)
        if "/serviceAccounts/" in path:
            return iam_credentials.accounts(self.state, call)
        if request.method not in {"GET", "DELETE"}:
            entry.detail["body"] = dict(body)
        return iam_pools.answer(self.state, call)

    def _project(self, call: Call, version: str) -> dict[str, Any]:
        number = self.state.project_number(call.path.partition("/")[2])
        if not self.state.allows(call.caller, "resourcemanager.projects.get", f"projects/{number}"):
            raise ApiError(403, "The caller does not have permission")
        project_id = self.state.projects[number]
        if version == "v3":
            return {"name": f"projects/{number}", "projectId": project_id, "state": "ACTIVE"}
        return {"projectNumber": number, "projectId": project_id, "lifecycleState": "ACTIVE"}

    def _caller(self, request: Request) -> Token | None:
        header = request.headers.get("authorization")
        if header is None:
            return None
        kind, _, bearer = header.partition(" ")
        token = self.state.tokens.get(bearer)
        if kind.lower() != "bearer" or token is None or token.expires_at <= self.state.clock.now():
            raise ApiError(401, _UNAUTHENTICATED)
        # Documented: no tokens of a pool that is disabled or deleted, until it is back. That this is a 401 is
        # a guess. A provider's tokens outlive it.
        pool = token.principal.removeprefix("principal://iam.googleapis.com/").partition("/subject/")[0]
        held = self.state.resources.get(pool)
        if held and (held.shown.get("disabled") or held.shown["state"] != "ACTIVE"):
            raise ApiError(401, _UNAUTHENTICATED)
        return token


def _parameters(request: Request) -> dict[str, str]:
    """Read the form that google-auth sends, or JSON with names in either spelling (documented)."""
    if "json" in request.headers.get("content-type", ""):
        return {
            re.sub("[A-Z]", lambda letter: f"_{letter[0].lower()}", name): str(value)
            for name, value in _json_body(request).items()
        }
    try:
        fields = parse_qs(request.body.decode(), max_num_fields=50)
    except ValueError as error:
        raise OAuthError("invalid_request", "The body is no form.") from error
    return {name: values[-1] for name, values in fields.items()}


def _json_body(request: Request) -> dict[str, Any]:
    if not request.body:
        return {}
    try:
        body = json.loads(request.body)
    except ValueError as error:
        raise ApiError(400, "Invalid JSON payload received. Parsing failed.") from error
    if not isinstance(body, dict):
        raise ApiError(400, "Invalid JSON payload received. Root element must be a message.")
    return body
