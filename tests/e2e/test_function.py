"""From a SPIRE through a private bucket and the function to relying parties: the function is the issuer."""

import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests import keys
from tests.conformance.black_box import assert_conforms
from tests.conftest import MakePeer
from tests.e2e.conftest import AUDIENCE, Story
from tests.e2e.function_process import Front, Function, running_front, running_function
from tests.e2e.tampering import (
    CONFIGURATION,
    MANIFEST,
    TAMPERINGS,
    a_strangers_key,
    a_strangers_key_and_its_digest,
)
from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.faults import ALWAYS, answer
from tests.emulator.server import Emulator
from tests.peers.peer import SpirePeer

OVERRIDES = ("--accept-disjoint-keys", "--accept-lower-sequence")

Start = Callable[..., Function]
Tell = Callable[[SpirePeer], Story]


@pytest.fixture
def front(tmp_path: Path) -> Iterator[Front]:
    with running_front(tmp_path) as running:
        yield running


@pytest.fixture
def start(front: Front, tmp_path: Path, emulator: Emulator, bucket: str) -> Iterator[Start]:
    """Start the function, before the bucket of this test unless told otherwise."""
    with ExitStack() as stack:

        def start(
            target: str = "serve", environment: dict[str, str] | None = None, **settings: str
        ) -> Function:
            known = {"issuer": front.url, "sink": f"gs://{bucket}", "refresh_interval": "1s"}
            given = {name: value for name, value in (known | settings).items() if value}
            stored = environment or emulator.environment
            return stack.enter_context(running_function(front, tmp_path, given, stored, target=target))

        yield start


@pytest.fixture
def tell(front: Front, emulator: Emulator, bucket: str) -> Tell:
    def tell(peer: SpirePeer) -> Story:
        return Story(peer=peer, emulator=emulator, bucket=bucket, issuer=front.url, ca_file=front.ca_file)

    return tell


@pytest.fixture
def story(make_peer: MakePeer, front: Front, tell: Tell) -> Story:
    """A SPIRE whose tokens name the function, and its first publication."""
    return _published(tell, make_peer(jwt_issuer=front.url))


@pytest.fixture
def quick_story(make_standin: MakePeer, front: Front, tell: Tell) -> Story:
    """The same where it does not matter which SPIRE it is."""
    return _published(tell, make_standin(jwt_issuer=front.url))


def _published(tell: Tell, peer: SpirePeer) -> Story:
    peer.wait_for_agent()
    told = tell(peer)
    told.publish(told.workload_api, "--no-verify-url")  # nobody serves yet
    return told


def put(story: Story, objects: dict[str, bytes]) -> None:
    """Write as a thief with the right to write does: JWKS, configuration, manifest."""
    for path, body in objects.items():
        story.emulator.upload_by_hand(story.bucket, path, body, "application/json")


def codes(status: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in status["findings"]}


def test_a_rotation_reaches_relying_parties_within_one_refresh(story: Story, start: Start) -> None:
    function = start()
    old = story.peer.mint_at_server(AUDIENCE)
    assert_conforms(
        story.issuer, ca_file=story.ca_file, kids=sorted(story.peer.bundle().kids), tokens=[(old, AUDIENCE)]
    )
    assert function.get("/keys").headers["cache-control"] == "public, max-age=60"

    story.peer.prepare()
    story.peer.wait_for_agent()
    story.publish(story.workload_api)
    assert function.refresh()["state"] == "fresh"
    story.peer.activate()
    new = story.peer.mint_at_server(AUDIENCE)
    assert story.verifies(new), "it was served before it signed"
    assert story.verifies(old)

    story.peer.taint()
    story.publish(story.workload_api)
    function.refresh()
    assert story.verifies(old), "tainted is not revoked: SPIRE has it still"
    gone = story.peer.revoke()
    story.peer.wait_for_agent()
    story.publish(story.workload_api)
    status = function.refresh()
    assert gone.encode() not in function.jwks
    assert not story.verifies(old)
    assert story.verifies(new)
    assert status["counters"]["changed"] == 2
    assert [key["kid"] for key in status["publication"]["keys"]] == sorted(story.peer.bundle().kids)
    # This key signed a moment after it was published, and that is worth an alarm. Nothing else is.
    assert all("LED002" in line for line in function.said("ERROR").splitlines())


