"""`gcp setup --compare` and `--apply` against the stand-in for Google, over https and google-auth."""

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.cli.running import Ran, invoke
from tests.google import fixtures
from tests.google.faults import Fault, Kind
from tests.google.google import Google
from tests.google.issuers import Authority, Issuer
from tests.provider_place import ADMIN, PROJECT, make_place

google, google_process = fixtures.google, fixtures.google_process

POOL = f"projects/{PROJECT}/locations/global/workloadIdentityPools/workloads"
NAME = f"{POOL}/providers/spire"
ACCOUNT = "app@my-project.iam.gserviceaccount.com"
ACCOUNT_ADMIN, USER = "roles/iam.serviceAccountAdmin", "roles/iam.workloadIdentityUser"
WEB = "spiffe://example.org/web"
MEMBER = f"principal://iam.googleapis.com/{POOL}/subject/{WEB}"
ISSUER = Issuer(url="https://issuer.example")


@dataclass(frozen=True, kw_only=True)
class Setup:
    """Run the command as somebody who may do what `--apply` needs."""

    google: Google
    environment: dict[str, str]
    member: str
    others: tuple[str, ...] = field(default=())

    def __call__(self, *arguments: str) -> Ran:
        words = ("--provider", NAME, "--trust-domain", "example.org", "--timeout", "20s")
        return invoke("gcp", "setup", *words, *arguments, stdin=None, **self.environment)

    def oidc(self, *arguments: str) -> Ran:
        return self("--issuer", ISSUER.url, *arguments)

    @property
    def writes(self) -> list[tuple[str, str]]:
        """Give method and path of every write since the journal was emptied, policies read left out."""
        found = self.google.journal("^(POST|PATCH|PUT|DELETE) .*/v1/projects")
        return [(entry.method, entry.path) for entry in found if "getIamPolicy" not in entry.path]

    def pool(self, **members: Any) -> None:
        self.google.create_pool(PROJECT, "workloads", **members)

    def exchange(self, token: str) -> tuple[int, dict[str, Any]]:
        with self.google.session() as session:
            form = {
                "grant_type": "urn:ietf:params:oauth:grant-type:token-exchange",
                "audience": self.google.audience(NAME),
                "scope": "https://www.googleapis.com/auth/cloud-platform",
                "requested_token_type": "urn:ietf:params:oauth:token-type:access_token",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
                "subject_token": token,
            }
            answer = session.post(self.google.sts_url, data=form, timeout=20)
        return answer.status_code, answer.json()


@pytest.fixture
def setup(google: Google, tmp_path: Path) -> Setup:
    place = make_place(google, tmp_path, issuer="https://elsewhere.example")
    google.create_service_account(ACCOUNT)
    google.bind(ACCOUNT, ACCOUNT_ADMIN, place.member)
    google.forget()
    kept = {name: "" for name in os.environ if name.startswith(("SPIRE_OIDC_PUBLISHER_", "SPIFFE_"))}
    return Setup(google=google, environment={**kept, **place.environment}, member=place.member)


def test_it_makes_what_lacks_and_a_workload_gets_its_token(setup: Setup) -> None:
    grant = ("--service-account", ACCOUNT, "--grant-to", WEB)
    compared = setup.oidc("--compare", *grant)
    assert compared.status == 1, compared.err
    assert compared.out.splitlines() == [
        f"+ pool {POOL}",
        f"+ provider {NAME}",
        f"+ {USER} on {ACCOUNT}: {MEMBER}",
    ]
    assert setup.writes == []

    applied = setup.oidc("--apply", *grant)
    assert applied.status == 0, applied.err
    assert applied.out == compared.out + f"done, and read back: {NAME}\n"
    assert (ACCOUNT, USER, MEMBER) in setup.google.bindings()

    setup.google.forget()
    again = setup.oidc("--apply", *grant)
    assert (again.status, again.out) == (0, f"= {NAME} is as it is wanted\n")
    assert setup.oidc("--compare", *grant).status == 0
    assert setup.writes == []

    setup.google.patch(NAME, "oidc.jwksJson", {"oidc": {"jwksJson": json.dumps(ISSUER.jwks())}})
    audience, now = setup.google.audience(NAME), setup.google.now()
    status, answer = setup.exchange(ISSUER.token(audience, now, sub=WEB))
    assert status == 200, answer
    assert setup.google.peek(answer["access_token"])["principal"] == MEMBER
    stranger = "spiffe://example.org.attacker.example/web"
    assert setup.exchange(ISSUER.token(audience, now, sub=stranger))[0] in (400, 401, 403)


