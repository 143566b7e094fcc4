"""`gcp doctor`: the issuer's documents, the key, and Google's sentence of many causes."""

import json
from pathlib import Path

import pytest

from tests.conftest import MakePeer
from tests.gcp.doctor.chain import (
    Chain,
    connecting,
    other_spire,
)
from tests.gcp.doctor.issuer_site import CONFIGURATION, ISSUER, KEYS, Page
from tests.gcp.doctor.publishing import publish
from tests.google.faults import Fault, Kind
from tests.google.issuers import Issuer
from tests.peers.peer import SpirePeer


@pytest.mark.parametrize(
    ("path", "page"),
    [
        (CONFIGURATION, Page(status=404)),
        (CONFIGURATION, Page(body=b"<html>")),
        (CONFIGURATION, Page(body=json.dumps({"issuer": "https://other.example"}).encode())),
        (CONFIGURATION, Page(body=json.dumps({"issuer": ISSUER}).encode())),
        (KEYS, Page(status=403)),
        (KEYS, Page(body=b'{"keys": null}')),
        (KEYS, Page(body=b"nothing")),
    ],
)
def test_documents_that_nobody_can_use(chain: Chain, path: str, page: Page) -> None:
    chain.site.pages[path] = page
    walked = chain.walk(expect=1)
    assert walked.broken == ("documents", "GCP008")
    # Nobody knows whether this provider has uploaded keys: then Google's answer decides.
    walked = connecting(chain, "--no-read-provider")
    assert walked.results["documents"] == "unknown"
    assert "Google cannot read the issuer either" in walked.last["said"]


def test_a_wrong_content_type_is_a_note_because_google_may_not_mind(chain: Chain) -> None:
    page = chain.site.pages[KEYS]
    chain.site.pages[KEYS] = Page(body=page.body, headers={"Content-Type": "text/plain"})
    walked = chain.walk(expect=0)
    assert "WEB004" in [note["code"] for note in walked.stages["documents"]["notes"]]


def test_a_key_that_is_not_published(chain: Chain, make_standin: MakePeer) -> None:
    peer = other_spire(make_standin, chain)
    chain.site.publish(Issuer(kid="another").jwks()["keys"])
    walked = chain.walk(expect=1)
    assert walked.broken == ("key", "GCP009")
    assert "the agent's bundle has it" in walked.last["said"]
    assert peer.jwks()["keys"][0]["kid"] in walked.last["looked_at"]


def test_another_key_under_the_same_kid(chain: Chain, spire: SpirePeer) -> None:
    kid = spire.jwks()["keys"][0]["kid"]
    chain.site.publish(Issuer(kid=kid).jwks()["keys"])
    walked = chain.walk(expect=1)
    assert walked.broken == ("key", "GCP010")


def test_a_malformed_key(chain: Chain, spire: SpirePeer) -> None:
    (key,) = spire.jwks()["keys"]
    chain.site.publish([{**key, "x": "AAAA"}])
    walked = chain.walk(expect=1)
    assert walked.broken == ("key", "GCP010")
    assert "malformed" in walked.last["said"]


def test_uploaded_keys_need_no_site(chain: Chain, spire: SpirePeer) -> None:
    (key,) = spire.jwks()["keys"]
    chain.place.upload_text(json.dumps({"keys": [{**key, "use": "sig", "alg": "ES256"}]}))
    chain.site.pages.clear()
    walked = chain.walk(expect=0)
    assert "uploaded" in walked.stages["documents"]["said"]
    chain.place.upload("another")
    walked = chain.walk(expect=1)
    assert walked.broken == ("key", "GCP009")
    assert "wif-provider:" in walked.last["remedy"]


def test_a_provider_with_a_place_of_its_own_for_discovery(chain: Chain) -> None:
    place = "/elsewhere/.well-known/openid-configuration"
    chain.site.pages[place] = chain.site.pages.pop(CONFIGURATION)
    assert chain.walk(expect=1).broken == ("documents", "GCP008")
    chain.google.patch(chain.place.name, "oidc.discoveryUri", {"oidc": {"discoveryUri": f"{ISSUER}{place}"}})
    assert chain.walk(expect=0).results["documents"] == "ok"


# Google's sentence of many causes


def test_an_issuer_that_is_seen_from_here_and_not_from_google(chain: Chain) -> None:
    body = json.dumps(
        {"error": "invalid_grant", "error_description": "Error connecting to the given credential's issuer."}
    )
    chain.google.inject(Fault(kind=Kind.ANSWER, where="POST .*/v1/token", status=400, body=body))
    walked = connecting(chain, "--no-read-provider")
    assert "unreachable from outside" in walked.last["said"]
    assert "curl from elsewhere" in walked.last["remedy"]


def test_an_issuer_that_nobody_sees(chain: Chain) -> None:
    chain.google.issuer_gone(ISSUER)
    walked = connecting(chain)
    assert walked.results["documents"] == walked.results["key"] == "unknown"
    assert "cannot be seen from here" in walked.stages["documents"]["said"]
    assert "Google cannot read the issuer either; from here: https://issuer.example/" in walked.last["said"]
    assert "wif-provider:" in walked.last["remedy"]


def test_keys_that_google_has_not_fetched_yet_after_a_rotation(
    chain: Chain, make_standin: MakePeer, tmp_path: Path
) -> None:
    chain.google.configure(cache_keys_for=3600.0)
    peer = other_spire(make_standin, chain, sync_interval=0.2)
    publish(peer, chain.site, tmp_path)
    assert chain.walk(expect=0).results["exchange"] == "ok"
    peer.prepare()
    peer.activate()
    peer.wait_for_agent()
    publish(peer, chain.site, tmp_path)
    walked = connecting(chain, "--audience", f"https:{chain.google.audience(chain.place.name)}")
    assert "Google still has older keys" in walked.last["said"]
    assert " s ago" in walked.last["said"]
    assert "since" in walked.stages["key"]["said"]


@pytest.mark.parametrize("status", [429, 503])
def test_an_issuer_that_cannot_just_now_leaves_it_to_google(chain: Chain, status: int) -> None:
    chain.site.pages[CONFIGURATION] = Page(status=status)
    walked = connecting(chain)  # the stand-in keeps no keys, so it cannot read them either
    assert walked.results["documents"] == "unknown"
    assert f"status {status}" in walked.last["said"]