@pytest.mark.parametrize("policy", ["serve", "refuse"])
def test_the_publisher_stops_and_comes_back(quick_story: Story, start: Start, policy: str) -> None:
    story, token = quick_story, quick_story.peer.mint(AUDIENCE)
    story.publish(story.workload_api, "--no-verify-url", "--due-after", "1s", "--stale-after", "3s")
    function = start(stale_policy=policy)
    status = function.until(lambda told: told["state"] == "stale")
    assert codes(status) == {"FRE002"} | ({"SRV003"} if policy == "refuse" else set())
    assert status["served"] is (policy == "serve")
    function.has_said("ERROR", "is stale since")
    if policy == "serve":
        assert story.verifies(token)
    else:
        refused = function.get("/keys")
        assert (refused.status, refused.json) == (503, {"error": "service unavailable"})
        assert int(refused.headers["retry-after"]) > 0
        assert function.get(f"/{CONFIGURATION}").status == 503

    story.publish(story.workload_api, "--no-verify-url")
    assert function.refresh()["state"] == "fresh"
    assert story.verifies(token)
    function.has_said("INFO", "all is well again")


def test_a_tampered_bucket_is_refused_and_the_publisher_mends_it(story: Story, start: Start) -> None:
    function = start()
    token, before = story.peer.mint_at_server(AUDIENCE), story.objects()
    claims = {
        "iss": story.issuer,
        "sub": story.peer.spiffe_id,
        "aud": AUDIENCE,
        "exp": int(time.time()) + 300,
    }
    thiefs = keys.token("thief", claims)
    for tamper, code in TAMPERINGS:
        assert function.until(lambda told: told["state"] == "fresh")["served"]
        put(story, tamper(before))
        status = function.until(lambda told: told["state"] == "invalid")
        assert code in codes(status), tamper.__name__
        assert (status["served"], function.jwks) == (True, before["keys"]), tamper.__name__
        function.has_said("ERROR", code)
        assert function.get(f"/{CONFIGURATION}").body == before[CONFIGURATION]
        assert story.verifies(token)
        assert not story.verifies(thiefs)
        assert story.publish(story.workload_api).publication["verified"] == "verified"
    function.until(lambda told: told["state"] == "fresh")
    assert function.status()["findings"] == []


def test_a_cold_instance_serves_nothing_of_a_tampered_bucket(quick_story: Story, start: Start) -> None:
    story, before = quick_story, quick_story.objects()
    put(story, a_strangers_key_and_its_digest(before))
    function = start()
    status = function.until(lambda told: told["counters"]["refused"])
    assert (status["state"], status["served"], "VAL006" in codes(status)) == ("empty", False, True)
    refused = function.get("/keys")
    assert (refused.status, refused.json) == (503, {"error": "service unavailable"})
    story.publish(story.workload_api, "--no-verify-url")
    function.until(lambda told: told["state"] == "fresh")
    assert function.jwks == before["keys"]


def test_a_disjoint_set_is_served_only_if_somebody_meant_it(story: Story, start: Start) -> None:
    story.publish(story.server_api, "--no-verify-url")
    function = start()
    old, before = story.peer.mint_at_server(AUDIENCE), function.jwks
    story.peer.lose_keys_and_datastore()
    story.peer.wait_for_agent()
    new = story.peer.mint_at_server(AUDIENCE)

    # Somebody publishes it elsewhere, as a first publication, and copies the three objects.
    elsewhere = replace(story, bucket=f"{story.bucket}-elsewhere")
    story.emulator.make_bucket(elsewhere.bucket)
    elsewhere.publish(story.server_api, "--no-verify-url")
    mine = story.objects()
    put(story, elsewhere.objects())
    status = function.until(lambda told: told["state"] == "invalid")
    assert "VAL007" in codes(status)
    assert (status["served"], function.jwks) == (True, before)
    assert not story.verifies(new)
    put(story, mine)
    function.until(lambda told: told["state"] == "fresh")

    story.publish(story.server_api, expect=65)
    accepted = story.publish(story.server_api, *OVERRIDES)
    assert "ROT017" in accepted.codes
    status = function.refresh()
    assert status["state"] == "fresh"
    assert story.verifies(new)
    assert not story.verifies(old)
    function.has_said("WARNING", "published with --accept-disjoint-keys")
    assert function.refresh()["findings"] == []


