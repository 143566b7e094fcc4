"""What a person reads before the first run."""

import json
import re
import subprocess
import sys

import pytest

from publisher import __version__
from publisher.settings.options import COMMANDS, OPTIONS, Kind, Scope, options_of
from tests.cli.running import LIMIT, ROOT, clean, execute, invoke
from tests.cli.settings_table import BEGIN, END, table

HEAVY = (
    "google.auth",
    "google.cloud.storage",
    "google.protobuf",
    "grpc",
    "spiffe",
    "jwcrypto",
    "cryptography",
    "urllib3",
    "requests",
    "tomllib",
    "logging",
)


def test_the_reference_is_the_option_table() -> None:
    reference = (ROOT / "docs/settings.md").read_text()
    assert reference[reference.index(BEGIN) + len(BEGIN) : reference.index(END)].strip() == table().strip(), (
        "renew it: python -m tests.cli.settings_table"
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_option_is_in_its_help(command: str) -> None:
    shown = invoke(command, "--help").out
    for option in OPTIONS:
        assert (re.search(rf"{option.flag}(?![a-z-])", shown) is not None) is (command in option.commands)


@pytest.mark.parametrize(
    ("command", "policies"),
    [
        ("publish", ["Refused", "Repaired", "--accept-disjoint-keys", "command line only", "65", "75", "78"]),
        ("publish", ["--dry-run writes nothing", "cannot know", "missing permission to create or delete"]),
        (
            "render",
            ["Refused", "without any sink", "0 printed", "65", "75 temporary", "source unreachable", "78"],
        ),
        ("check", ["Nothing is written or repaired", "--fail-on", "1 at least one"]),
        ("completion", ["bash", "zsh", "fish"]),
    ],
)
def test_help_states_the_policy(command: str, policies: list[str]) -> None:
    ran = invoke(command, "--help")
    assert ran.status == 0
    for policy in policies:
        assert policy in " ".join(ran.out.split()), policy
    assert max(len(line) for line in ran.out.splitlines()) <= 110


def test_no_command_claims_another_ones_exit_statuses() -> None:
    assert "sink" not in invoke("render", "--help").out.partition("Exit status:")[2]
    assert "65" not in invoke("check", "--help").out


@pytest.mark.parametrize("arguments", [["--help"], ["--version"], *[[name, "-h"] for name in COMMANDS]])
def test_help_loads_nothing_of_weight(arguments: list[str]) -> None:
    script = (
        "import sys, json, contextlib, io\nbefore = set(sys.modules)  # what .pth files and coverage load\n"
        "from publisher.cli import main\n"
        f"sys.argv = ['spire-oidc-publisher', *{arguments!r}]\n"
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
    loaded = set(json.loads(done.stdout))
    assert "click" in loaded
    assert loaded.isdisjoint(HEAVY)


def test_version() -> None:
    ran = execute("--version")
    assert (ran.status, ran.out) == (0, f"spire-oidc-publisher, version {__version__}\n")


def test_without_a_command_it_says_which_there_are() -> None:
    ran = execute()
    assert ran.status == 2
    for name in (*COMMANDS, "completion"):
        assert name in ran.err


@pytest.mark.parametrize(
    ("shell", "word"), [("bash", "complete "), ("zsh", "compdef"), ("fish", "complete ")]
)
def test_completion(shell: str, word: str) -> None:
    ran = execute("completion", shell)
    assert ran.status == 0
    assert word in ran.out
    assert "_SPIRE_OIDC_PUBLISHER_COMPLETE" in ran.out


def test_the_completion_script_is_answered() -> None:
    ran = execute(
        _SPIRE_OIDC_PUBLISHER_COMPLETE="bash_complete",
        COMP_WORDS="spire-oidc-publisher publish --acc",
        COMP_CWORD="2",
    )
    assert ran.out.split() == ["plain,--accept-disjoint-keys", "plain,--accept-lower-sequence"]


def test_the_table_has_no_two_readings() -> None:
    assert len({option.name for option in OPTIONS}) == len(OPTIONS)
    for option in OPTIONS:
        assert option.metavar or option.kind in (Kind.FLAG, Kind.PAIR, Kind.CHOICE)
        assert option.default is not None or option.absent or option.required_by
        assert option.scope is not Scope.OVERRIDE or option.name.startswith("accept-")
    assert [option.name for option in options_of("check")][:2] == ["issuer", "ca-file"]
