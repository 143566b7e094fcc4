"""A command line that click refuses is told like every other error, in the log and as JSON."""

import pytest

from tests.cli.running import execute
from tests.cli.test_output import fits

USAGE = [
    (["publish", "--nonsense", "--output", "json"], "publish", "No such option '--nonsense'"),
    (["check", "--output=json", "--fail-on", "never"], "check", "'never' is not one of"),
    (["render", "--output", "text", "now", "--output", "json"], "render", "now"),
]


@pytest.mark.parametrize(("arguments", "command", "said"), USAGE)
def test_json_has_where_what_and_remedy(arguments: list[str], command: str, said: str) -> None:
    ran = execute(*arguments)
    assert ran.status == 2
    document = fits(command, ran)
    (entry,) = ran.log
    assert document["command"] == command
    assert document["error"]["where"] == "command line"
    assert said in document["error"]["what"]
    assert not document["error"]["what"].endswith(".")
    assert document["error"]["remedy"] == f"see: spire-oidc-publisher {command} --help"
    assert {name: entry[name] for name in document["error"]} == document["error"]


def test_the_environment_asks_for_json_too_and_is_the_weaker() -> None:
    assert execute("publish", "--nonsense", SPIRE_OIDC_PUBLISHER_OUTPUT="json").json["exit_status"] == 2
    assert execute("publish", "--nonsense", "--output", "text", SPIRE_OIDC_PUBLISHER_OUTPUT="json").out == ""
    assert execute("publish", "--nonsense").out == ""


def test_no_command_and_none_of_ours() -> None:
    unknown = execute("publsh", "--output", "json")
    assert unknown.json["command"] is None
    assert "publsh" in unknown.json["error"]["what"]
    assert execute("completion", "tcsh", SPIRE_OIDC_PUBLISHER_OUTPUT="json").out == ""


def test_what_is_typed_cannot_leave_its_line() -> None:
    ran = execute("publish", "--no\x1b[2J\nERROR" + "x" * 5000, "--output", "json")
    assert ran.json["error"]["what"].isprintable()
    assert len(ran.json["error"]["what"]) < 500
