"""What a refusal of the IAM API says to a person."""

import json
from typing import Any

import pytest

from publisher.errors import ExitStatus
from publisher.gcp.iam_errors import IamAnswer, pause_of, refusal

POOL = "projects/1/locations/global/workloadIdentityPools/spire"
ACCOUNT = "projects/-/serviceAccounts/app@my-project.iam.gserviceaccount.com:setIamPolicy"


def answer(status: int, message: str = "", /, **members: Any) -> IamAnswer:
    return IamAnswer(status=status, body=json.dumps({"error": {"message": message, **members}}).encode())


@pytest.mark.parametrize(
    ("found", "where", "remedy"),
    [
        (answer(401), POOL, "gcloud auth application-default login"),
        (
            answer(403, "Permission 'iam.workloadIdentityPools.get' denied"),
            POOL,
            "it lacks iam.workloadIdentityPools.get",
        ),
        (answer(403), POOL, "roles/iam.workloadIdentityPoolAdmin on the project"),
        (answer(403), ACCOUNT, "roles/iam.serviceAccountAdmin on the service account"),
        (answer(403, "API has not been used in project 1 before"), POOL, "gcloud services enable iam"),
        (answer(403, details=[{"reason": "SERVICE_DISABLED"}]), POOL, "gcloud services enable iam"),
        (answer(404), POOL, "project's number in --provider"),
        (answer(404), ACCOUNT, "correct --service-account"),
        (answer(409), ACCOUNT, "run again"),
        (
            answer(400, "Org Policy violated for value: 'x'."),
            POOL,
            "constraints/iam.workloadIdentityPoolProviders",
        ),
        (
            answer(
                400, details=[{"violations": [{"type": "constraints/iam.workloadIdentityPoolProviders"}]}]
            ),
            POOL,
            "the value is MTLS",
        ),
        (answer(400, status="FAILED_PRECONDITION"), POOL, "state of pool and provider"),
        (answer(400, "Invalid attribute mapping"), POOL, "correct what the message names"),
        (IamAnswer(status=418, body=b"<html>"), POOL, "correct what the message names"),
    ],
)
def test_each_has_its_remedy(found: IamAnswer, where: str, remedy: str) -> None:
    error = refusal(found, where)
    assert remedy in error.remedy
    assert (error.exit_status, error.status, error.may_pass) == (ExitStatus.SETTINGS, found.status, False)


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_temporary(status: int) -> None:
    error = refusal(answer(status, "\x1b[31m" + "x" * 5000), POOL)
    assert error.exit_status is ExitStatus.TEMPORARY
    assert error.may_pass
    assert "\x1b" not in str(error)
    assert len(str(error)) < 1000


def test_an_operation_tells_its_error_like_an_answer() -> None:
    denied = IamAnswer.of_operation(
        {"code": 7, "message": "Permission iam.workloadIdentityPools.create denied"}
    )
    assert denied.status == 403
    assert "it lacks iam.workloadIdentityPools.create" in refusal(denied, POOL).remedy
    assert IamAnswer.of_operation({"code": 14}).status == 503
    assert IamAnswer.of_operation({"code": "x"}).status == 400
    assert IamAnswer.of_operation("x").status == 400


@pytest.mark.parametrize(
    ("wish", "seconds"),
    [("", 0), ("3", 3), (" 7 ", 7), ("86400", 60), ("-1", 0), ("Wed, 21 Oct 2026 07:28:00 GMT", 0)],
)
def test_a_wish_for_a_pause_is_bounded(wish: str, seconds: float) -> None:
    assert pause_of(wish) == seconds
