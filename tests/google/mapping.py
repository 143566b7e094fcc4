"""From a credential's claims to a principal: attribute mapping, limits, attribute condition."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tests.google.cel import evaluate
from tests.google.cel_parser import CelError
from tests.google.errors import OAuthError
from tests.google.names import memberships, pool_of, principal

LONGEST_SUBJECT = 127
TOO_LONG = (
    "The size of mapped attribute google.subject exceeds the 127 bytes limit. Either modify your attribute "
    "mapping or the incoming assertion to produce a mapped attribute that is less than 127 bytes."
)
"""STS's words (reported)."""
REJECTED = "The given credential is rejected by the attribute condition."
"""STS's words (reported), with the error `unauthorized_client`."""


@dataclass(frozen=True, kw_only=True)
class Identity:
    """Hold who a credential stands for: its principal and the principal sets it belongs to."""

    subject: str
    principal: str
    members: frozenset[str]


def identify(name: str, provider: Mapping[str, Any], assertion: Mapping[str, Any]) -> Identity:
    """Map the claims by the provider's expressions and check the condition.

    Beyond documented facts: the words for an attribute without a value; an attribute that is neither text nor
    (for google.groups) a list of texts is refused.

    Raises:
        OAuthError: no subject, one that is too long, or the condition is not met.

    """
    mapped: dict[str, Any] = {}
    for key, expression in provider["attributeMapping"].items():
        try:
            mapped[key] = evaluate(expression, {"assertion": assertion})
        except CelError as error:
            raise OAuthError(
                "invalid_grant", f"The attribute mapping of {key} has no value: {error}."
            ) from error
        if not isinstance(mapped[key], str) and not (
            key == "google.groups" and isinstance(mapped[key], list)
        ):
            raise OAuthError("invalid_grant", f"The mapped attribute {key} must be of type STRING.")
    subject = mapped.get("google.subject", "")
    if not subject:
        raise OAuthError(
            "invalid_grant", "Could not obtain a value for google.subject from the given credential."
        )
    if len(subject.encode()) > LONGEST_SUBJECT:
        raise OAuthError("invalid_request", TOO_LONG)
    _check_condition(provider.get("attributeCondition", ""), assertion, mapped)
    pool = pool_of(name)
    return Identity(
        subject=subject,
        principal=principal(pool, subject),
        members=frozenset(memberships(pool, mapped)),
    )


def _check_condition(condition: str, assertion: Mapping[str, Any], mapped: Mapping[str, Any]) -> None:
    if not condition:
        return
    names: dict[str, Any] = {"assertion": assertion}
    for start in ("google", "attribute"):
        names[start] = {
            key.partition(".")[2]: value for key, value in mapped.items() if key.startswith(f"{start}.")
        }
    try:
        met = evaluate(condition, names)
    except CelError as error:
        raise OAuthError("unauthorized_client", REJECTED) from error
    if met is not True:
        raise OAuthError("unauthorized_client", REJECTED)
