"""What `gcp setup` prints: three spellings of one thing, each held against the program that reads it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from publisher.gcp import gcloud_commands
from tests.cli.running import invoke
from tests.deploy.terraform_provider import provider as serve_provider
from tests.deploy.terraform_workspace import PROGRAM
from tests.gcp.provider_schema import load
from tests.google.issuers import Authority

NAME = "projects/123456789/locations/global/workloadIdentityPools/spire-pool/providers/spire"
POOL = NAME.partition("/providers/")[0]
OIDC = ("--provider", NAME, "--trust-domain", "example.org", "--issuer", "https://issuer.example")
ACCOUNT = "app@my-project.iam.gserviceaccount.com"
GRANTS = ("--service-account", ACCOUNT, "--grant-to", "spiffe://example.org/web,attribute.namespace=prod")
NASTY = "assertion.x != '$(touch pwned)`touch pwned`${a}%{b}\\\\\"!, ;|' && assertion.y != r'\\'"
_MORE = (*OIDC, "--attributes", "/ns/{namespace}/,/env/{stage}", "--longest-spiffe-id", "140", *GRANTS)
FULL = (*_MORE, "--condition", NASTY, "--allowed-audiences", "https://a.example/?x=1;y,$HOME,it's")
GOLDEN = Path(__file__).with_name("golden")

GCLOUD = f"""#!{sys.executable} -IS
import json, os, sys
with open(os.environ["CALLS"], "a") as file:
    print(json.dumps(sys.argv[1:]), file=file)
