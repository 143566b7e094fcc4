"""The trust store that follows SPIRE's roots: as the shipped unit runs it, and what workloads see of it."""

import base64
import json
import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Ran, invoke
from tests.deploy.unit_files import SYSTEMD, command_of, read_unit
from tests.google import fixtures
from tests.google.asking import MTLS, form_of
from tests.google.faults import Fault, Kind
from tests.google.google import Google
from tests.google.issuers import Authority
from tests.provider_place import PROJECT, make_place

google, google_process = fixtures.google, fixtures.google_process

POOL = f"projects/{PROJECT}/locations/global/workloadIdentityPools/spire-pool"
NAME = f"{POOL}/providers/roots"
ONLY = ("--x509", "--trust-store-only")
PROD, TEST = "spiffe://example.org/ns/prod/app", "spiffe://example.org/ns/test/app"
CONDITION = "assertion.san.uri != 'spiffe://example.org/ns/prod/banned'"
UNKNOWN = "The certificate does not chain to a trust anchor of the provider."


@dataclass(frozen=True, kw_only=True)
class Roots:
    """A provider's administrator, with the bundle in a file."""

    google: Google
    folder: Path
    environment: Mapping[str, str]

    def bundle(self, *authorities: Authority) -> None:
        (self.folder / "bundle.pem").write_text("".join(one.pem for one in authorities))

    def setup(self, *arguments: str, provider: str = NAME) -> Ran:
        words = ("--provider", provider, "--trust-domain", "example.org", "--timeout", "20s")
        source = ("--source", f"file:{self.folder / 'bundle.pem'}")
        return invoke("gcp", "setup", *words, *source, *arguments, stdin=None, **self.environment)

    def run_the_unit(self) -> Ran:
        """Run what the unit starts, with nothing but what it says is to be in its environment."""
        _, *words = command_of(read_unit(SYSTEMD / "spire-gcp-trust-store.service"))
        own = {
            "PROVIDER": NAME,
            "TRUST_DOMAIN": "example.org",
            "SOURCE": f"file:{self.folder / 'bundle.pem'}",
        }
        variables = {f"SPIRE_OIDC_PUBLISHER_{name}": value for name, value in own.items()}
        return invoke(*words, stdin=None, **{**self.environment, **variables})

    def provider(self) -> dict[str, Any]:
        return self.google.provider(NAME)

    def store(self, member: str = "trustAnchors") -> set[str]:
        return {one["pemCertificate"] for one in self.provider()["x509"]["trustStore"].get(member, [])}

    def rest(self) -> dict[str, Any]:
        return {name: value for name, value in self.provider().items() if name != "x509"}

    def exchange(self, signer: Authority, spiffe_id: str = PROD, *, between: str = "") -> str:
        """Exchange a chain over mTLS: "" for a token that works, else the refusal."""
        certificate, key = signer.svid(self.folder, spiffe_id)
        chain = [ssl.PEM_cert_to_DER_cert(pem) for pem in (certificate.read_text(), between) if pem]
        token = json.dumps([base64.b64encode(der).decode() for der in chain])
        form = form_of(NAME, token, subject_token_type=MTLS)
        with self.google.session() as session:
            pair = (str(certificate), str(key))
            answer = session.post(self.google.sts_mtls_url, data=form, cert=pair, timeout=20)
        if answer.status_code != 200:
            return str(answer.json()["error_description"])
        principal = self.google.peek(answer.json()["access_token"])["principal"]
        assert principal == f"principal://iam.googleapis.com/{POOL}/subject/{spiffe_id}"
        return ""


@pytest.fixture
def roots(google: Google, tmp_path: Path) -> Roots:
    place = make_place(google, tmp_path, issuer="https://elsewhere.example")
    kept = {name: "" for name in os.environ if name.startswith(("SPIRE_OIDC_PUBLISHER_", "SPIFFE_"))}
    return Roots(google=google, folder=tmp_path, environment={**kept, **place.environment})


def rooted(name: str, *, hours_ago: float, life: timedelta = timedelta(days=30)) -> Authority:
    """Make a self-signed authority that began a while ago."""
    return Authority(name=name, began=datetime.now(UTC) - timedelta(hours=hours_ago), life=life)


