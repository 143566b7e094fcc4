"""The walk-through with JWT-SVIDs, from an empty project to a private object, with Google's own library."""

import json
import subprocess
import sys
from pathlib import Path

import jwt

from tests.conftest import MakePeer
from tests.e2e.conftest import MakeStory, Story
from tests.e2e.google_walk import (
    ACCOUNT,
    AUDIENCE,
    CONTENT,
    DATA,
    JWT_STEPS,
    NAME,
    READER,
    create_account,
    new_walk,
    principal,
    program,
    variables,
)
from tests.gcp.metadata.serving import bare, serving
from tests.google import fixtures
from tests.google.google import Google

google, google_process = fixtures.google, fixtures.google_process

NOT_SERVED = "https://nobody-serves-this.example/spire"


def rotate(story: Story) -> None:
    """Let SPIRE sign with another key, published before."""
    story.peer.prepare()
    story.publish(story.server_api)
    story.peer.activate()


def test_the_walk_through_with_jwt_svids(google: Google, make_story: MakeStory, tmp_path: Path) -> None:
    walk = new_walk(google, tmp_path, JWT_STEPS)
    with walk.step("Create the bucket"):
        story = make_story()
        story.peer.wait_for_agent()
        google.issuer_at(story.emulator.url, story.emulator.url.removeprefix("https://"), story.ca_file)
    with walk.step("Publish the keys"):
        assert story.publish(story.server_api).publication["changed"]
    with walk.step("Create the workload identity pool"):
        # Pool, provider and binding are one command; before it runs, the account that it binds is made.
        create_account(walk)
        grant = ("--service-account", ACCOUNT, "--grant-to", story.peer.spiffe_id)
        applied = walk.administer("--issuer", story.issuer, *grant, "--apply")
        assert google.pool(NAME.partition("/providers/")[0])["state"] == "ACTIVE"
    with walk.step("Create the OIDC provider with issuer and attribute mapping"):
        made = google.provider(NAME)
        assert made["oidc"]["issuerUri"] == story.issuer
        assert made["attributeCondition"] == "assertion.sub.startsWith('spiffe://example.org/')"
        assert walk.administer("--issuer", story.issuer, *grant, "--compare"), "equal: exit status 0"
    with walk.step("Create the service account"):
        assert ACCOUNT in applied
    with walk.step("Bind the principal"):
        member = principal(story.peer.spiffe_id)
        assert (ACCOUNT, "roles/iam.workloadIdentityUser", member) in google.bindings()

    credentials = tmp_path / "google.json"
    said = walk.gcp(
        *("credential-config", "--provider", NAME, "--service-account", ACCOUNT),
        *(
            "--project-id",
            "my-project",
            "--program",
            program(tmp_path),
            "--workload-api",
            story.peer.workload_api,
        ),
        *("--output-file", str(tmp_path / "answer.json"), "--write-to", str(credentials)),
        environment={},
    )
    environment = variables(said)
    with walk.step("Get a JWT-SVID"):
        where = {"SPIFFE_ENDPOINT_SOCKET": story.peer.workload_api}
        answer = json.loads(walk.gcp("token", "--audience", AUDIENCE, environment=where))
        assert answer["success"]
        assert jwt.decode(answer["id_token"], options={"verify_signature": False})["iss"] == story.issuer
    google.forget()
    with walk.step("Exchange it at STS"):
        read = walk.call_the_api(environment)
        # The library for storage may ask twice: a thread of its own looks at the bucket meanwhile.
        subjects = {exchange.detail["subject"] for exchange in google.journal("^POST .*/v1/token")}
        assert subjects == {story.peer.spiffe_id}
    with walk.step("Impersonate the service account"):
        assert {each.detail["account"] for each in google.journal("^POST .*:generateAccessToken")} == {
            ACCOUNT
        }
    with walk.step("Call the API"):
        assert read == CONTENT
        assert walk.last_caller() == f"serviceAccount:{ACCOUNT}"
        assert "nothing is broken" in walk.doctor(credentials, "--ca-file", str(story.ca_file))
    with walk.step("The small metadata proxy"):
        words = ("--provider", NAME, "--service-account", ACCOUNT, "--workload-api", story.peer.workload_api)
        with serving(*words, "--project-id", "my-project", environment=google.environment) as server:
            assert walk.call_the_api(server.environment) == CONTENT
            rotate(story)
            (tmp_path / "answer.json").unlink()
            assert walk.call_the_api(environment) == CONTENT, "after a rotation"
    assert tuple(walk.done) == JWT_STEPS


