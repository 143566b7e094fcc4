"""IAM credentials v1 and the service accounts of IAM v1: impersonation, id tokens, bindings.

Documented: paths, bodies, lifetimes (default 3,600 s, 43,200 s with a policy), delegates, roles. Reported by
users: the 403's words. Beyond documented facts: that the caller's token must have the scope `iam` or
`cloud-platform` (documented for the methods, its error is not); that an unknown account is 404 for nobody.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import rsa

from tests.google.errors import ApiError, denied, not_found
from tests.google.iam_pools import Call
from tests.google.state import State, Token, check_scopes

ISSUER = "https://accounts.google.com"
_IMPERSONATED = "ya29.c"
_CONDITIONS_SINCE = 3
"""The version of policies with conditions (documented)."""
_ACCOUNT = re.compile(r"projects/([^/]+)/serviceAccounts/([^/]+)")


class IdTokenKey:
    """Hold the key that signs id tokens, and show its public half."""

    def __init__(self) -> None:
        self._key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        self.kid = "standin-google"

    def jwks(self) -> dict[str, Any]:
        key = jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key(), as_dict=True)
        members = {name: key[name] for name in ("kty", "n", "e")}
        return {"keys": [{**members, "kid": self.kid, "alg": "RS256", "use": "sig"}]}

    def sign(self, claims: Mapping[str, Any]) -> str:
        return jwt.encode(dict(claims), self._key, algorithm="RS256", headers={"kid": self.kid})


def generate_access_token(state: State, call: Call, detail: dict[str, Any]) -> dict[str, Any]:
    """Answer `:generateAccessToken`. The caller holds the lock."""
    account = _account(call.path)
    scopes = call.body.get("scope") or []
    lifetime = _lifetime(state, call.body.get("lifetime") or "3600s")
    detail.update(account=account, scope=scopes, lifetime=lifetime, delegates=call.body.get("delegates"))
    if not scopes:
        raise ApiError(400, "Request contains an invalid argument: scope.")
    _permit(state, call, account, "iam.serviceAccounts.getAccessToken")
    token = state.issue(f"serviceAccount:{account}", (), scopes, lifetime, _IMPERSONATED)
    expires = datetime.fromtimestamp(int(state.clock.now() + lifetime), UTC)
    return {"accessToken": token, "expireTime": expires.strftime("%Y-%m-%dT%H:%M:%SZ")}


def generate_id_token(state: State, call: Call, detail: dict[str, Any], key: IdTokenKey) -> dict[str, Any]:
    """Answer `:generateIdToken`. The caller holds the lock."""
    account, audience = _account(call.path), call.body.get("audience")
    detail.update(account=account, audience=audience, include_email=bool(call.body.get("includeEmail")))
    if not audience:
        raise ApiError(400, "Request contains an invalid argument: audience.")
    _permit(state, call, account, "iam.serviceAccounts.getOpenIdToken")
    now, unique = int(state.clock.now()), state.accounts[account]
    claims = {"iss": ISSUER, "aud": audience, "azp": unique, "sub": unique, "iat": now, "exp": now + 3600}
    if call.body.get("includeEmail"):
        claims |= {"email": account, "email_verified": True}
    return {"token": key.sign(claims)}


def accounts(state: State, call: Call) -> dict[str, Any]:
    """Answer for one service account of IAM v1: itself and its policy. The caller holds the lock."""
    account = _account(call.path)
    names = {"": "get", "getIamPolicy": "getIamPolicy", "setIamPolicy": "setIamPolicy"}
    if call.verb not in names or call.method != ("POST" if call.verb else "GET"):
        raise not_found()
    _permit_administration(state, call.caller, f"iam.serviceAccounts.{names[call.verb]}", account)
    match call.verb:
        case "":
            project = account.partition("@")[2].partition(".")[0]
            name = f"projects/{project}/serviceAccounts/{account}"
            unique = state.accounts[account]
            return {
                "name": name,
                "projectId": project,
                "uniqueId": unique,
                "email": account,
                "disabled": False,
            }
        case "setIamPolicy":
            _set_policy(state, account, call.body.get("policy") or {})
    return _policy(state, account)


def _set_policy(state: State, account: str, wanted: Mapping[str, Any]) -> None:
    if wanted.get("etag", _etag(state, account)) != _etag(state, account):
        raise ApiError(409, "There were concurrent policy changes.", name="ABORTED")
    bindings = wanted.get("bindings", [])
    conditional = [binding for binding in bindings if "condition" in binding]
    if conditional and wanted.get("version") != _CONDITIONS_SINCE:
        raise ApiError(400, "Specified policy version and conditional role bindings do not fit.")
    state.bindings -= {held for held in state.bindings if held[0] == account}
    state.bindings |= {
        (account, binding["role"], member)
        for binding in bindings
        if "condition" not in binding
        for member in binding.get("members", [])
    }
    state.conditional[account] = conditional
    state.policies[account] = state.policies.get(account, 0) + 1


def _policy(state: State, account: str) -> dict[str, Any]:
    roles = sorted({role for bound, role, _ in state.bindings if bound == account})
    bindings: list[dict[str, Any]] = [
        {"role": role, "members": sorted(m for b, r, m in state.bindings if (b, r) == (account, role))}
        for role in roles
    ]
    conditional = state.conditional.get(account, [])
    version = _CONDITIONS_SINCE if conditional else 1
    policy: dict[str, Any] = {"version": version, "etag": _etag(state, account)}
    return {**policy, "bindings": [*bindings, *conditional]} if bindings or conditional else policy


def _permit_administration(state: State, caller: Token | None, permission: str, account: str) -> None:
    projects = [f"projects/{number}" for number in state.projects]
    project_id = account.partition("@")[2].partition(".")[0]
    own = [name for name in projects if state.projects[name.partition("/")[2]] == project_id]
    if account not in state.accounts or not any(
        state.allows(caller, permission, resource) for resource in (account, *own)
    ):
        raise denied(permission, f"projects/{project_id}/serviceAccounts/{account}")


def _permit(state: State, call: Call, account: str, permission: str) -> None:
    """Walk from the caller over the delegates to the account: each step needs its permission."""
    check_scopes(call.caller)
    bearer = call.caller
    for delegate in call.body.get("delegates") or []:
        step = delegate.rpartition("/")[2]
        if not state.allows(bearer, "iam.serviceAccounts.implicitDelegation", step):
            raise denied("iam.serviceAccounts.implicitDelegation", delegate)
        name = f"serviceAccount:{step}"
        bearer = Token(principal=name, members=frozenset({name}), scopes=(), expires_at=0)
    if account not in state.accounts or not state.allows(bearer, permission, account):
        raise denied(permission, f"projects/-/serviceAccounts/{account}")


def _lifetime(state: State, given: Any) -> float:
    match = re.fullmatch(r"(\d+)(\.\d+)?s", str(given))
    if match is None or not 0 < float(match[1]) <= state.settings.longest_impersonation:
        longest = int(state.settings.longest_impersonation)
        raise ApiError(400, f"Request contains an invalid argument: lifetime must be in (0s, {longest}s].")
    return float(match[1])


def _account(path: str) -> str:
    match = _ACCOUNT.fullmatch(path)
    if match is None:
        raise not_found()
    return match[2]


def _etag(state: State, account: str) -> str:
    return f"BwX{state.policies.get(account, 0):09d}"
