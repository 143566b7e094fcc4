"""IAM v1: workload identity pools and their providers, as REST resources.

Documented: paths, bodies, updateMask is mandatory, soft deletion, long-running operations. Seen in nothing
but this file: that a missing pool is 404 for those who may see pools and 403 for all others; that the kind of
a provider cannot change; that DELETE is refused unless `Settings.allow_delete` (nothing of ours deletes).
"""

import copy
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.google.errors import ApiError, denied, not_found
from tests.google.limits import check_provider, check_texts
from tests.google.names import PROVIDER, is_legal_id, pool_of
from tests.google.operations import begin, poll
from tests.google.state import State, Token, check_scopes

_COMMON = {"displayName", "description", "disabled"}
_POOL_MEMBERS = _COMMON | {"mode"}
_PROVIDER_MEMBERS = _COMMON | {"attributeMapping", "attributeCondition", "oidc", "x509"}
_COLLECTIONS = {"workloadIdentityPools", "providers"}


@dataclass(frozen=True, kw_only=True)
class Call:
    """Hold one request: `path` after `/v1/`, with the verb after its colon apart."""

    method: str
    path: str
    verb: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] = field(default_factory=dict)
    caller: Token | None = None


def answer(state: State, call: Call) -> dict[str, Any]:  # noqa: PLR0911 - one return for each verb
    """Answer a request for a pool, a provider, a list of them or an operation. The caller holds the lock.

    Raises:
        ApiError: refused.

    """
    path = _with_number(state, call.path)
    if "/operations/" in path:
        _permit(state, call, path.partition("/operations/")[0], "get")
        return poll(state, path)
    parent, _, last = path.rpartition("/")
    if last in _COLLECTIONS:
        if call.method == "POST":
            return create(state, call, parent, last)
        return _listed(state, call, path)
    match call.method, call.verb:
        case "GET", "":
            _permit(state, call, path, "get")
            return _held(state, path)
        case "PATCH", "":
            return patch(state, call, path)
        case "DELETE", "":
            _permit(state, call, path, "delete")
            if not state.settings.allow_delete:
                raise denied(f"iam.{_kind(path)}s.delete", f"//iam.googleapis.com/{path}")
            return _change(state, path, {**_held(state, path), "state": "DELETED"})
        case "POST", "undelete":
            _permit(state, call, path, "undelete")
            return _change(state, path, {**_held(state, path), "state": "ACTIVE"})
        case _:
            raise not_found()


def create(state: State, call: Call, parent: str, collection: str, *, free: bool = False) -> dict[str, Any]:
    """Create a pool or provider; `free` asks for no permission (the tests' control)."""
    kind = "workloadIdentityPool" if collection == "workloadIdentityPools" else "workloadIdentityPoolProvider"
    given = call.query.get(f"{kind}Id", "")
    name = f"{parent}/{collection}/{given}"
    if not free:
        _permit(state, call, name, "create")
    if not is_legal_id(given):
        raise ApiError(400, f"{kind}_id must be 4 to 32 of [a-z0-9-] and must not start with gcp-.")
    if kind.endswith("Provider") and state.resources.get(parent) is None:
        raise not_found()
    if name in state.resources:
        raise ApiError(409, "Requested entity already exists")
    body = _writable(call.body, kind)
    _check(state, body, kind)
    return _change(state, name, {"name": name, "state": "ACTIVE", **body})


def patch(state: State, call: Call, path: str, *, free: bool = False) -> dict[str, Any]:
    """Replace the fields of the mask; one that the body lacks is cleared."""
    if not free:
        _permit(state, call, path, "update")
    mask = [name for name in call.query.get("updateMask", "").split(",") if name]
    if not mask:
        raise ApiError(400, "The update_mask is required.")
    held = copy.deepcopy(_held(state, path))
    if held["state"] != "ACTIVE":
        raise ApiError(400, f"{path} is deleted.", name="FAILED_PRECONDITION")
    kind = _kind(path)
    body = _writable(call.body, kind)
    for name in mask:
        _copy(_camel(name).split("."), body, held, kind)
    if kind.endswith("Provider") and ("oidc" in held) == ("x509" in held):
        raise ApiError(400, "The kind of a provider cannot be changed.")
    _check(state, _writable(held, kind, strict=False), kind)
    return _change(state, path, held)


def _listed(state: State, call: Call, path: str) -> dict[str, Any]:
    _permit(state, call, f"{path}/any", "list")
    plain = path.endswith("workloadIdentityPools")
    found = [
        resource.shown
        for name, resource in sorted(state.resources.items())
        if name.rpartition("/")[0] == path
        and (resource.shown["state"] == "ACTIVE" or call.query.get("showDeleted") == "true")
    ]
    return {"workloadIdentityPools" if plain else "workloadIdentityPoolProviders": found}


def _change(state: State, name: str, shown: dict[str, Any]) -> dict[str, Any]:
    kind = _kind(name)
    failure = state.failures.pop(0) if state.failures else None
    if failure is None:
        state.store(name, shown)
    return begin(state, name, shown, kind[0].upper() + kind[1:], failure)


def _copy(steps: list[str], source: Mapping[str, Any], target: dict[str, Any], kind: str) -> None:
    known = _PROVIDER_MEMBERS if kind.endswith("Provider") else _POOL_MEMBERS
    if steps[0] not in known:
        raise ApiError(400, f"Invalid field in update_mask: {steps[0]}.")
    for step in steps[:-1]:
        source, target = source.get(step) or {}, target.setdefault(step, {})
    if steps[-1] in source:
        target[steps[-1]] = source[steps[-1]]
    else:
        target.pop(steps[-1], None)


def _check(state: State, body: Mapping[str, Any], kind: str) -> None:
    if kind.endswith("Provider"):
        check_provider(body, state.settings)
    else:
        check_texts(body)


def _writable(body: Mapping[str, Any], kind: str, *, strict: bool = True) -> dict[str, Any]:
    known = _PROVIDER_MEMBERS if kind.endswith("Provider") else _POOL_MEMBERS
    unknown = sorted(set(body) - known - {"name", "state", "expireTime"})
    if unknown and strict:
        raise ApiError(400, f'Invalid JSON payload received. Unknown name "{unknown[0]}": Cannot find field.')
    return {key: value for key, value in body.items() if key in known}


def _held(state: State, path: str) -> dict[str, Any]:
    resource = state.resources.get(path)
    if resource is None or ("/providers/" in path and pool_of(path) not in state.resources):
        raise not_found()
    return resource.shown


def _permit(state: State, call: Call, path: str, verb: str) -> None:
    check_scopes(call.caller)
    permission = f"iam.{_kind(path)}s.{verb}"
    project = "/".join(path.split("/")[:2])
    if not state.allows(call.caller, permission, project):
        raise denied(permission, f"//iam.googleapis.com/{path}")


def _kind(path: str) -> str:
    return "workloadIdentityPoolProvider" if "/providers/" in path else "workloadIdentityPool"


def _with_number(state: State, path: str) -> str:
    steps = path.split("/")
    if PROVIDER.match(f"{path}/x") is None:
        raise not_found()
    steps[1] = state.project_number(steps[1])
    return "/".join(steps)


def _camel(name: str) -> str:
    """Accept masks in both spellings, as Google's JSON does."""
    first, *rest = name.split("_")
    return first + "".join(part.title() if part.islower() else part for part in rest)