def test_the_same_without_bucket_service_account_and_impersonation(
    google: Google, make_peer: MakePeer, tmp_path: Path
) -> None:
    """Every step that is not a command is unnecessary: keys uploaded, the federated token itself."""
    walk = new_walk(google, tmp_path, ())
    peer = make_peer(jwt_issuer=NOT_SERVED)
    peer.wait_for_agent()
    granted = walk.administer("--issuer", NOT_SERVED, "--grant-to", peer.spiffe_id)
    assert principal(peer.spiffe_id) in granted, "the member stands ready for any binding"
    google.bind(f"buckets/{DATA}", READER, principal(peer.spiffe_id))
    walk.administer("--issuer", NOT_SERVED, "--apply")
    publish = [sys.executable, "-m", "publisher", "publish", "--source", f"server-api:{peer.server_api}"]
    publish += ["--sink", f"wif-provider:{NAME}", "--issuer", NOT_SERVED]
    publish += ["--state-file", str(tmp_path / "state.json")]
    subprocess.run(publish, env=bare(walk.place.environment), timeout=120, check=True, capture_output=True)
    folder, credentials = tmp_path / "svids", tmp_path / "google.json"
    where = {"SPIFFE_ENDPOINT_SOCKET": peer.workload_api}
    walk.gcp(
        *("svid-files", "--folder", str(folder), "--svids", "jwt", "--provider", NAME), environment=where
    )
    words = ("credential-config", "--provider", NAME, "--way", "file", "--folder", str(folder))
    where_to = ("--project-id", "my-project", "--write-to", str(credentials))
    said = walk.gcp(*words, *where_to, environment={})
    assert walk.call_the_api(variables(said)) == CONTENT
    assert walk.last_caller() == principal(peer.spiffe_id)
    assert "nothing is broken" in walk.doctor(credentials)


def test_the_doctor_names_the_step_that_was_left_out(
    google: Google, make_story: MakeStory, tmp_path: Path
) -> None:
    """Somebody walks through and forgets a step each time: the answer is the stage, its code, the remedy."""
    walk = new_walk(google, tmp_path, JWT_STEPS)
    story = make_story()
    story.peer.wait_for_agent()
    credentials = tmp_path / "google.json"
    walk.gcp(
        *("credential-config", "--provider", NAME, "--service-account", ACCOUNT),
        *("--workload-api", story.peer.workload_api, "--program", program(tmp_path)),
        *("--write-to", str(credentials)),
        environment={},
    )

    def broken_at(stage: str, code: str) -> None:
        words = ("--ca-file", str(story.ca_file), "--issuer", story.issuer)
        said = walk.doctor(credentials, *words, expect=1)
        assert f"broken at: {stage}" in said, said
        assert code in said

    google.create_service_account(ACCOUNT)
    walk.administer("--issuer", story.issuer, "--apply")
    google.issuer_at(story.emulator.url, story.emulator.url.removeprefix("https://"), story.ca_file)
    broken_at("exchange", "GCP017")
    story.publish(story.server_api)
    broken_at("impersonation", "GCP019")
    google.bind(ACCOUNT, "roles/iam.workloadIdentityUser", principal(story.peer.spiffe_id))
    broken_at("call", "GCP020")
    google.bind(f"buckets/{DATA}", READER, f"serviceAccount:{ACCOUNT}")
    assert "nothing is broken" in walk.doctor(credentials, "--ca-file", str(story.ca_file))
