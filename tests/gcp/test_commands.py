"""The group `gcp`: every command's help, light until a command is called, and its settings."""

import json
import re
import subprocess
import sys
from typing import Any

import pytest

from publisher.cli.gcp.group import SHORT_HELP
from publisher.errors import ExitStatus
from publisher.settings.gcp import GCP_COMMANDS, gcp_options_of
from publisher.settings.option import Kind
from tests.cli.running import LIMIT, ROOT, clean, invoke
from tests.cli.test_help import HEAVY
from tests.gcp.options_table import page

NAME = "projects/123456789/locations/global/workloadIdentityPools/spire-pool/providers/spire"
OIDC = {"provider": NAME, "trust-domain": "example.org", "issuer": "https://issuer.example"}


def setup(**values: str | None) -> Any:
    words = [f"--{name}={value}" for name, value in (OIDC | values).items() if value is not None]
    return invoke("gcp", "setup", *words)


def test_the_group_knows_each_command() -> None:
    assert tuple(SHORT_HELP) == GCP_COMMANDS
    shown = invoke("gcp", "--help").out
    for name in GCP_COMMANDS:
        assert re.search(rf"^  {name} ", shown, re.MULTILINE)


@pytest.mark.parametrize("command", GCP_COMMANDS)
def test_every_option_is_in_its_help(command: str) -> None:
    ran = invoke("gcp", command, "--help")
    assert ran.status == 0
    assert max(len(line) for line in ran.out.splitlines()) <= 110
    known = {option.name for option in gcp_options_of(command)}
    shown = set(re.findall(r"^  (?:-\w, )?--([a-z0-9-]+)", ran.out, re.MULTILINE)) - {"help"}
    assert shown == known
    for option in gcp_options_of(command):
        assert option.metavar or option.kind in (Kind.FLAG, Kind.PAIR, Kind.CHOICE)
        assert option.default is not None or option.absent or option.required_by


@pytest.mark.parametrize("arguments", [["-h"], *[[name, "-h"] for name in GCP_COMMANDS]])
def test_help_loads_nothing_of_weight(arguments: list[str]) -> None:
    script = (
        "import sys, json, contextlib, io\nbefore = set(sys.modules)\nfrom publisher.cli import main\n"
        f"sys.argv = ['spire-oidc-publisher', 'gcp', *{arguments!r}]\n"
        "try:\n  with contextlib.redirect_stdout(io.StringIO()): main()\n"
        "except SystemExit as end: assert not end.code, end\n"
        "print(json.dumps(sorted(set(sys.modules) - before)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=clean({}),
        capture_output=True,
        timeout=LIMIT,
        check=True,
    )
    assert [name for name in json.loads(done.stdout) if name in HEAVY] == []


def test_the_group_imports_no_command_for_its_own_help() -> None:
    script = (
        "import sys\nfrom publisher.cli.root import root\n"
        "root.main(['gcp', '--help'], standalone_mode=False)\n"
        "assert not [name for name in sys.modules if name.startswith('publisher.settings.gcp')]\n"
    )
    subprocess.run(
        [sys.executable, "-c", script],
        cwd=ROOT,
        env=clean({}),
        capture_output=True,
        timeout=LIMIT,
        check=True,
    )


def test_an_unknown_command_is_refused() -> None:
    ran = invoke("gcp", "destroy")
    assert ran.status == 2