def test_it_changes_only_what_differs_and_leaves_the_rest_alone(setup: Setup) -> None:
    setup.pool(displayName="Ours")
    setup.google.create_oidc_provider(
        POOL, "spire", issuer="https://old.example", jwks=ISSUER.jwks(), audiences=["old", "kept"]
    )
    setup.google.patch(NAME, "displayName", {"displayName": "By hand"})
    setup.google.forget()
    ran = setup.oidc("--apply", "--allowed-audiences", "kept,new", "--format", "json")
    assert ran.status == 0, ran.err
    fields = {one["field"]: one["lines"] for one in ran.json["comparison"]["differences"]}
    assert fields["oidc.issuerUri"] == ["- 'https://old.example'", "+ https://issuer.example"]
    assert fields["oidc.allowedAudiences"] == ["- 'old'", "+ new"]
    assert set(fields) == {
        "oidc.issuerUri",
        "oidc.allowedAudiences",
        "attributeMapping",
        "attributeCondition",
    }
    found = setup.google.provider(NAME)
    assert found["displayName"] == "By hand"
    assert json.loads(found["oidc"]["jwksJson"]) == ISSUER.jwks()
    assert found["oidc"]["issuerUri"] == ISSUER.url
    assert setup.writes == [("PATCH", f"/v1/{NAME}")]
    assert setup.oidc("--apply").status == 0
    assert (
        "allowedAudiences" not in setup.google.provider(NAME)["oidc"]
        or not setup.google.provider(NAME)["oidc"]["allowedAudiences"]
    )


def test_a_binding_of_somebody_else_stays(setup: Setup) -> None:
    other = f"principal://iam.googleapis.com/{POOL}/subject/other"
    setup.google.bind(ACCOUNT, USER, other)
    setup.google.bind(ACCOUNT, "roles/iam.serviceAccountTokenCreator", "user:a@example.com")
    before = setup.google.bindings()
    assert setup.oidc("--apply", "--service-account", ACCOUNT, "--grant-to", WEB).status == 0
    assert setup.google.bindings() == before | {(ACCOUNT, USER, MEMBER)}


@pytest.mark.parametrize("verb", ["delete", "disable"])
@pytest.mark.parametrize("name", [POOL, NAME])
def test_what_was_put_away_is_not_brought_back(setup: Setup, verb: str, name: str) -> None:
    assert setup.oidc("--apply").status == 0
    getattr(setup.google, verb)(name)
    setup.google.forget()
    ran = setup.oidc("--apply")
    assert ran.status == 78
    assert ("undelete" if verb == "delete" else "--no-disabled") in ran.messages
    assert setup.writes == []


def test_a_provider_keeps_its_kind(setup: Setup) -> None:
    setup.pool()
    setup.google.create_x509_provider(POOL, "spire", anchors=[Authority().pem])
    ran = setup.oidc("--apply")
    assert ran.status == 78
    assert "not of the kind oidc" in ran.messages


def test_a_trust_store_follows_the_bundle_and_never_loses_all_its_anchors_at_once(
    setup: Setup, tmp_path: Path
) -> None:
    old, new, wrong = Authority(name="old"), Authority(name="new"), Authority(name="wrong")
    roots = tmp_path / "roots.pem"

    def apply(*authorities: Authority, more: tuple[str, ...] = ()) -> Ran:
        roots.write_text("".join(one.pem for one in authorities))
        return setup("--x509", "--source", f"file:{roots}", "--apply", *more)

    def anchors() -> set[str]:
        return {
            one["pemCertificate"] for one in setup.google.provider(NAME)["x509"]["trustStore"]["trustAnchors"]
        }

    assert apply(old).status == 0
    assert apply(old, new).status == 0
    assert anchors() == {old.pem, new.pem}
    mirrored = apply(new)
    assert mirrored.status == 0
    assert "\n- anchor 'CN=old'" in mirrored.out
    assert anchors() == {new.pem}
    refused = apply(wrong)
    assert refused.status == 78
    assert "shares no trust anchor" in refused.messages
    assert "+ anchor 'CN=wrong'" in refused.out
    assert anchors() == {new.pem}
    assert apply(wrong, more=("--accept-disjoint-anchors",)).status == 0
    assert anchors() == {wrong.pem}


@pytest.mark.parametrize(
    ("fault", "times"),
    [(Kind.RESET, 2), (Kind.LOSE_REPLY, 1), (Kind.TRUNCATE, 1)],
)
@pytest.mark.parametrize("where", ["GET .*/v1/projects", "POST .*workloadIdentityPools", "PATCH "])
def test_what_passes_costs_another_attempt(setup: Setup, fault: Kind, times: int, where: str) -> None:
    setup.google.inject(Fault(kind=fault, where=where, times=times))
    assert setup.oidc("--apply").status == 0
    assert setup.oidc("--apply", "--condition", "assertion.x == 'y'").status == 0
    assert setup.google.provider(NAME)["attributeCondition"].endswith("(assertion.x == 'y')")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_an_overloaded_google_is_asked_again(setup: Setup, status: int) -> None:
    setup.google.inject(Fault(kind=Kind.ANSWER, where="/v1/projects", times=2, status=status))
    assert setup.oidc("--apply").status == 0