"""


def setup(*arguments: str) -> str:
    ran = invoke("gcp", "setup", *arguments)
    assert ran.status == 0, ran.err
    return ran.out


def wanted(*arguments: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(setup(*arguments, "--format", "json"))
    return found


def calls_of(script: str, folder: Path) -> list[list[str]]:
    """Run a script with a gcloud of ours, and give the words of each call."""
    gcloud, calls = folder / "gcloud", folder / "calls"
    gcloud.write_text(GCLOUD)
    gcloud.chmod(0o755)
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "CALLS": str(calls), "HOME": "/nowhere"}
    subprocess.run(["/bin/sh"], input=script.encode(), cwd=folder, env=environment, check=True, timeout=60)
    assert not (folder / "pwned").exists()
    return [json.loads(line) for line in calls.read_text().splitlines()]


def listed(text: str) -> list[str]:
    """Take a list of gcloud apart (`gcloud topic escaping`)."""
    if not text.startswith("^"):
        return text.split(",")
    _, delimiter, rest = text.split("^", 2)
    return rest.split(delimiter)


def options(words: list[str]) -> dict[str, str]:
    return dict(word.removeprefix("--").split("=", 1) for word in words if word.startswith("--"))


def body_of(given: Mapping[str, str], folder: Path) -> dict[str, Any]:
    """Say what gcloud would send to the API for these options of `create-oidc` or `create-x509`."""
    body: dict[str, Any] = {
        "description": given["description"],
        "attributeMapping": dict(one.split("=", 1) for one in listed(given["attribute-mapping"])),
        "attributeCondition": given["attribute-condition"],
    }
    if "issuer-uri" in given:
        body["oidc"] = {"issuerUri": given["issuer-uri"]}
        if "allowed-audiences" in given:
            body["oidc"]["allowedAudiences"] = listed(given["allowed-audiences"])
    else:
        body["x509"] = json.loads((folder / given["trust-store-config-path"]).read_text())
    return body


def held_against_gcloud(arguments: tuple[str, ...], folder: Path) -> None:
    document = wanted(*arguments)
    pool, provider, *bindings = calls_of(setup(*arguments), folder)
    kind = "oidc" if "oidc" in document["provider"]["body"] else "x509"
    assert pool[:4] == ["iam", "workload-identity-pools", "create", "spire-pool"]
    assert provider[:5] == ["iam", "workload-identity-pools", "providers", f"create-{kind}", "spire"]
    for words in (pool, provider):
        assert options(words)["project"] == "123456789"
        assert options(words)["location"] == "global"
    assert options(pool)["description"] == document["pool"]["body"]["description"]
    assert options(provider)["workload-identity-pool"] == "spire-pool"
    assert body_of(options(provider), folder) == document["provider"]["body"]
    members = [one["member"] for one in document["members"][1:]] if document["service_account"] else []
    assert [options(words)["member"] for words in bindings] == members
    for words in bindings:
        assert words[:4] == ["iam", "service-accounts", "add-iam-policy-binding", ACCOUNT]
        assert options(words)["role"] == "roles/iam.workloadIdentityUser"


def planned(text: str, folder: Path) -> dict[str, dict[str, Any]]:
    """Let Terraform itself format, validate and plan it; give the values by type."""
    assert PROGRAM
    (folder / "main.tf").write_text(text)
    with serve_provider(load()) as environment:

        def terraform(*words: str) -> str:
            done = subprocess.run(
                [PROGRAM, *words],
                cwd=folder,
                env=environment,
                capture_output=True,
                text=True,
                timeout=120,
                check=False,
            )
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        terraform("fmt", "-check", "-diff")
        terraform("init", "-backend=false", "-input=false", "-no-color")
        terraform("validate", "-no-color")
        terraform("plan", "-input=false", "-no-color", "-out=it.tfplan")
        shown = json.loads(terraform("show", "-json", "it.tfplan"))
    resources = shown["planned_values"]["root_module"]["resources"]
    return {one["address"]: one["values"] for one in resources}


def held_against_terraform(arguments: tuple[str, ...], folder: Path) -> None:
    document = wanted(*arguments)
    values = planned(setup(*arguments, "--format", "terraform"), folder)
    body = document["provider"]["body"]
    made = values["google_iam_workload_identity_pool_provider.spiffe"]
    assert values["google_iam_workload_identity_pool.spiffe"]["workload_identity_pool_id"] == "spire-pool"
    assert (made["project"], made["workload_identity_pool_id"]) == ("123456789", "spire-pool")
    assert made["workload_identity_pool_provider_id"] == "spire"
    assert made["attribute_mapping"] == body["attributeMapping"]
    assert made["attribute_condition"] == body["attributeCondition"]
    if "oidc" in body:
        [oidc] = made["oidc"]
        assert oidc["issuer_uri"] == body["oidc"]["issuerUri"]
        assert oidc["allowed_audiences"] == body["oidc"].get("allowedAudiences")
    else:
        [store] = made["x509"][0]["trust_store"]
        for mine, theirs in (("trust_anchors", "trustAnchors"), ("intermediate_cas", "intermediateCas")):
            pems = [one["pem_certificate"] for one in store[mine]]
            assert pems == [one["pemCertificate"] for one in body["x509"]["trustStore"].get(theirs, [])]
    members = [made for address, made in values.items() if "google_service_account_iam_member" in address]
    assert {one["member"] for one in members} == (
        {one["member"] for one in document["members"][1:]} if document["service_account"] else set()
    )
    for one in members:
        assert one["service_account_id"] == f"projects/my-project/serviceAccounts/{ACCOUNT}"


@pytest.fixture
def x509(tmp_path: Path) -> tuple[str, ...]:
    (tmp_path / "roots.pem").write_text(Authority(name='${a} %{b} "c"').pem + Authority(name="two").pem)
    (tmp_path / "between.pem").write_text(Authority(name="between", issuer=Authority()).pem)
    files = ("--source", f"file:{tmp_path}/roots.pem", "--intermediates", f"{tmp_path}/between.pem")
    return ("--provider", NAME, "--trust-domain", "example.org", "--x509", *files)


@pytest.mark.parametrize("arguments", [OIDC, FULL], ids=["least", "full"])
def test_the_script_says_to_gcloud_what_the_json_says(arguments: tuple[str, ...], tmp_path: Path) -> None:
    held_against_gcloud(arguments, tmp_path)


def test_the_script_writes_the_trust_store(x509: tuple[str, ...], tmp_path: Path) -> None:
    held_against_gcloud(x509, tmp_path)
    assert len(wanted(*x509)["provider"]["body"]["x509"]["trustStore"]["trustAnchors"]) == 2


@pytest.mark.skipif(PROGRAM is None, reason="no terraform on the PATH")
@pytest.mark.parametrize("arguments", [OIDC, FULL], ids=["least", "full"])
def test_terraform_plans_what_the_json_says(arguments: tuple[str, ...], tmp_path: Path) -> None:
    held_against_terraform(arguments, tmp_path)


@pytest.mark.skipif(PROGRAM is None, reason="no terraform on the PATH")
def test_terraform_plans_the_trust_store(x509: tuple[str, ...], tmp_path: Path) -> None:
    (tmp_path / "it").mkdir()
    held_against_terraform(x509, tmp_path / "it")


@pytest.mark.parametrize("form", ["gcloud", "terraform", "json"])
def test_the_whole_text(form: str) -> None:
    assert setup(*FULL, "--format", form) == (GOLDEN / f"setup.{form}").read_text()


def test_the_trust_store_is_kept_in_a_file_and_its_difference_shown(tmp_path: Path) -> None:
    old, new = Authority(name="old"), Authority(name="new")
    roots, store = tmp_path / "roots.pem", tmp_path / "store.yaml"
    files = ("--source", f"file:{roots}", "--trust-store", str(store))
    arguments = ("--provider", NAME, "--trust-domain", "example.org", "--x509", *files)
    roots.write_text(old.pem)
    first = setup(*arguments)
    assert "#   + anchor 'CN=old'" in first
    assert f"--trust-store-config-path={store}" in first
    assert "cat >" not in first
    assert "anchor" not in setup(*arguments)
    roots.write_text(old.pem + new.pem)
    assert "#   + anchor 'CN=new'" in setup(*arguments)
    roots.write_text(new.pem)
    document = json.loads(setup(*arguments, "--format", "json"))
    [gone] = document["trust_store_file"]
    assert gone.startswith("- anchor 'CN=old'")
    assert json.loads(store.read_text()) == document["provider"]["body"]["x509"]


def test_a_self_signed_root_of_a_month_is_no_trust_anchor_to_renew_by_hand(x509: tuple[str, ...]) -> None:
    found = {one["code"] for one in wanted(*x509)["findings"]}
    assert "GCP102" not in found  # 15 days less 5
    slow = {one["code"] for one in wanted(*x509, "--setup-every", "30d")["findings"]}
    assert "GCP102" in slow
    assert "UpstreamAuthority" in setup(*x509, "--setup-every", "30d")


@pytest.mark.parametrize("values", [["a"], ["a", "b;c"], ["a,b", "c;d"], ["^x"], ["a,;|#~b", "c"]])
def test_a_list_of_gcloud_is_taken_apart_as_it_was_put_together(values: list[str]) -> None:
    assert listed(gcloud_commands.listed(values)) == values


def test_findings_are_in_every_form() -> None:
    codes = [one["code"] for one in wanted(*OIDC)["findings"]]
    assert codes == ["GCP101"]
    assert [one["code"] for one in wanted(*FULL)["findings"]] == ["GCP105", "GCP104"]
    for form in ("gcloud", "terraform"):
        assert "# warning: subjects lack spiffe://example.org/" in setup(*FULL, "--format", form)
