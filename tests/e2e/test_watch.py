"""`watch` from a SPIRE to a bucket, through everything that happens to either."""

import json
import signal
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.conftest import AUDIENCE, MakeStory, Story
from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.faults import ALWAYS, Fault, Kind, answer
from tests.emulator.token_server import running_token_server
from tests.watching import WatchProcess, wait_until

MANIFEST = ".well-known/spire-oidc-publication.json"


@contextmanager
def watching(
    story: Story, source: str, *options: str, environment: Mapping[str, str | None] | None = None
) -> Iterator[WatchProcess]:
    """Watch, and see the first publication."""
    with WatchProcess(
        *("--source", source),
        *("--sink", f"gs://{story.bucket}"),
        *("--issuer", story.issuer),
        *("--bucket-url", story.issuer),
        *("--ca-file", str(story.ca_file)),
        *("--poll-every", "1"),
        *options,
        environment={**story.emulator.environment, **(environment or {})},
    ) as watch:
        watch.wait_for("INFO published keys")
        yield watch


def kids(story: Story) -> set[str]:
    stored = story.emulator.download(story.bucket, "keys")
    assert stored is not None
    return {key["kid"] for key in json.loads(stored[0])["keys"]}


def manifest(story: Story) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(story.objects()[MANIFEST])
    return read


def ended_well(watch: WatchProcess) -> None:
    status, took = watch.stop()
    assert (status, took < 5.5) == (0, True), watch.said
    assert "unexpected" not in watch.said


@pytest.fixture(params=["workload_api", "server_api"])
def source(request: pytest.FixtureRequest, story: Story) -> str:
    address: str = getattr(story, request.param)
    return address


def test_a_rotation_from_prepare_to_revoke(story: Story, source: str) -> None:
    with watching(story, source) as watch:
        old = story.peer.mint_at_server(AUDIENCE)
        assert story.verifies(old)
        prepared = story.peer.prepare()
        wait_until(lambda: prepared in kids(story))
        story.peer.activate()
        new = story.peer.mint_at_server(AUDIENCE)
        assert story.verifies(new), "it was published before it signed"
        story.peer.taint()
        gone = story.peer.revoke()
        wait_until(lambda: gone not in kids(story))
        assert not story.verifies(old)
        assert story.verifies(new)
        errors = [record for record in watch.log if record["severity"] == "ERROR"]
        assert all(record["code"] == "LED002" for record in errors), "activated by hand, without lead time"
        ended_well(watch)


def test_a_bundle_endpoint(story: Story) -> None:
    both = story.peer.directory / "both.pem"
    both.write_bytes(story.peer.ca_file.read_bytes() + story.emulator.ca_file.read_bytes())
    with watching(
        story,
        f"bundle-endpoint:{story.peer.bundle_endpoint}",
        *("--trust-domain", story.peer.trust_domain, "--ca-file", str(both)),
        *("--shortest-refresh", "1", "--longest-refresh", "1"),
    ) as watch:
        prepared = story.peer.prepare()
        wait_until(lambda: prepared in kids(story))
        ended_well(watch)


def test_an_agent_that_is_killed_and_comes_back_on_a_new_socket(story: Story) -> None:
    with watching(story, story.workload_api, "--confirm-every", "5", "--timeout", "2") as watch:
        story.peer.kill_agent()
        watch.wait_for("ERROR")
        prepared = story.peer.prepare()
        story.peer.start_agent()
        wait_until(lambda: prepared in kids(story))
        watch.wait_for("well again after")
        last = story.peer.prepare()
        wait_until(lambda: last in kids(story), what="the stream is back, not the confirmation alone")
        ended_well(watch)


def test_a_dead_server_behind_a_living_agent_confirms_nothing(make_story: MakeStory) -> None:
    story = make_story(svid_ttl=10)  # what the agent keeps of its server's life is soon over
    story.peer.wait_for_agent()
    metrics = story.peer.directory / "m.prom"
    options = ("--confirm-every", "5", "--timeout", "2", "--metrics-file", str(metrics))
    with watching(story, story.workload_api, *options) as watch:
        story.peer.kill_server()
        watch.wait_for("its server does not", times=2)
        before = story.objects()
        watch.wait_for("its server does not", times=4)
        assert story.objects() == before, "not even confirmed"
        wait_until(lambda: "last_exit_status{" in metrics.read_text() and "} 75\n" in metrics.read_text())
        story.peer.start_server()
        watch.wait_for("well again after")
        assert manifest(story)["confirmed_at"] > json.loads(before[MANIFEST])["confirmed_at"]
        ended_well(watch)


