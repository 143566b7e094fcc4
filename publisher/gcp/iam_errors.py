"""Say what a refusal of the IAM API means for whoever runs `gcp setup`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from publisher import strict_json
from publisher.errors import ExitStatus, PublisherError
from publisher.quoting import quote

ADMIN = "roles/iam.workloadIdentityPoolAdmin"
"""The role that may make and change pools and providers."""

ACCOUNT_ADMIN = "roles/iam.serviceAccountAdmin"
"""The role that may change who acts as a service account."""

_POLICY = "constraints/iam.workloadIdentityPoolProviders"
_PASSING = frozenset({408, 425, 429})
_LONGEST_PAUSE = 60.0
_PERMISSION = re.compile(r"\biam\.[A-Za-z]+\.[A-Za-z]+\b")
_DISABLED_API = "SERVICE_DISABLED"
_STATUSES = {3: 400, 5: 404, 6: 409, 7: 403, 8: 429, 9: 400, 10: 409, 13: 500, 14: 503, 16: 401}
"""Which status an error of google.rpc.Code has over HTTP; an operation tells only the former."""


class IamError(PublisherError):
    """Report that the IAM API refused, or did not answer. `status` is that of the answer; None: none came."""

    def __init__(
        self,
        where: str,
        what: str,
        remedy: str,
        *,
        status: int | None = None,
        exit_status: ExitStatus = ExitStatus.SETTINGS,
    ) -> None:
        super().__init__(where, what, remedy)
        self.status = status
        self.exit_status = exit_status

    @property
    def may_pass(self) -> bool:
        """Tell whether another attempt may fare better."""
        return self.exit_status is ExitStatus.TEMPORARY


@dataclass(frozen=True, slots=True, kw_only=True)
class IamAnswer:
    """Hold an answer: its status, its body, and for how many seconds it asks to be left alone."""

    status: int
    body: bytes
    pause: float = 0.0

    @property
    def ok(self) -> bool:
        """Tell whether it is a success."""
        return self.status == 200  # noqa: PLR2004

    @property
    def error(self) -> Mapping[str, Any]:
        """Give its `error`; empty where it has none in the form of Google's APIs."""
        try:
            value = strict_json.loads(self.body, where="answer")
        except PublisherError:
            return {}
        error = value.get("error") if isinstance(value, Mapping) else None
        return error if isinstance(error, Mapping) else {}

    @classmethod
    def of_operation(cls, error: object) -> Self:
        """Make the answer that an operation's error (google.rpc.Status) would have been."""
        found: Mapping[str, Any] = error if isinstance(error, Mapping) else {}
        code = found.get("code")
        body = strict_json.dumps({"error": {**found}})
        return cls(status=_STATUSES.get(code, 400) if type(code) is int else 400, body=body)


def pause_of(retry_after: str) -> float:
    """Read the seconds of `Retry-After` (RFC 9110 section 10.2.3); 0 for none, or a date."""
    wish = retry_after.strip()
    return min(float(wish), _LONGEST_PAUSE) if re.fullmatch("[0-9]{1,6}", wish) else 0.0


def refusal(answer: IamAnswer, where: str) -> IamError:
    """Translate an answer that is none of success."""
    error = answer.error
    said = str(error.get("message", "")).strip()
    status = answer.status
    what = f"answered {status}" + (f": {quote(said, 400)}" if said else "")
    if status >= 500 or status in _PASSING:  # noqa: PLR2004
        return IamError(
            where,
            what,
            "run again; if it lasts, look at https://status.cloud.google.com",
            status=status,
            exit_status=ExitStatus.TEMPORARY,
        )
    return IamError(where, what, _remedy(status, error, said, where), status=status)


def _remedy(status: int, error: Mapping[str, Any], said: str, where: str) -> str:  # noqa: PLR0911 (one for each)
    details = str(error.get("details", ""))
    if _POLICY in said + details or (status == 400 and "Org Policy" in said + details):  # noqa: PLR2004
        return (
            f"the organization policy {_POLICY} forbids this issuer: have its administrator allow it "
            "(for X.509 the value is MTLS)"
        )
    if status == 401:  # noqa: PLR2004
        return "renew the Application Default Credentials: gcloud auth application-default login"
    if status == 403:  # noqa: PLR2004
        if _DISABLED_API in details or "has not been used" in said or "is disabled" in said:
            return "enable the API: gcloud services enable iam.googleapis.com --project=PROJECT"
        role = ACCOUNT_ADMIN if "/serviceAccounts/" in where else ADMIN
        on = "the service account" if role == ACCOUNT_ADMIN else "the project"
        missing = _PERMISSION.search(said)
        return f"give the caller {role} on {on}" + (f" (it lacks {missing.group()})" if missing else "")
    if status == 404:  # noqa: PLR2004
        if "/serviceAccounts/" in where:
            return "make the service account, or correct --service-account"
        return "correct the project's number in --provider"
    if status == 409:  # noqa: PLR2004
        return "somebody else changes it now: run again"
    if error.get("status") == "FAILED_PRECONDITION":
        return "look at the state of pool and provider, and at the organization's policies"
    return "correct what the message names"