def test_the_unit_changes_the_anchors_and_nobody_else_is_let_in(roots: Roots) -> None:
    old, new, between = rooted("old", hours_ago=9), rooted("new", hours_ago=1), Authority(name="between")
    roots.bundle(old)
    (roots.folder / "between.pem").write_text(between.pem)
    made = roots.setup(
        *("--x509", "--apply", "--path-prefix", "/ns/prod/", "--condition", CONDITION),
        *("--attributes", "/ns/{namespace}/", "--intermediates", str(roots.folder / "between.pem")),
    )
    assert made.status == 0, made.err
    before = roots.rest()
    assert CONDITION in before["attributeCondition"]
    roots.google.forget()

    roots.bundle(old, new)
    ran = roots.run_the_unit()
    assert ran.status == 0, ran.err
    assert ran.out.splitlines()[:1] == ["! x509.trustStore"]
    assert [line[:16] for line in ran.out.splitlines()[1:-1]] == ["+ anchor 'CN=new"]
    assert roots.rest() == before
    assert roots.store() == {old.pem, new.pem}
    assert roots.store("intermediateCas") == {between.pem}
    (patch,) = roots.google.journal("^(POST|PATCH|PUT|DELETE) .*/v1/projects")
    assert (patch.method, patch.query) == ("PATCH", "updateMask=x509.trustStore")
    assert roots.exchange(new) == ""
    assert roots.exchange(new, TEST) != ""
    assert roots.exchange(new, "spiffe://example.org/ns/prod/banned") != ""

    again = roots.run_the_unit()
    assert (again.status, again.out) == (0, f"= {NAME} is as it is wanted\n")


def test_variables_of_a_whole_provider_count_for_nothing(roots: Roots) -> None:
    old, new = rooted("old", hours_ago=9), rooted("new", hours_ago=1)
    roots.bundle(old)
    assert roots.setup("--x509", "--apply", "--path-prefix", "/ns/prod/").status == 0
    before = roots.rest()
    roots.bundle(old, new)
    loose = {"PATH_PREFIX": "/", "CONDITION": "true", "GRANT_TO": "x", "SERVICE_ACCOUNT": "y"}
    variables = {f"SPIRE_OIDC_PUBLISHER_{name}": value for name, value in loose.items()}
    other = Roots(google=roots.google, folder=roots.folder, environment={**roots.environment, **variables})
    assert other.run_the_unit().status == 0
    assert roots.rest() == before
    assert roots.store() == {old.pem, new.pem}


def test_intermediates_go_only_where_others_are_given(roots: Roots) -> None:
    root, first, second = rooted("root", hours_ago=9), Authority(name="first"), Authority(name="second")
    path = roots.folder / "between.pem"
    roots.bundle(root)
    path.write_text(first.pem)
    assert roots.setup("--x509", "--apply", "--intermediates", str(path)).status == 0
    assert roots.setup(*ONLY, "--compare").status == 0
    path.write_text(second.pem)
    assert roots.setup(*ONLY, "--compare", "--intermediates", str(path)).status == 1
    assert roots.setup(*ONLY, "--apply", "--intermediates", str(path)).status == 0
    assert roots.store("intermediateCas") == {second.pem}
    document = roots.setup(*ONLY, "--apply", "--format", "json").json
    assert (document["pool"], document["members"], document["comparison"]["equal"]) == (None, [], True)
    assert list(document["provider"]["body"]) == ["x509"]
    assert document["provider"]["body"]["x509"] == roots.provider()["x509"]


def test_a_provider_that_is_absent_or_of_another_kind_is_refused(roots: Roots) -> None:
    roots.bundle(rooted("root", hours_ago=1))
    roots.google.forget()
    for provider, said in (
        (NAME, "with --trust-store-only nothing is created"),
        (NAME.replace("spire-pool", "no-such-pool"), "with --trust-store-only nothing is created"),
        (f"{POOL}/providers/spire", "is not of the kind x509"),
    ):
        ran = roots.setup(*ONLY, "--apply", provider=provider)
        assert (ran.status, ran.out) == (78, "")
        assert said in ran.messages
    assert roots.google.journal("^(POST|PATCH|PUT|DELETE) .*/v1/projects") == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("--trust-store-only", "--issuer", "https://i.example"),
            "--trust-store-only: belongs to --x509 alone",
        ),
        (ONLY, "--trust-store-only: is about a provider that is there"),
        ((*ONLY, "--apply", "--condition", "true"), "--condition: is of a whole provider"),
        ((*ONLY, "--apply", "--trust-store", "x"), "--trust-store: is of a whole provider"),
    ],
)
def test_what_does_not_go_together_is_refused(roots: Roots, words: tuple[str, ...], said: str) -> None:
    ran = roots.setup(*words)
    assert ran.status == 2
    assert said in ran.messages