def test_a_bundle_endpoint_needs_no_bucket(
    make_peer: MakePeer, front: Front, tell: Tell, start: Start
) -> None:
    story = tell(make_peer(jwt_issuer=front.url))
    story.peer.wait_for_agent()
    function = start(
        sink="",
        source=f"bundle-endpoint:{story.peer.bundle_endpoint}",
        trust_domain=story.peer.trust_domain,
        ca_file=str(story.peer.ca_file),
        environment={"STORAGE_EMULATOR_HOST": "http://127.0.0.1:9"},
    )
    old = story.peer.mint_at_server(AUDIENCE)
    assert_conforms(
        story.issuer, ca_file=story.ca_file, kids=sorted(story.peer.bundle().kids), tokens=[(old, AUDIENCE)]
    )
    story.peer.prepare()
    function.refresh()
    story.peer.activate()
    new = story.peer.mint_at_server(AUDIENCE)
    assert story.verifies(new)
    story.peer.taint()
    gone = story.peer.revoke()
    assert function.refresh()["state"] == "fresh"
    assert gone.encode() not in function.jwks
    assert not story.verifies(old)
    assert story.verifies(new)
    story.peer.kill_server()
    status = function.until(lambda told: told["counters"]["failed"])
    assert (status["healthy"], codes(status)) == (True, {"SRV001"})
    assert story.verifies(new), "what was fetched is served on"


@pytest.mark.parametrize(
    ("settings", "named"),
    [
        ({"issuer": "http://plain.example"}, "ISSUER"),
        ({"sink": ""}, "SINK"),
        ({"status_token": "tell tale"}, "STATUS_TOKEN"),
    ],
)
def test_wrong_settings_are_told_to_the_log_alone(start: Start, settings: dict[str, str], named: str) -> None:
    function = start(**settings)
    for path in ("/keys", f"/{CONFIGURATION}", "/status", "/metrics", "/"):
        refused = function.get(path)
        assert (refused.status, refused.json) == (503, {"error": "service unavailable"})
    (line,) = function.log
    assert line["severity"] == "CRITICAL"
    assert f"SPIRE_OIDC_PUBLISHER_{named}" in line["message"]
    assert "tell tale" not in line["message"]


def test_the_bucket_goes_away_and_comes_back(
    quick_story: Story, start: Start, fault_proxy: FaultProxy
) -> None:
    story, token = quick_story, quick_story.peer.mint(AUDIENCE)
    function = start(environment=fault_proxy.environment)
    function.refresh()
    fault_proxy.inject(answer(503, times=ALWAYS))
    status = function.until(lambda told: told["counters"]["failed"])
    assert (status["healthy"], codes(status)) == (True, {"SRV001"})
    assert story.verifies(token)
    fault_proxy.forget()
    assert function.until(lambda told: not told["findings"])["state"] == "fresh"


def test_events_of_the_bucket_are_judged(quick_story: Story, start: Start) -> None:
    story, before = quick_story, quick_story.objects()
    function = start("validate", settle_time="1s")

    def happen(path: str, kind: str = "finalized", *, id: str = "1") -> list[dict[str, Any]]:  # noqa: A002 (CloudEvents)
        said = len(function.log)
        headers = {
            "content-type": "application/json",
            "ce-specversion": "1.0",
            "ce-id": id,
            "ce-source": f"//storage.googleapis.com/projects/_/buckets/{story.bucket}",
            "ce-type": f"google.cloud.storage.object.v1.{kind}",
        }
        body = json.dumps({"bucket": story.bucket, "name": path, "generation": "1"}).encode()
        assert function.front.ask("/", method="POST", headers=headers, body=body).status == 200
        return function.log[said:]

    for path in before:
        (line,) = happen(path)
        assert (line["severity"], line["valid"], line["findings"]) == ("INFO", True, [])
    assert happen("somebody/elses/object") == []

    put(story, a_strangers_key(before))
    (line,) = happen("keys", id="2")
    assert (line["severity"], line["valid"]) == ("ERROR", False)
    assert [finding["code"] for finding in line["findings"]] == ["VAL003"]
    story.publish(story.workload_api, "--no-verify-url")
    (line,) = happen(MANIFEST, "deleted", id="3")
    assert (line["severity"], line["valid"]) == ("INFO", True), "what counts is what is there now"
