"""Ask Google's IAM API: bounded, within a deadline, and an answer that may pass is asked for again."""

import json
import logging
import random
import re
from collections.abc import Mapping
from itertools import count
from typing import Any, Protocol

from publisher import strict_json
from publisher.errors import ExitStatus, PublisherError
from publisher.gcp.iam_errors import IamAnswer, IamError, refusal
from publisher.ports import Deadline

_LOG = logging.getLogger(__name__)

_OPERATION = re.compile(r"projects/[A-Za-z0-9/_.-]{1,500}/operations/[A-Za-z0-9_.-]{1,200}", re.ASCII)
_FIRST_PAUSE, _LONGEST_PAUSE = 0.25, 8.0
_POLL, _LONGEST_POLL = 0.25, 5.0


class Transport(Protocol):
    """Make one request with an access token. The real one is `iam_transport.IamTransport`."""

    def send(self, method: str, url: str, body: bytes | None, deadline: Deadline) -> IamAnswer:
        """Give an answer of any status.

        Raises:
            IamError: no answer; its `exit_status` says whether another attempt may have one.

        """
        ...


class IamApi:
    """Read and write resources of `https://iam.googleapis.com/v1/` by their names.

    `origin` is the API's, without final slash. A write whose answer was lost is not repeated blindly: whoever
    writes reads again what is there.
    """

    def __init__(self, transport: Transport, origin: str, deadline: Deadline) -> None:
        self._transport = transport
        self._origin = origin
        self._deadline = deadline

    def read(self, name: str) -> dict[str, Any] | None:
        """Read a resource; None: it is not there, as far as this identity is told.

        Raises:
            IamError: refused, or no answer within the deadline.

        """
        try:
            return self._asked("GET", name)
        except IamError as error:
            if error.status == 404:  # noqa: PLR2004
                return None
            raise

    def create(self, parent: str, collection: str, *, kind: str, given: str, body: Mapping[str, Any]) -> None:
        """Create `PARENT/COLLECTION/GIVEN`, and wait until it is done; one that is there is left.

        `kind` is the query's parameter, `workloadIdentityPoolId` without its `Id`. Right after its pool was
        made, a provider may be told that there is none; then it is tried again.

        Raises:
            IamError: refused, or not done within the deadline.

        """
        path = f"{parent}/{collection}?{kind}Id={given}"
        try:
            self._done(self._asked("POST", path, body, also=frozenset({404})))
        except IamError as error:
            if error.status != 409:  # noqa: PLR2004 - there already: a lost answer of ours, or another's work
                raise
            _LOG.debug("%s/%s is there already", parent, given)

    def update(self, name: str, body: Mapping[str, Any], mask: str) -> None:
        """Change the fields of the mask, and wait until that is done.

        Raises:
            IamError: refused, or not done within the deadline.

        """
        self._done(self._asked("PATCH", f"{name}?updateMask={mask}", body))

    def policy(self, account: str) -> dict[str, Any]:
        """Read the IAM policy of a service account, conditions included (version 3).

        Raises:
            IamError: refused, or no answer within the deadline.

        """
        return self._asked("POST", f"{account}:getIamPolicy?options.requestedPolicyVersion=3", {})

    def set_policy(self, account: str, policy: Mapping[str, Any]) -> bool:
        """Replace a policy whose `etag` is still the one that was read; False: it is not, read again.

        Raises:
            IamError: refused, or no answer within the deadline.

        """
        try:
            self._asked("POST", f"{account}:setIamPolicy", {"policy": policy})
        except IamError as error:
            if error.status in {409, 412}:
                return False
            raise
        return True

    def _done(self, operation: dict[str, Any]) -> None:
        """Wait for a long-running operation (google.longrunning)."""
        name = operation.get("name")
        if not isinstance(name, str) or not _OPERATION.fullmatch(name) or ".." in name:
            raise IamError(
                "IAM API", "answers a write with something that is no operation", "run again and compare"
            )
        pause = _POLL
        while not operation.get("done"):
            if pause >= self._deadline.remaining():
                raise IamError(
                    "IAM API",
                    "has not finished what was asked of it",
                    "run again with --compare to see what came of it, or raise --timeout",
                    exit_status=ExitStatus.TEMPORARY,
                )
            self._deadline.clock.sleep(pause)
            pause = min(pause * 2, _LONGEST_POLL)
            operation = self._asked("GET", name)
        if operation.get("error"):
            raise refusal(IamAnswer.of_operation(operation["error"]), name.partition("/operations/")[0])

    def _asked(
        self,
        method: str,
        path: str,
        body: Mapping[str, Any] | None = None,
        *,
        also: frozenset[int] = frozenset(),
    ) -> dict[str, Any]:
        """Ask until there is an answer that counts; statuses of `also` are asked again for a while, too."""
        data = None if body is None else json.dumps(body).encode()
        url, where = f"{self._origin}/v1/{path}", path.partition("?")[0]
        for number in count():
            wish = 0.0
            try:
                answer = self._transport.send(method, url, data, self._deadline)
                if answer.ok:
                    return _object(answer.body, where)
                wish = answer.pause
                error: IamError = refusal(answer, where)
            except IamError as failure:
                error = failure
            pause = max(_pause(number), wish)
            patient = error.status in also and number < 4  # noqa: PLR2004 (about four seconds)
            if not (error.may_pass or patient) or pause >= self._deadline.remaining():
                raise error
            _LOG.debug("%s %s: %s; asking again", method, where, error.what)
            self._deadline.clock.sleep(pause)
        raise AssertionError  # pragma: no cover - count() has no end


def _pause(number: int) -> float:
    longest = min(_FIRST_PAUSE * 2.0**number, _LONGEST_PAUSE)
    return random.uniform(longest / 2, longest)  # noqa: S311 - no secret


def _object(body: bytes, where: str) -> dict[str, Any]:
    try:
        value = strict_json.loads(body, where=where)
    except PublisherError as error:
        raise IamError(where, f"the answer {error.what}", _STRANGE) from error
    if not isinstance(value, dict):
        raise IamError(where, "the answer is no JSON object", _STRANGE)
    return value


_STRANGE = "look at what answers there: the proxy, or CLOUDSDK_API_ENDPOINT_OVERRIDES_IAM"
