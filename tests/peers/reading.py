"""How tests read what a peer gives: tokens, key sets, refusals, and things that take a while."""

import time
from collections.abc import Callable
from typing import Any

import grpc
import jwt

from tests.peers.client import CallError

_PATIENCE, _POLL = 20.0, 0.1


def claims_of(token: str) -> dict[str, Any]:
    """Give the claims of a JWT-SVID, its signature unchecked."""
    claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
    return claims


def kid_of(token: str) -> str:
    """Give the kid in the header of a JWT-SVID."""
    return str(jwt.get_unverified_header(token)["kid"])


def kids(document: dict[str, Any]) -> set[str]:
    """Give the kids of a JWK Set or a SPIFFE bundle; X.509 authorities have none."""
    return {key["kid"] for key in document["keys"] if "kid" in key}


def eventually(condition: Callable[[], bool]) -> bool:
    """Tell whether the condition comes true within 20 s; it is asked ten times a second."""
    end = time.monotonic() + _PATIENCE
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(_POLL)
    return False


def refused(call: Callable[[], object]) -> grpc.StatusCode | None:
    """Give the status with which a peer refused the call; None: it did not."""
    try:
        call()
    except CallError as error:
        return error.code
    return None
