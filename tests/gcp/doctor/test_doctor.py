"""`gcp doctor` on the JWT way: the whole chain, then the workload's side and the provider, each broken."""

import pytest

from tests.conftest import MakePeer
from tests.gcp.doctor.chain import (
    ACCOUNT,
    ME,
    OURS,
    POOL,
    VIEWER,
    Chain,
    other_spire,
)
from tests.gcp.doctor.issuer_site import ISSUER
from tests.peers.peer import SpirePeer


def test_a_whole_chain_is_ok_from_end_to_end(chain: Chain) -> None:
    chain.google.put_object("bucket", "a/b.txt", b"content")
    chain.google.bind("buckets/bucket", VIEWER, f"serviceAccount:{ACCOUNT}")
    chain.google.patch(chain.place.name, "attributeCondition", {"attributeCondition": OURS})
    walked = chain.walk("--service-account", ACCOUNT, "--call", "gs://bucket/a/b.txt", expect=0)
    assert set(walked.results.values()) == {"ok"}, walked.results
    assert list(walked.results) == [
        *("agent", "registration", "iss", "claims", "algorithm", "provider", "issuer", "documents", "key"),
        *("audience", "google", "clock", "subject", "condition", "exchange", "impersonation", "call"),
    ]
    assert walked.ran.json["not_reached"] == []
    assert any("GOOGLE_CLOUD_PROJECT" in hint for hint in walked.ran.json["hints"])
    assert ME in walked.stages["registration"]["said"]


def test_no_token_and_no_key_is_ever_shown(chain: Chain, spire: SpirePeer) -> None:
    token = spire.mint(chain.google.audience(chain.place.name))
    ran = chain.run("--service-account", ACCOUNT, "--output", "json", "--verbose")
    text = chain.run("--service-account", ACCOUNT, "--call", "project", "--verbose")
    for said in (ran.out, ran.err, text.out, text.err):
        assert "eyJ" not in said
        assert "ya29" not in said
        assert all(part not in said for part in token.split("."))
        assert "PRIVATE" not in said


def test_without_rights_to_read_the_provider_google_decides(chain: Chain) -> None:
    walked = chain.walk("--no-read-provider", expect=0)
    unknown = {name for name, result in walked.results.items() if result == "unknown"}
    assert unknown == {"provider", "issuer", "audience", "subject", "condition", "call"}
    chain.google.unbind("projects/123456789", "roles/iam.workloadIdentityPoolAdmin", chain.place.member)
    walked = chain.walk("--issuer", ISSUER, expect=0)
    assert walked.results["provider"] == "unknown"
    assert "workloadIdentityPoolViewer" in walked.stages["provider"]["remedy"]
    assert walked.results["issuer"] == "ok"


def test_the_text_names_the_stage_the_code_and_the_remedy(chain: Chain) -> None:
    chain.google.disable(chain.place.name)
    ran = chain.run("--provider", chain.place.name)
    assert ran.status == 1
    assert "broken   provider      GCP006 provider projects/123456789" in ran.out
    assert "remedy: gcloud iam workload-identity-pools providers update --no-disabled" in ran.out
    assert "not reached: issuer, documents" in ran.out
    assert "\x1b" not in ran.out


# The workload's side


def test_no_agent(chain: Chain) -> None:
    chain.workload_api = "unix:///tmp/there-is-no-agent.sock"
    assert chain.walk(expect=1).broken == ("agent", "GCP001")


def test_no_registration(chain: Chain, make_standin: MakePeer) -> None:
    peer = make_standin(jwt_issuer=ISSUER, registered=False)
    chain.workload_api = peer.workload_api
    walked = chain.walk(expect=1)
    assert walked.results["agent"] == "ok"
    assert walked.broken == ("registration", "GCP002")
    assert "spire-server entry create" in walked.last["remedy"]


def test_another_identity_than_the_one_that_is_wanted(chain: Chain) -> None:
    walked = chain.walk("--spiffe-id", "spiffe://example.org/other", expect=1)
    assert walked.broken == ("registration", "GCP002")


def test_a_dead_server_behind_a_living_agent(chain: Chain, make_standin: MakePeer) -> None:
    peer = other_spire(make_standin, chain)
    peer.kill_server()
    walked = chain.walk(expect=1)
    assert walked.broken == ("registration", "GCP003")
    assert "spire-agent" in walked.last["remedy"]


def test_no_iss(chain: Chain, make_standin: MakePeer) -> None:
    other_spire(make_standin, chain, jwt_issuer=None)
    walked = chain.walk(expect=1)
    assert walked.broken == ("iss", "GCP005")
    assert "jwt_issuer" in walked.last["remedy"]


def test_an_algorithm_that_google_does_not_take(chain: Chain, make_standin: MakePeer) -> None:
    other_spire(make_standin, chain, key_type="ec-p384")
    walked = chain.walk(expect=1)
    assert walked.broken == ("algorithm", "GCP011")
    assert "jwt_key_type" in walked.last["remedy"]


# The provider


@pytest.mark.parametrize("how", ["disable", "delete"])
def test_a_provider_out_of_use(chain: Chain, how: str) -> None:
    getattr(chain.google, how)(chain.place.name)
    assert chain.walk(expect=1).broken == ("provider", "GCP006")
    assert chain.walk("--no-read-provider", expect=1).broken == ("exchange", "GCP006")


@pytest.mark.parametrize("how", ["disable", "delete"])
def test_a_pool_out_of_use(chain: Chain, how: str) -> None:
    getattr(chain.google, how)(POOL)
    # Who would read it comes in through the same pool here, and is refused with it.
    walked = chain.walk(expect=1)
    assert walked.results["provider"] == "unknown"
    assert walked.broken == ("exchange", "GCP006")


def test_a_provider_that_is_not_there(chain: Chain) -> None:
    walked = chain.walk("--provider", chain.place.name + "-not", expect=1, provider=False)
    assert walked.broken == ("provider", "GCP006")
    walked = chain.walk(
        "--provider", chain.place.name + "-not", "--no-read-provider", expect=1, provider=False
    )
    assert walked.broken == ("exchange", "GCP006")


def test_another_issuer_and_only_another_slash(chain: Chain, make_standin: MakePeer) -> None:
    other_spire(make_standin, chain, jwt_issuer=f"{ISSUER}/")
    walked = chain.walk(expect=1)
    assert walked.broken == ("issuer", "GCP007")
    assert "final slash" in walked.last["said"]
    walked = chain.walk("--no-read-provider", "--issuer", ISSUER, expect=1)
    assert walked.broken == ("issuer", "GCP007")
    walked = chain.walk("--no-read-provider", expect=1)
    assert walked.broken == ("exchange", "GCP007")


def test_allowed_audiences_refuse_the_default_one(chain: Chain) -> None:
    chain.google.patch(chain.place.name, "oidc.allowedAudiences", {"oidc": {"allowedAudiences": ["mine"]}})
    walked = chain.walk(expect=1)
    assert walked.broken == ("audience", "GCP012")
    assert "--audience mine" in walked.last["remedy"]
    assert chain.walk("--audience", "mine", expect=0).results["audience"] == "ok"
    assert chain.walk("--no-read-provider", expect=1).broken == ("exchange", "GCP012")
