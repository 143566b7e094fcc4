"""From a SPIRE to a bucket, proven by relying parties that know the issuer alone."""

import json
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.conftest import AUDIENCE, MakeStory, Story

OVERRIDES = ("--accept-disjoint-keys", "--accept-lower-sequence")


def workload_api(story: Story, _folder: Path) -> tuple[str, ...]:
    return (story.workload_api,)


def server_api(story: Story, _folder: Path) -> tuple[str, ...]:
    return (story.server_api,)


def bundle_endpoint(story: Story, folder: Path) -> tuple[str, ...]:
    # One --ca-file serves both the bundle endpoint and the public URL: two private CAs in one file.
    both = folder / "both-ca.pem"
    both.write_bytes(story.peer.ca_file.read_bytes() + story.emulator.ca_file.read_bytes())
    url = story.peer.bundle_endpoint
    return (f"bundle-endpoint:{url}", "--trust-domain", story.peer.trust_domain, "--ca-file", str(both))


def file_spiffe_bundle(story: Story, folder: Path) -> tuple[str, ...]:
    (folder / "bundle.json").write_bytes(story.peer.spiffe_bundle())
    return (f"file:{folder / 'bundle.json'}", "--trust-domain", f"spiffe://{story.peer.trust_domain}")


def file_agent_output(story: Story, folder: Path) -> tuple[str, ...]:
    (folder / "agent.json").write_bytes(story.peer.agent_output(AUDIENCE))
    return (f"file:{folder / 'agent.json'}",)


def file_jwks(story: Story, folder: Path) -> tuple[str, ...]:
    (folder / "jwks.json").write_bytes(json.dumps(story.peer.jwks()).encode())
    return (f"file:{folder / 'jwks.json'}", "--trust-domain", story.peer.trust_domain)


SOURCES = (workload_api, server_api, bundle_endpoint, file_spiffe_bundle, file_agent_output, file_jwks)


def test_every_source_gives_the_same_documents_and_they_verify(story: Story, tmp_path: Path) -> None:
    token = story.peer.mint(AUDIENCE)
    documents = []
    for source in SOURCES:
        ended = story.publish(*source(story, tmp_path))
        assert ended.codes == [], source.__name__
        assert ended.publication["verified"] == "verified"
        assert ended.publication["changed"] is (source is SOURCES[0]), "two kinds of source on one sink agree"
        assert story.verifies(token), source.__name__
        objects = story.objects()
        documents.append((objects["keys"], objects[".well-known/openid-configuration"]))
    assert len(set(documents)) == 1


def test_a_bundle_on_standard_input(story: Story) -> None:
    story.publish("file:-", "--trust-domain", story.peer.trust_domain, stdin=story.peer.spiffe_bundle())
    assert story.verifies(story.peer.mint(AUDIENCE))


@pytest.mark.parametrize("key_type", ["ec-p384", "rsa-2048"])
def test_other_key_types(make_story: MakeStory, key_type: str) -> None:
    story = make_story(key_type=key_type)
    story.peer.wait_for_agent()
    story.publish(story.workload_api)
    assert story.verifies(story.peer.mint(AUDIENCE))


@pytest.mark.parametrize("api", ["server_api", "workload_api"])
def test_a_rotation_from_prepare_to_revoke(story: Story, api: str) -> None:
    source = getattr(story, api)

    def publish() -> None:
        story.peer.wait_for_agent()
        story.publish(source)

    publish()
    old = story.peer.mint_at_server(AUDIENCE)
    assert story.verifies(old)

    story.peer.prepare()
    publish()
    story.peer.activate()
    new = story.peer.mint_at_server(AUDIENCE)
    assert story.verifies(new), "it was published before it signed"
    assert story.verifies(old)

    story.peer.taint()
    publish()
    assert story.verifies(old), "tainted is not revoked: SPIRE has it still"
    gone = story.peer.revoke()
    publish()
    assert gone.encode() not in story.objects()["keys"]
    assert not story.verifies(old)
    assert story.verifies(new)


def test_keys_lost_with_the_datastore_kept_publish_normally(story: Story) -> None:
    story.publish(story.server_api)
    old = story.peer.mint_at_server(AUDIENCE)
    story.peer.lose_keys()
    story.peer.wait_for_agent()
    assert story.publish(story.server_api).codes == []
    assert story.publish(story.workload_api).codes == ["LED002"], "the agent's own token shows that it signs"
    assert story.verifies(old)
    assert story.verifies(story.peer.mint_at_server(AUDIENCE))


