"""The walk-through with X.509-SVIDs, from SPIRE's root to a private object, with Google's own library."""

import base64
import json
import re
import shutil
import ssl
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.docs.pages import page
from tests.e2e.google_walk import (
    ACCOUNT,
    AUDIENCE,
    CONTENT,
    NAME,
    X509_STEPS,
    create_account,
    new_walk,
    principal,
    variables,
)
from tests.gcp.metadata.serving import bare, stop
from tests.gcp.scripted_agent import running_agent
from tests.google import fixtures
from tests.google.asking import form_of
from tests.google.google import Google
from tests.peers.peer import PeerOptions, SpirePeer
from tests.peers.programs import ABSENT, find_spire
from tests.peers.start import KINDS, STANDIN, start_peer
from tests.watching import wait_until

google, google_process = fixtures.google, fixtures.google_process


@dataclass(frozen=True, kw_only=True)
class X509Spire:
    """Where SVIDs and root come from; `rotate` None: SPIRE renews too seldom to wait for it."""

    workload_api: str
    spiffe_id: str
    source: str
    rotate: Callable[[], None] | None


@contextmanager
def x509_spire(kind: str, folder: Path) -> Iterator[X509Spire]:
    """Have one with X.509-SVIDs. The stand-in has none: an agent of the tests' own takes its place."""
    if kind == STANDIN:
        with running_agent() as agent:
            (folder / "root.pem").write_text(agent.authority.pem)
            yield X509Spire(
                workload_api=agent.endpoint,
                spiffe_id=agent.identities[0].spiffe_id,
                source=f"file:{folder / 'root.pem'}",
                rotate=agent.rotate,
            )
        return
    if find_spire() is None:
        pytest.skip(ABSENT)
    peer: SpirePeer = start_peer(kind, PeerOptions())
    try:
        peer.wait_for_agent()
        yield X509Spire(
            workload_api=peer.workload_api,
            spiffe_id=peer.spiffe_id,
            source=f"server-api:{peer.server_api}",
            rotate=None,
        )
    finally:
        peer.stop()


@pytest.mark.parametrize("kind", KINDS)
def test_the_walk_through_with_x509_svids(google: Google, tmp_path: Path, kind: str) -> None:
    walk = new_walk(google, tmp_path, X509_STEPS)
    with x509_spire(kind, tmp_path) as spire:
        store, svids, credentials = (
            tmp_path / "trust-store.yaml",
            tmp_path / "svids",
            tmp_path / "google.json",
        )
        create_account(walk)
        grant = ("--service-account", ACCOUNT, "--grant-to", spire.spiffe_id)
        words = ("--x509", "--source", spire.source, "--trust-store", str(store), *grant)
        with walk.step("Extract the root certificate"):
            printed = walk.administer(*words)
        with walk.step("Create the trust store YAML"):
            assert store.read_text().count("BEGIN CERTIFICATE") == 1
            assert "gcloud iam workload-identity-pools providers create-x509 spire" in printed
        with walk.step("Create the pool and the X.509 provider"):
            walk.administer(*words, "--apply")
            assert len(google.provider(NAME)["x509"]["trustStore"]["trustAnchors"]) == 1
        with walk.step("Fetch the X.509-SVID to files"):
            files = ("svid-files", "--folder", str(svids), "--svids", "x509")
            walk.gcp(*files, environment={"SPIFFE_ENDPOINT_SOCKET": spire.workload_api})
        with walk.step("Exchange by mTLS with curl"):
            token = exchange_over_mtls(google, svids / "current")
            assert google.who_am_i(token)["principal"] == principal(spire.spiffe_id)
        with walk.step("Write the credential configuration and certificate_config.json"):
            said = walk.gcp(
                *("credential-config", "--provider", NAME, "--way", "x509", "--folder", str(svids)),
                *("--project-id", "my-project", "--service-account", ACCOUNT, "--write-to", str(credentials)),
                environment={},
            )
            assert "cert_configs" in json.loads((svids / "certificate_config.json").read_text())
        with walk.step("Call the API with gcloud or a client library"):
            assert walk.call_the_api(variables(said)) == CONTENT
            assert walk.last_caller() == f"serviceAccount:{ACCOUNT}"
            assert "nothing is broken" in walk.doctor(credentials)
        with kept_fresh(files, spire.workload_api, svids):
            assert walk.call_the_api(variables(said)) == CONTENT, "with files that are kept"
            if spire.rotate:
                before = (svids / "current").readlink()
                spire.rotate()
                wait_until(lambda: (svids / "current").readlink() != before)
                assert walk.call_the_api(variables(said)) == CONTENT, "with the next certificate"
    assert tuple(walk.done) == X509_STEPS


@contextmanager
def kept_fresh(files: tuple[str, ...], endpoint: str, folder: Path) -> Iterator[None]:
    """Run `svid-files --watch` on an empty folder until the block ends, which begins once it has written."""
    shutil.rmtree(folder)
    process = subprocess.Popen(
        [sys.executable, "-m", "publisher", "gcp", *files, "--watch"],
        env=bare({"SPIFFE_ENDPOINT_SOCKET": endpoint}),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        wait_until(lambda: process.poll() is not None or (folder / "certificate_config.json").exists())
        assert process.poll() is None
        yield
        assert process.poll() is None
    finally:
        assert stop(process) == 0


@pytest.mark.skipif(
    not (shutil.which("curl") and shutil.which("openssl")), reason="no curl or no openssl here"
)
def test_the_curl_line_of_the_page(google: Google, tmp_path: Path) -> None:
    walk, svids = new_walk(google, tmp_path, ()), tmp_path / "svids"
    with x509_spire(STANDIN, tmp_path) as spire:
        walk.administer("--x509", "--source", spire.source, "--apply")
        where = {"SPIFFE_ENDPOINT_SOCKET": spire.workload_api}
        walk.gcp("svid-files", "--folder", str(svids), "--svids", "x509", environment=where)
        (block,) = (block for block in page("docs/google-cloud.md").blocks("sh") if "curl " in block)
        script = block.replace("/run/spire-gcp-svid-files/svids", str(svids))
        script = script.replace("https://sts.mtls.googleapis.com/v1/token", google.sts_mtls_url)
        script = re.sub(r"//iam\.googleapis\.com/\S+", AUDIENCE, script)
        script = script.replace("curl ", f"curl --silent --cacert {google.ca_file} ")
        ended = subprocess.run(["sh", "-euc", script], capture_output=True, timeout=60, check=True)
        token = json.loads(ended.stdout)["access_token"]
        assert google.who_am_i(token)["principal"] == principal(spire.spiffe_id)


def exchange_over_mtls(google: Google, folder: Path) -> str:
    """Do what the walk-through does with curl: leaf and key at the connection, the chain as the token."""
    pems = (folder / "svid.pem").read_text().split("-----BEGIN CERTIFICATE-----")[1:]
    chain = [
        base64.b64encode(ssl.PEM_cert_to_DER_cert(f"-----BEGIN CERTIFICATE-----{pem}")).decode()
        for pem in pems
    ]
    form = form_of(NAME, json.dumps(chain), subject_token_type="urn:ietf:params:oauth:token-type:mtls")
    pair = (str(folder / "svid.pem"), str(folder / "svid_key.pem"))
    with google.session() as session:
        answer = session.post(google.sts_mtls_url, data=form, cert=pair, timeout=30)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["access_token"])