def test_the_reference_is_the_option_tables() -> None:
    reference = (ROOT / "docs/google-cloud-options.md").read_text()
    assert reference == page(), "renew it: python -m tests.gcp.options_table > docs/google-cloud-options.md"


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"provider": "x"}, "--provider: provider 'x' is no provider's name"),
        ({"provider": None}, "--provider: is required"),
        ({"issuer": None}, "--issuer: is required"),
        ({"issuer": "http://x"}, "--issuer: issuer 'http://x' must be https"),
        ({"trust-domain": "Example.org"}, "--trust-domain: trust domain 'Example.org' must be"),
        ({"path-prefix": "/ns"}, "--path-prefix: path '/ns' is no beginning"),
        ({"longest-spiffe-id": "x"}, "--longest-spiffe-id: is not a whole number from 22 to 2048"),
        ({"longest-spiffe-id": "2049"}, "--longest-spiffe-id: is not a whole number"),
        ({"longest-spiffe-id": "149"}, "--longest-spiffe-id: SPIFFE IDs of 149 bytes do not fit"),
        ({"grant-to": "spiffe://example.org/" + "x" * 128}, "--grant-to: SPIFFE IDs of 149 bytes do not fit"),
        (
            {"grant-to": "spiffe://other.example/x"},
            "--grant-to: SPIFFE ID 'spiffe://other.example/x' is none below",
        ),
        ({"grant-to": "web"}, "--grant-to: grantee 'web' is neither"),
        ({"attributes": "/ns/{Bad}/"}, "--attributes: attribute '/ns/{Bad}/' is no template"),
        ({"attributes": "/a/{x},/b/{x}"}, "--attributes: attributes name one attribute twice"),
        ({"attributes": ",".join(f"/a/{{x{n}}}" for n in range(50))}, "--attributes: are more than 49"),
        ({"condition": "true) || (true"}, "--condition: condition 'true) || (true' closes a bracket"),
        ({"condition": "x" * 4096}, "--condition: attribute condition has"),
        ({"allowed-audiences": ",".join("abcdefghijk")}, "--allowed-audiences: are more than 10"),
        ({"allowed-audiences": "x" * 257}, "--allowed-audiences: has 'xxx"),
        ({"service-account": "app"}, "--service-account: 'app' is no e-mail address"),
        (
            {"service-account": "app@p.iam.gserviceaccount.com"},
            "--grant-to: is required with --service-account",
        ),
        ({"source": "workload-api:"}, "--source: belongs to --x509 alone"),
        ({"trust-store": "x"}, "--trust-store: belongs to --x509 alone"),
        ({"timeout": "2h"}, "--timeout: '2h' is out of bounds"),
    ],
)
def test_a_bad_value_is_refused_with_its_option(values: dict[str, str | None], said: str) -> None:
    ran = setup(**values)
    assert ran.status == ExitStatus.USAGE
    assert said in ran.messages
    assert ran.out == ""


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--x509", "--issuer", "https://x.example"), "--issuer: belongs to a provider for JWT-SVIDs alone"),
        (("--x509", "--source", "fil:x"), "--source: 'fil:x' is not a source"),
        (("--x509", "--ca-file", "/nonexistent"), "--ca-file: '/nonexistent' is not a file"),
        (
            ("--issuer", "https://x.example", "--apply", "--compare"),
            "--compare: and --apply exclude each other",
        ),
    ],
)
def test_what_does_not_go_together_is_refused(words: tuple[str, ...], said: str) -> None:
    ran = invoke("gcp", "setup", "--provider", NAME, "--trust-domain", "example.org", *words)
    assert ran.status == ExitStatus.USAGE
    assert said in ran.messages


def test_the_environment_counts_and_is_blamed() -> None:
    variables = {
        "SPIRE_OIDC_PUBLISHER_PROVIDER": NAME,
        "SPIRE_OIDC_PUBLISHER_TRUST_DOMAIN": "example.org",
        "SPIRE_OIDC_PUBLISHER_ISSUER": "https://issuer.example",
        "SPIRE_OIDC_PUBLISHER_FORMAT": "json",
    }
    ran = invoke("gcp", "setup", stdin=None, **variables)
    assert ran.status == 0, ran.err
    assert ran.json["provider"]["name"] == NAME
    ran = invoke("gcp", "setup", stdin=None, **variables | {"SPIRE_OIDC_PUBLISHER_PROVIDER": "x"})
    assert ran.status == ExitStatus.SETTINGS
    assert "SPIRE_OIDC_PUBLISHER_PROVIDER: provider 'x' is no provider's name" in ran.messages
    ran = invoke("gcp", "setup", stdin=None, **variables | {"SPIRE_OIDC_PUBLISHER_APPLY": "true"})
    assert ran.json["applied"] is False  # the command line alone makes it write


def test_a_wrong_socket_variable_is_the_environments_fault() -> None:
    words = ("gcp", "setup", "--provider", NAME, "--trust-domain", "example.org", "--x509")
    ran = invoke(*words, SPIFFE_ENDPOINT_SOCKET="nonsense")
    assert ran.status == ExitStatus.SETTINGS
    assert "SPIFFE_ENDPOINT_SOCKET" in ran.messages
