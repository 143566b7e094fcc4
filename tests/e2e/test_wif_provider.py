"""Keys uploaded to a provider: SPIRE's tokens are accepted by Google's STS without any public endpoint."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests import keys
from tests.conftest import MakePeer
from tests.e2e.conftest import Ended
from tests.e2e.plugin_server import message, publisher_block
from tests.google.faults import ALWAYS, Fault, Kind, status
from tests.google.google import Google, running_google
from tests.peers.peer import SpirePeer
from tests.peers.start import SPIRE
from tests.plugin.host import Host
from tests.provider_place import ADMIN, PROJECT, ProviderPlace, make_place
from tests.watching import WatchProcess, wait_until

ISSUER = "https://nobody-serves-this.example/spire"
SECONDS = 90.0


@pytest.fixture(scope="module")
def google_process(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Google]:
    with running_google(tmp_path_factory.mktemp("google")) as started:
        yield started


@dataclass(frozen=True, kw_only=True)
class Upload:
    """One provider and the command that publishes there."""

    place: ProviderPlace
    state: Path

    @property
    def google(self) -> Google:
        return self.place.google

    @property
    def audience(self) -> str:
        return self.google.audience(self.place.name)

    @property
    def options(self) -> tuple[str, ...]:
        return ("--sink", self.place.sink, "--issuer", self.place.issuer, "--state-file", str(self.state))

    def command(self, source: str, *options: str) -> list[str]:
        return [sys.executable, "-m", "publisher", "publish", "--source", source, *self.options, *options]

    @property
    def environment(self) -> dict[str, str]:
        return {**os.environ, **self.place.environment}

    def publish(self, source: str, *options: str, expect: int = 0, stdin: bytes = b"") -> Ended:
        ended = subprocess.run(
            self.command(source, *options, "--output", "json"),
            input=stdin,
            env=self.environment,
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == expect, (ended.stdout + ended.stderr).decode()
        return Ended(
            status=ended.returncode,
            output=json.loads(ended.stdout),
            log=[json.loads(line) for line in ended.stderr.splitlines()],
        )

    def publish_keys(self, *kids: str, expect: int = 0, **how: Any) -> Ended:
        bundle = keys.spiffe_bundle(*kids, spiffe_sequence=len(kids))
        return self.publish("file:-", "--trust-domain", "example.org", stdin=bundle, expect=expect, **how)

    def manifest(self) -> dict[str, Any]:
        read: dict[str, Any] = json.loads(self.state.read_bytes())
        return read


@pytest.fixture
def upload(google_process: Google, tmp_path: Path) -> Upload:
    google_process.reset()
    place = make_place(google_process, tmp_path, issuer=ISSUER)
    return Upload(place=place, state=tmp_path / "state.json")


@pytest.fixture
def spire(make_peer: MakePeer) -> SpirePeer:
    made = make_peer(jwt_issuer=ISSUER)
    made.wait_for_agent()
    return made


def server_api(peer: SpirePeer) -> str:
    return f"server-api:{peer.server_api}"


def test_from_the_first_upload_to_a_revoked_key(upload: Upload, spire: SpirePeer) -> None:
    place, source = upload.place, server_api(spire)
    old = spire.mint_at_server(upload.audience)
    assert not place.accepts(old), "STS finds no public endpoint"
    first = upload.publish(source)
    assert first.publication["changed"]
    assert (first.publication["written"], first.publication["verified"]) == (["keys"], "off")
    assert "WIF002" in first.codes
    code, answer = place.exchange(old)
    assert code == 200, answer
    who = upload.google.who_am_i(answer["access_token"])["principal"]
    assert who.endswith(f"/subject/{spire.spiffe_id}")

    spire.prepare()
    assert upload.publish(source).publication["keys"]["added"]
    spire.activate()
    new = spire.mint_at_server(upload.audience)
    assert place.accepts(new)
    assert place.accepts(old)
    spire.taint()
    spire.revoke()
    assert upload.publish(source).publication["keys"]["removed"]
    assert place.accepts(new)
    assert not place.accepts(old)


def test_the_agents_own_token_and_keys(upload: Upload, spire: SpirePeer) -> None:
    upload.publish(f"workload-api:{spire.workload_api}")
    assert upload.place.accepts(spire.mint(upload.audience))


def test_without_a_change_nothing_is_sent_and_the_state_file_is_confirmed(upload: Upload) -> None:
    upload.publish_keys("a", "b")
    before, uploads = upload.manifest(), upload.place.uploads
    assert uploads == 1
    time.sleep(1.1)
    again = upload.publish_keys("a", "b")
    assert not again.publication["changed"]
    assert again.codes == []
    after = upload.manifest()
    assert upload.place.uploads == uploads
    assert after["modified_at"] == before["modified_at"]
    assert after["confirmed_at"] > before["confirmed_at"]
    assert [document["path"] for document in after["documents"]] == ["keys"]


def test_a_dry_run_sends_nothing(upload: Upload) -> None:
    spiffe = keys.spiffe_bundle("a")
    dry = upload.publish("file:-", "--trust-domain", "example.org", "--dry-run", stdin=spiffe)
    assert dry.publication["written"] == ["keys"]
    assert upload.place.uploads == 0
    assert not upload.state.exists()


def test_nine_keys_are_refused_and_eight_are_not(upload: Upload) -> None:
    upload.publish_keys(*"abcdefgh")
    refused = upload.publish_keys(*"abcdefghi", expect=65)
    assert "has 9 keys that may be valid" in refused.said
    assert "server-api" in refused.said
    assert upload.place.kids == set("abcdefgh"), "nothing is cut in silence"
    assert upload.place.uploads == 1


def test_p_384_is_refused_by_name(upload: Upload, make_peer: MakePeer) -> None:
    peer = make_peer(jwt_issuer=ISSUER, key_type="ec-p384")
    refused = upload.publish(server_api(peer), expect=65)
    (kid,) = peer.bundle().kids
    assert kid in refused.said
    assert "no P-384" in refused.said
    assert upload.place.uploads == 0


def test_the_guards_hold(upload: Upload) -> None:
    upload.publish_keys("a", "b", "c")
    assert "ROT002" in upload.publish_keys("a", "b", expect=65).said
    assert "ROT001" in upload.publish_keys("x", "y", "z", "w", expect=65).said
    assert upload.place.kids == {"a", "b", "c"}
    upload.place.upload("a", "b", "c", "evil")
    repaired = upload.publish_keys("a", "b", "c")
    assert "ROT010" in repaired.codes
    assert upload.place.kids == {"a", "b", "c"}


def test_keys_of_somebody_else_are_not_taken_over(upload: Upload) -> None:
    upload.place.upload("theirs")
    assert "ROT006" in upload.publish_keys("a", expect=65).said
    upload.publish_keys("a", "theirs")
    assert upload.place.kids == {"a", "theirs"}


def test_killed_between_upload_and_read_back(upload: Upload) -> None:
    upload.publish_keys("a")
    upload.google.inject(Fault(kind=Kind.STALL, where="/operations/", seconds=60))
    bundle = keys.spiffe_bundle("a", "b", spiffe_sequence=2)
    with subprocess.Popen(
        upload.command("file:-", "--trust-domain", "example.org"),
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=upload.environment,
    ) as process:
        assert process.stdin
        process.stdin.write(bundle)
        process.stdin.close()
        wait_until(lambda: upload.place.uploads == 2)
        wait_until(lambda: upload.place.kids == {"a", "b"})
        process.send_signal(signal.SIGKILL)
    upload.google.clear_faults()
    assert [key["kid"] for key in upload.manifest()["keys"]] == ["a"], "the manifest is of before"
    # "b" was revoked meanwhile: no stranger's key, although the manifest does not know it.
    bundle = keys.spiffe_bundle("a", "c", spiffe_sequence=3)
    after = upload.publish("file:-", "--trust-domain", "example.org", stdin=bundle)
    assert after.codes == ["ROT012"]
    assert upload.place.kids == {"a", "c"}
    assert upload.publish("file:-", "--trust-domain", "example.org", stdin=bundle).codes == []


@pytest.mark.parametrize(
    "fault",
    [
        status(429, times=2),
        status(409),
        status(503, times=3),
        Fault(kind=Kind.LOSE_REPLY),
        Fault(kind=Kind.HTML),
    ],
    ids=["429", "409", "503", "reply lost", "login page"],
)
@pytest.mark.parametrize("where", ["^PATCH ", "^GET .*/providers/spire", "/operations/"])
def test_faults_that_pass(upload: Upload, fault: Fault, where: str) -> None:
    upload.google.inject(Fault(**{**fault.as_json(), "where": where}))
    upload.publish_keys("a")
    assert upload.place.kids == {"a"}


def test_faults_that_stay(upload: Upload) -> None:
    upload.google.inject(status(503, where="/providers/spire", times=ALWAYS))
    upload.publish(
        "file:-", "--trust-domain", "example.org", "--timeout", "3", stdin=keys.jwks("a"), expect=75
    )
    upload.google.clear_faults()
    upload.google.unbind(f"projects/{PROJECT}", ADMIN, upload.place.member)
    assert ADMIN in upload.publish_keys("a", expect=78).said


@pytest.mark.parametrize("state", ["disable", "delete"])
def test_a_provider_that_is_switched_off(upload: Upload, state: str) -> None:
    getattr(upload.google, state)(upload.place.name)
    assert f"is {state}d" in upload.publish_keys("a", expect=78).said


def test_another_issuer_than_the_providers(upload: Upload) -> None:
    bundle = keys.spiffe_bundle("a")
    said = upload.publish(
        "file:-", "--trust-domain", "example.org", "--issuer", f"{ISSUER}/x", stdin=bundle, expect=78
    ).said
    assert "byte for byte" in said


def test_a_person_reads_who_has_the_keys(upload: Upload) -> None:
    ended = subprocess.run(
        upload.command("file:-", "--trust-domain", "example.org"),
        input=keys.spiffe_bundle("a"),
        env=upload.environment,
        capture_output=True,
        timeout=SECONDS,
        check=True,
    )
    assert b"Google shows the keys; no public URL was read" in ended.stdout


def test_watch(upload: Upload, spire: SpirePeer) -> None:
    with WatchProcess(
        *("--source", server_api(spire), *upload.options, "--poll-every", "1"),
        environment=upload.place.environment,
    ) as watch:
        watch.wait_for("INFO published keys")
        old = spire.mint_at_server(upload.audience)
        assert upload.place.accepts(old)
        prepared = spire.prepare()
        wait_until(lambda: prepared in upload.place.kids)
        spire.activate()
        spire.taint()
        gone = spire.revoke()
        wait_until(lambda: gone not in upload.place.kids)
        assert not upload.place.accepts(old)
        assert upload.place.accepts(spire.mint_at_server(upload.audience))
        assert upload.google.count("^POST .*/v1/token") <= 6, "credentials are kept from round to round"
        assert watch.stop()[0] == 0, watch.said
        assert "unexpected" not in watch.said


def test_the_plugin(upload: Upload, make_peer: MakePeer, peer_kind: str, tmp_path: Path) -> None:
    members = {"sink": upload.place.sink, "issuer": ISSUER, "state_file": str(upload.state)}
    text = "\n".join(f"  {name} = {json.dumps(value)}" for name, value in members.items())
    peer = make_peer(
        jwt_issuer=ISSUER, bundle_publishers=publisher_block(text), server_environment=upload.environment
    )
    host = None
    if peer_kind != SPIRE:
        host = Host(tmp_path, environment=upload.place.environment, trust_domain=peer.trust_domain)
        host.start(text)
    try:

        def published(kid: str) -> bool:
            if host is not None:
                host.publish(message(peer.bundle()))
            return kid in upload.place.kids

        (first,) = peer.bundle().kids
        wait_until(lambda: published(first))
        assert upload.place.accepts(peer.mint_at_server(upload.audience))
        prepared = peer.prepare()
        wait_until(lambda: published(prepared))
    finally:
        if host is not None:
            host.close()
