"""`gcp doctor`: Google out of reach, clocks, subject, condition, impersonation, the call, each broken."""

import json

import pytest

from tests.conftest import MakePeer
from tests.gcp.doctor.chain import (
    ACCOUNT,
    ME,
    USER,
    VIEWER,
    Chain,
    other_spire,
    principal,
)
from tests.google.faults import Fault, Kind, service_disabled, status


def test_google_out_of_reach(chain: Chain) -> None:
    walked = chain.walk(expect=75, CLOUDSDK_API_ENDPOINT_OVERRIDES_STS="https://127.0.0.1:1")
    assert walked.broken == ("google", "GCP016")


@pytest.mark.parametrize("fault", [status(503, times=1), Fault(kind=Kind.RESET), Fault(kind=Kind.HTML)])
def test_a_token_service_that_cannot_just_now(chain: Chain, fault: Fault) -> None:
    chain.google.inject(Fault(**{**fault.as_json(), "where": "POST .*/v1/token"}))
    walked = chain.walk("--no-read-provider", expect=1 if fault.kind is Kind.HTML else 75)
    assert walked.broken == ("exchange", "GCP016")


def test_a_spire_server_whose_clock_is_ahead(chain: Chain, make_standin: MakePeer) -> None:
    peer = other_spire(make_standin, chain)
    peer.advance(600)
    walked = chain.walk("--audience", f"https:{chain.google.audience(chain.place.name)}", expect=1)
    assert walked.broken == ("clock", "GCP013")
    assert "ahead of" in walked.last["said"]


def test_a_refusal_in_words_that_nobody_knows(chain: Chain) -> None:
    body = json.dumps({"error": "invalid_grant", "error_description": "Not today, eyJhbGciOiJub25lIn0.e30.x"})
    chain.google.inject(Fault(kind=Kind.ANSWER, where="POST .*/v1/token", status=400, body=body))
    walked = chain.walk("--no-read-provider", expect=1)
    assert walked.broken == ("exchange", "GCP018")
    assert "Not today, (a token)" in walked.last["said"]


# Who the workload is


def test_a_spiffe_id_that_is_too_long(chain: Chain, make_standin: MakePeer) -> None:
    other_spire(make_standin, chain, workload="/" + "a" * 120)
    walked = chain.walk(expect=1)
    assert walked.broken == ("subject", "GCP014")
    assert "--longest-spiffe-id 141" in walked.last["remedy"]
    walked = chain.walk("--no-read-provider", expect=1)
    assert walked.broken == ("exchange", "GCP014")
    cut = {"google.subject": "assertion.sub.extract('spiffe://example.org/{rest}')"}
    chain.google.patch(chain.place.name, "attributeMapping", {"attributeMapping": cut})
    assert chain.walk(expect=0).results["subject"] == "ok"


def test_a_mapping_of_another_trust_domain(chain: Chain) -> None:
    cut = {"google.subject": "assertion.sub.extract('spiffe://other.example/{rest}')"}
    chain.google.patch(chain.place.name, "attributeMapping", {"attributeMapping": cut})
    assert chain.walk(expect=1).broken == ("subject", "GCP014")
    assert chain.walk("--no-read-provider", expect=1).broken == ("exchange", "GCP014")


def test_a_mapping_that_is_not_ours_is_left_to_google(chain: Chain) -> None:
    other = {"google.subject": "assertion.sub.split('/')[3]"}
    chain.google.patch(chain.place.name, "attributeMapping", {"attributeMapping": other})
    walked = chain.walk(expect=0)
    assert walked.results["subject"] == "unknown"


@pytest.mark.parametrize(
    ("condition", "results"),
    [
        ("assertion.sub.startsWith('spiffe://other.example/')", ("broken", "condition")),
        (
            "assertion.sub.startsWith('spiffe://example.org/') && (assertion.sub == 'x')",
            ("unknown", "exchange"),
        ),
        ("assertion.sub == 'x'", ("unknown", "exchange")),
    ],
)
def test_a_condition_that_refuses(chain: Chain, condition: str, results: tuple[str, str]) -> None:
    chain.google.patch(chain.place.name, "attributeCondition", {"attributeCondition": condition})
    walked = chain.walk(expect=1)
    assert (walked.results["condition"], walked.last["name"]) == results
    assert walked.last["code"] == "GCP015"


# Impersonation and the call


def test_no_right_to_impersonate(chain: Chain) -> None:
    chain.google.unbind(ACCOUNT, USER, principal(ME))
    walked = chain.walk("--service-account", ACCOUNT, expect=1)
    assert walked.broken == ("impersonation", "GCP019")
    assert USER in walked.last["remedy"]
    assert principal(ME) in walked.last["remedy"]
    chain.google.bind(ACCOUNT, USER, principal(ME))
    assert chain.walk("--service-account", ACCOUNT, expect=0).results["impersonation"] == "ok"


def test_an_api_that_is_not_enabled(chain: Chain) -> None:
    name = "iamcredentials.googleapis.com"
    chain.google.inject(service_disabled(name, where="generateAccessToken", times=1))
    walked = chain.walk("--service-account", ACCOUNT, expect=1)
    assert walked.broken == ("impersonation", "GCP019")
    assert f"gcloud services enable {name} --project=my-project" in walked.last["remedy"]


@pytest.mark.parametrize("call", ["gs://bucket/object", "project"])
@pytest.mark.parametrize("account", [True, False])
def test_a_call_that_is_refused(chain: Chain, call: str, account: bool) -> None:
    chain.google.put_object("bucket", "object", b"content")
    words = ("--service-account", ACCOUNT) if account else ()
    walked = chain.walk(*words, "--call", call, expect=1)
    assert walked.broken == ("call", "GCP020")
    member = f"serviceAccount:{ACCOUNT}" if account else principal(ME)
    assert member in walked.last["remedy"]
    if call == "project":
        chain.google.bind("projects/123456789", "roles/browser", member)
    else:
        chain.google.bind("buckets/bucket", VIEWER, member)
    assert chain.walk(*words, "--call", call, expect=0).results["call"] == "ok"
