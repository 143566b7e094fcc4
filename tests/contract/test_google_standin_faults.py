"""Break the stand-in for Google on purpose."""

import pytest
import requests

from tests.google import fixtures
from tests.google.asking import ISSUER, ask_sts
from tests.google.faults import Fault, Kind, status
from tests.google.google import Google

google, google_process = fixtures.google, fixtures.google_process
pool, provider, session = fixtures.pool, fixtures.provider, fixtures.session


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.LOSE_REPLY, Kind.STALL, Kind.TRUNCATE])
def test_faults_that_break_the_connection(
    google: Google,
    provider: str,
    session: requests.Session,
    kind: Kind,
) -> None:
    google.inject(Fault(kind=kind, where="POST .*/v1/token", seconds=0.05))
    token = ISSUER.token(google.audience(provider), google.now())
    broken = (requests.exceptions.ConnectionError, requests.exceptions.ChunkedEncodingError)
    with pytest.raises(broken):
        ask_sts(google, session, provider, token)
    assert ask_sts(google, session, provider, token).status_code == 200
    assert [entry.fault for entry in google.journal("/v1/token")] == [kind.value, ""]


def test_faults_that_answer(google: Google, provider: str, session: requests.Session) -> None:
    token = ISSUER.token(google.audience(provider), google.now())
    google.inject(
        status(503, where="/v1/token", headers={"Retry-After": "1"}),
        Fault(kind=Kind.HTML),
        Fault(kind=Kind.WRONG_JSON),
        Fault(kind=Kind.DRIP, seconds=0.0001),
    )
    first, page, wrong, dripped = (ask_sts(google, session, provider, token) for _ in range(4))
    assert (first.status_code, first.headers["Retry-After"]) == (503, "1")
    assert page.headers["Content-Type"].startswith("text/html")
    assert wrong.json() == {"unexpected": True}
    assert dripped.json()["token_type"] == "Bearer"
    assert google.count("/v1/token") == 4