def test_everything_lost_is_refused_and_needs_every_override(story: Story) -> None:
    story.peer.prepare()
    story.peer.wait_for_agent()
    story.publish(story.server_api)
    old, before = story.peer.mint_at_server(AUDIENCE), story.objects()
    story.peer.lose_keys_and_datastore()
    story.peer.wait_for_agent()

    refused = story.publish(story.server_api, expect=65)
    assert all(option in refused.said for option in OVERRIDES)
    assert story.publish(story.server_api, OVERRIDES[0], expect=65).said.count("ROT002") == 1
    assert "--accept-disjoint-keys" in story.publish(story.workload_api, expect=65).said
    assert story.objects() == before
    assert story.verifies(old)

    accepted = story.publish(story.server_api, *OVERRIDES)
    assert accepted.codes == ["ROT017", "ROT017"]
    assert story.verifies(story.peer.mint_at_server(AUDIENCE))
    assert not story.verifies(old)
    assert story.publish(story.server_api).codes == []
    manifest = json.loads(story.objects()[".well-known/spire-oidc-publication.json"])
    assert manifest["override"]["accepted"] == ["accept-disjoint-keys", "accept-lower-sequence"]


def test_a_bucket_filled_by_hand_is_taken_over_without_an_outage(story: Story) -> None:
    by_hand = story.peer.jwks()
    for key in by_hand["keys"]:
        key |= {"use": "sig", "alg": "ES256"}
    configuration = {
        "issuer": story.issuer,
        "jwks_uri": f"{story.issuer}/keys",
        "authorization_endpoint": f"{story.issuer}/authorize",
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["RS256", "ES256"],
    }
    for path, document in (("keys", by_hand), (".well-known/openid-configuration", configuration)):
        body = json.dumps(document, indent=2).encode()
        story.emulator.upload_by_hand(story.bucket, path, body, "application/json")
    token = story.peer.mint(AUDIENCE)
    with _watching(lambda: story.verifies(token)) as verdicts:
        ended = story.publish(story.workload_api)
    assert verdicts
    assert all(verdicts)
    assert ended.codes == ["ROT015"]
    assert story.verifies(token)
    assert story.publish(story.workload_api).codes == []


class TestSpireIsUnwell:
    def test_a_dead_server_behind_a_living_agent_publishes_nothing(self, story: Story) -> None:
        story.publish(story.server_api)
        before = story.objects()
        story.peer.kill_server()
        assert story.peer.jwks()["keys"], "the agent goes on answering"
        ended = story.publish(story.workload_api, "--timeout", "5", expect=75)
        assert "its server does not" in ended.said
        assert story.objects() == before, "not even confirmed"

    def test_no_agent(self, story: Story) -> None:
        story.peer.kill_agent()
        assert (
            "no spire-agent at this socket"
            in story.publish(story.workload_api, "--timeout", "3", expect=75).said
        )

    def test_no_entry(self, make_story: MakeStory) -> None:
        story = make_story(registered=False)
        ended = story.publish(story.workload_api, "--timeout", "3", expect=75)
        assert "knows no entry" in ended.said
        assert "spire-server entry create" in ended.said

    def test_no_entry_but_verifiers_are_let_in(self, make_story: MakeStory) -> None:
        story = make_story(registered=False, allow_unauthenticated_verifiers=True)
        assert story.publish(story.workload_api).codes == ["SRC001"]

    def test_tokens_without_an_issuer(self, make_story: MakeStory) -> None:
        story = make_story(jwt_issuer=False)
        story.peer.wait_for_agent()
        ended = story.publish(story.workload_api)
        assert ended.codes == ["ISS001"]
        assert f'jwt_issuer = "{story.issuer}"' in ended.said

    def test_federated_bundles_are_never_merged(self, make_story: MakeStory) -> None:
        story = make_story(federated=("other.example",))
        story.peer.wait_for_agent()
        assert "several trust domains" in story.publish(story.workload_api, expect=65).said
        ended = story.publish(story.workload_api, "--trust-domain", story.peer.trust_domain)
        assert {key["kid"] for key in ended.publication["keys"]["added"]} == story.peer.bundle().kids


def test_check_reads_a_real_publication(story: Story) -> None:
    story.publish(story.workload_api)
    ended = story.run(
        "check", "--issuer", story.issuer, "--ca-file", str(story.emulator.ca_file), "--require-manifest"
    )
    assert {finding["severity"] for finding in ended.publication["findings"]} <= {"info"}


class _watching:  # noqa: N801 (reads as a statement)
    """Call again and again while the block runs; give all verdicts."""

    def __init__(self, look: Callable[[], bool]) -> None:
        self._look, self._ended = look, threading.Event()
        self._verdicts: list[bool] = []
        self._thread = threading.Thread(target=self._watch)

    def _watch(self) -> None:
        while not self._ended.is_set():
            self._verdicts.append(self._look())

    def __enter__(self) -> list[bool]:
        self._thread.start()
        return self._verdicts

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)