def test_a_google_that_stays_away_is_temporary(setup: Setup) -> None:
    setup.google.inject(Fault(kind=Kind.ANSWER, where="/v1/projects", times=1000, status=503))
    ran = setup.oidc("--apply", "--timeout", "2s")
    assert ran.status == 75
    assert "answered 503" in ran.messages


@pytest.mark.parametrize("kind", [Kind.HTML, Kind.WRONG_JSON])
def test_senseless_answers_end_the_run(setup: Setup, kind: Kind) -> None:
    setup.google.inject(Fault(kind=kind, where="POST .*workloadIdentityPools", times=1000))
    ran = setup.oidc("--apply", "--timeout", "3s")
    assert ran.status in (75, 78)
    assert "Traceback" not in ran.err


def test_a_caller_without_the_role_is_told_which(setup: Setup) -> None:
    setup.google.unbind(f"projects/{PROJECT}", ADMIN, setup.member)
    ran = setup.oidc("--apply")
    assert ran.status == 78
    assert f"give the caller {ADMIN} on the project" in ran.messages
    setup.google.bind(f"projects/{PROJECT}", ADMIN, setup.member)
    setup.google.unbind(ACCOUNT, ACCOUNT_ADMIN, setup.member)
    ran = setup.oidc("--apply", "--service-account", ACCOUNT, "--grant-to", WEB)
    assert ran.status == 78
    assert f"give the caller {ACCOUNT_ADMIN} on the service account" in ran.messages


def test_a_missing_service_account_is_named(setup: Setup) -> None:
    ran = setup.oidc(
        "--apply", "--service-account", "none@my-project.iam.gserviceaccount.com", "--grant-to", WEB
    )
    assert ran.status == 78
    assert "serviceAccounts/none@my-project" in ran.messages


@pytest.mark.parametrize("x509", [False, True])
def test_a_policy_of_the_organization_is_named(setup: Setup, x509: bool, tmp_path: Path) -> None:
    setup.google.configure(blocked_issuers=["MTLS", ISSUER.url])
    (tmp_path / "root.pem").write_text(Authority().pem)
    arguments = ("--x509", "--source", f"file:{tmp_path}/root.pem") if x509 else ("--issuer", ISSUER.url)
    ran = setup(*arguments, "--apply")
    assert ran.status == 78
    assert "constraints/iam.workloadIdentityPoolProviders" in ran.messages


def test_an_operation_that_failed_is_told(setup: Setup) -> None:
    setup.google.fail_operations(7, "Permission iam.workloadIdentityPools.create denied", times=1)
    ran = setup.oidc("--apply")
    assert ran.status == 78
    assert "iam.workloadIdentityPools.create" in ran.messages


def test_operations_are_waited_for_and_not_longer_than_the_run(setup: Setup) -> None:
    setup.google.configure(operation_polls=3)
    assert setup.oidc("--apply").status == 0
    setup.google.configure(operation_polls=1000)
    ran = setup.oidc("--apply", "--condition", "assertion.a == 'b'", "--timeout", "3s")
    assert ran.status == 75
    assert "has not finished" in ran.messages


def test_without_credentials_it_says_how_to_get_some(setup: Setup, tmp_path: Path) -> None:
    environment = {**setup.environment, "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "missing.json")}
    ran = invoke(
        "gcp",
        "setup",
        "--provider",
        NAME,
        "--trust-domain",
        "example.org",
        "--issuer",
        ISSUER.url,
        "--compare",
        stdin=None,
        **environment,
    )
    assert ran.status == 78
    assert "gcloud auth application-default login" in ran.messages


@pytest.mark.parametrize(("times", "status"), [(1, 0), (1000, 75)])
def test_a_policy_that_others_change_is_read_again_and_not_for_ever(
    setup: Setup, times: int, status: int
) -> None:
    setup.google.inject(Fault(kind=Kind.ANSWER, where="POST .*:setIamPolicy", times=times, status=409))
    ran = setup.oidc("--apply", "--service-account", ACCOUNT, "--grant-to", WEB)
    assert ran.status == status, ran.err
    assert ((ACCOUNT, USER, MEMBER) in setup.google.bindings()) is (status == 0)
    assert ("look who else changes it" in ran.messages) is (status == 75)
