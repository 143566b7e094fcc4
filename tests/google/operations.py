"""Long-running operations: a write is done at once, and its operation says so after some polls."""

import secrets
from typing import Any

from tests.google.errors import not_found
from tests.google.state import State


def begin(
    state: State, resource: str, shown: dict[str, Any], kind: str, failure: dict[str, Any] | None
) -> dict[str, Any]:
    """Give the operation of a write to that resource.

    Beyond documented facts: the write is in effect before its operation is done, and `metadata` is empty but
    for its type.
    """
    operation: dict[str, Any] = {
        "name": f"{resource}/operations/{secrets.token_hex(12)}",
        "metadata": {"@type": f"type.googleapis.com/google.iam.v1.{kind}OperationMetadata"},
    }
    state.operations[operation["name"]] = {
        "left": state.settings.operation_polls,
        "end": {"response": {"@type": f"type.googleapis.com/google.iam.v1.{kind}", **shown}}
        if failure is None
        else {"error": failure},
        "metadata": operation["metadata"],
    }
    return poll(state, operation["name"], first=True)


def poll(state: State, name: str, *, first: bool = False) -> dict[str, Any]:
    """Give an operation as it is after one more poll.

    Raises:
        ApiError: there is none of that name.

    """
    held = state.operations.get(name)
    if held is None:
        raise not_found()
    shown: dict[str, Any] = {"name": name, "metadata": held["metadata"]}
    if held["left"] <= 0:
        return {**shown, "done": True, **held["end"]}
    held["left"] -= not first
    return shown