@pytest.mark.parametrize("words", [ONLY, ("--x509",)], ids=["only", "whole"])
def test_a_source_that_fell_behind_takes_no_newer_anchor_away(roots: Roots, words: tuple[str, ...]) -> None:
    old, new = rooted("old", hours_ago=9), rooted("new", hours_ago=1)
    roots.bundle(old, new)
    assert roots.setup("--x509", "--apply").status == 0
    roots.bundle(old)  # as an agent has it whose server died eight hours ago
    refused = roots.setup(*words, "--apply")
    assert refused.status == 78
    assert "- anchor 'CN=new'" in refused.out
    assert "the source may have fallen behind" in refused.messages
    assert "--accept-lost-anchors" in refused.messages
    assert "--accept-disjoint-anchors" not in refused.messages
    document = roots.setup(*words, "--apply", "--format", "json").json
    assert (document["exit_status"], document["applied"]) == (78, False)
    assert document["comparison"]["overrides"] == ["accept-lost-anchors"]
    assert roots.store() == {old.pem, new.pem}
    assert roots.setup(*words, "--apply", "--accept-disjoint-anchors").status == 78
    assert roots.setup(*words, "--apply", "--accept-lost-anchors").status == 0
    assert roots.store() == {old.pem}


def test_each_override_is_asked_for_and_an_expired_anchor_is_no_loss(roots: Roots) -> None:
    old, new = rooted("old", hours_ago=9), rooted("new", hours_ago=1)
    gone = rooted("gone", hours_ago=2, life=timedelta(minutes=5))
    roots.bundle(new)
    assert roots.setup("--x509", "--apply").status == 0
    roots.bundle(old)
    refused = roots.setup(*ONLY, "--apply", "--accept-disjoint-anchors")
    assert refused.status == 78
    assert "--accept-disjoint-anchors --accept-lost-anchors" in refused.messages
    both = ("--accept-disjoint-anchors", "--accept-lost-anchors")
    assert roots.setup(*ONLY, "--apply", *both).status == 0
    store = {"trustAnchors": [{"pemCertificate": one.pem} for one in (old, gone)]}
    roots.google.patch(NAME, "x509.trustStore", {"x509": {"trustStore": store}})
    assert roots.setup(*ONLY, "--apply").status == 0
    assert roots.store() == {old.pem}


@pytest.mark.parametrize("direct", [True, False], ids=["root signs leaves", "intermediate sent along"])
def test_a_root_rotates_and_workloads_of_both_are_let_in_while_both_are_anchors(
    roots: Roots, direct: bool
) -> None:
    old, new = rooted("old", hours_ago=9), rooted("new", hours_ago=1)

    def exchanged() -> tuple[str, str]:
        """Exchange a chain of the old root, and one of the new."""
        if direct:
            return roots.exchange(old), roots.exchange(new)
        below = [Authority(name=f"below {root.name}", issuer=root) for root in (old, new)]
        first, second = (roots.exchange(one, between=one.pem) for one in below)
        return first, second

    roots.bundle(old)
    assert roots.setup("--x509", "--apply").status == 0
    assert exchanged() == ("", UNKNOWN)
    roots.bundle(old, new)  # SPIRE has prepared the new one; it does not sign yet
    assert exchanged() == ("", UNKNOWN), "before the timer ran, which the third of a root's life is for"
    for _ in range(2):
        assert roots.run_the_unit().status == 0
        assert roots.store() == {old.pem, new.pem}
        assert exchanged() == ("", "")
    roots.bundle(new)  # the old one is expired, or revoked after a compromise
    assert exchanged() == ("", ""), "a revoked root counts until the next run"
    assert roots.run_the_unit().status == 0
    assert roots.store() == {new.pem}
    assert exchanged() == (UNKNOWN, "")


def test_the_difference_comes_before_the_change_and_before_each_further_one(roots: Roots) -> None:
    old, new = rooted("old", hours_ago=9), rooted("new", hours_ago=1)
    roots.bundle(old)
    assert roots.setup("--x509", "--apply").status == 0
    roots.bundle(old, new)
    line = "to be changed at Google: + anchor 'CN=new'"
    denied = Fault(kind=Kind.ANSWER, where="^PATCH ", times=1, status=403)
    roots.google.inject(denied)
    failed = roots.setup(*ONLY, "--apply", "--format", "json")
    assert failed.status == 78
    assert failed.messages.count(line) == 1
    assert failed.messages.index(line) < failed.messages.index("ERROR")
    assert (failed.json["exit_status"], failed.json["applied"]) == (78, False)
    assert "+ anchor 'CN=new'" in "\n".join(failed.json["comparison"]["lines"])
    roots.google.inject(denied)
    text = roots.setup(*ONLY, "--apply")
    assert text.status == 78
    assert "+ anchor 'CN=new'" in text.out
    assert "done" not in text.out
    # A write that Google says is done, and is not: it differs still, and is written again.
    lied = json.dumps({"name": f"{NAME}/operations/x", "done": True, "response": {}})
    roots.google.inject(Fault(kind=Kind.ANSWER, where="^PATCH ", times=1, body=lied))
    applied = roots.setup(*ONLY, "--apply", "--format", "json")
    assert applied.status == 0
    assert applied.messages.count(line) == 2
    assert applied.json["applied"] is True
    assert roots.store() == {old.pem, new.pem}