def test_a_bucket_that_is_down_and_comes_back(story: Story, fault_proxy: FaultProxy) -> None:
    options = ("--confirm-every", "5", "--timeout", "2")
    with watching(story, story.server_api, *options, environment=fault_proxy.environment) as watch:
        fault_proxy.inject(answer(503, times=ALWAYS))
        prepared = story.peer.prepare()
        watch.wait_for("ERROR", times=2)
        assert prepared not in kids(story)
        fault_proxy.forget()
        wait_until(lambda: prepared in kids(story))
        watch.wait_for("well again after")
        ended_well(watch)


def test_credentials_that_are_refused_and_renewed(
    make_standin_story: MakeStory, fault_proxy: FaultProxy, tmp_path: Path
) -> None:
    story = make_standin_story()
    with running_token_server() as google:
        google.answer["expires_in"] = 10  # so short that every request asks for a token
        token = tmp_path / "token"
        token.write_text("eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln")
        environment: dict[str, str | None] = {
            "GOOGLE_APPLICATION_CREDENTIALS": str(google.credential_file(tmp_path, {"file": str(token)})),
            "API_ENDPOINT_OVERRIDE": fault_proxy.url,
            "STORAGE_EMULATOR_HOST": None,
            # Google's library asks one of its own hosts in the background: not from a test.
            "HTTPS_PROXY": "http://127.0.0.1:1",
            "NO_PROXY": "127.0.0.1",
        }
        options = ("--confirm-every", "5", "--timeout", "8")
        with watching(story, story.server_api, *options, environment=environment) as watch:
            google.status, good = 401, google.answer
            google.answer = {"error": "invalid_grant", "error_description": "the assertion has expired"}
            watch.wait_for("no access token", times=2)
            google.status, google.answer = 200, good
            prepared = story.peer.prepare()
            wait_until(lambda: prepared in kids(story))
            watch.wait_for("well again after")
            assert "c2ln" not in watch.said
            assert "an-access-token" not in watch.said
            ended_well(watch)


def test_a_refusal_is_loud_and_a_person_ends_it_beside_the_service(story: Story) -> None:
    with watching(story, story.workload_api, "--confirm-every", "5") as watch:
        before = story.objects()["keys"]
        story.peer.lose_keys_and_datastore()
        watch.wait_for("--accept-disjoint-keys", times=2)
        assert story.objects()["keys"] == before
        overrides = ("--accept-disjoint-keys", "--accept-lower-sequence")
        story.peer.wait_for_agent()
        story.publish(story.workload_api, *overrides)
        watch.wait_for("well again after")
        assert story.verifies(story.peer.mint_at_server(AUDIENCE))
        ended_well(watch)


def test_a_burst_of_updates_is_few_writes(make_standin_story: MakeStory) -> None:
    story = make_standin_story(sync_interval=0)
    story.peer.wait_for_agent()
    with watching(story, story.workload_api) as watch:
        time.sleep(1.5)  # the first ring is answered
        for _ in range(30):
            last = story.peer.prepare()
            story.peer.sync()
        wait_until(lambda: last in kids(story))
        watch.wait_for(f"+ {last}")
        assert watch.count("INFO published keys") <= 8, watch.said
        ended_well(watch)


def test_a_stop_in_mid_write_is_repaired_by_the_next_start(story: Story, fault_proxy: FaultProxy) -> None:
    with watching(story, story.server_api, environment=fault_proxy.environment) as watch:
        wait_until(lambda: MANIFEST in story.objects())
        fault_proxy.forget()
        # The JWKS is written, and then nothing more: its reply does not come.
        fault_proxy.inject(Fault(kind=Kind.STALL, method="POST", seconds=30, times=ALWAYS))
        prepared = story.peer.prepare()
        wait_until(lambda: any(method == "POST" for method, _ in fault_proxy.requests))
        status, took = watch.stop()
        assert status == 143, watch.said
        assert took < 5.5
    fault_proxy.forget()
    with watching(story, story.server_api, environment=fault_proxy.environment) as watch:
        assert prepared in kids(story)
        assert story.verifies(story.peer.mint_at_server(AUDIENCE))
        ended_well(watch)


def test_a_process_that_was_stopped_for_a_while(story: Story) -> None:
    with watching(story, story.workload_api) as watch:
        watch.send(signal.SIGSTOP)
        prepared = story.peer.prepare()
        threading.Event().wait(10)
        watch.send(signal.SIGCONT)
        wait_until(lambda: prepared in kids(story))
        ended_well(watch)
