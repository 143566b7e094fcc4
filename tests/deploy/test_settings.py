"""The example settings, the units and the crontab against the program's own option table and parser."""

import itertools
import re
import shlex
from collections.abc import Mapping
from pathlib import Path

import pytest

from publisher.errors import SettingsError
from publisher.publication.document_set import PublicationSettings
from publisher.settings.check_target import CheckTarget
from publisher.settings.gcp import GCP_COMMANDS, gcp_options_of
from publisher.settings.layers import Layers
from publisher.settings.options import CHECK, COMMANDS, PUBLISH, WATCH, Kind, Option, Scope, options_of
from publisher.settings.run import RunSettings, read_file, read_run, select
from publisher.settings.targets import PublishTarget, refuse_clashes
from tests.deploy.unit_files import (
    EXAMPLE,
    PROGRAM,
    SETTINGS,
    SYSTEMD,
    command_of,
    crontab_lines,
    read_unit,
    seconds,
    unit_names,
)

STATE = Path("/var/lib/spire-oidc-publisher")


def layers(command: str, file: Path = EXAMPLE, typed: Mapping[str, object] | None = None) -> Layers:
    command_line = {"config": str(file), **(typed or {})}
    without = Layers(command=command, command_line=command_line, environment={})
    return Layers(command=command, command_line=command_line, environment={}, file=read_file(without))


def targets(file: Path = EXAMPLE) -> dict[str | None, PublishTarget]:
    selected = select(layers(PUBLISH, file), PublishTarget.read)
    refuse_clashes(selected)
    assert all(isinstance(one.settings, PublishTarget) for one in selected), selected
    return {one.name: one.settings for one in selected if isinstance(one.settings, PublishTarget)}


def parse_words(words: list[str]) -> tuple[str, dict[str, object]]:
    """Read a command line by the option table; an option that is not there is a failed test."""
    command, *rest = words
    assert command in COMMANDS
    known: dict[str, Option] = {option.flag: option for option in options_of(command)}
    typed: dict[str, object] = {}
    while rest:
        option = known[rest.pop(0)]
        typed[option.name] = "true" if option.kind in (Kind.FLAG, Kind.PAIR) else rest.pop(0)
    return command, typed


def commands_of_cron() -> list[str]:
    found = [
        re.findall(rf"{re.escape(PROGRAM)} ([^|)>]*?)(?= 2>&1)", line.command) for line in crontab_lines()
    ]
    return list(itertools.chain.from_iterable(found))


SHIPPED = {
    **{
        name: command_of(read_unit(SYSTEMD / name))[1:]
        for name in unit_names(".service")
        if command_of(read_unit(SYSTEMD / name))[0] == PROGRAM
        and command_of(read_unit(SYSTEMD / name))[1] != "gcp"
    },
    **{f"cron {number}": shlex.split(text) for number, text in enumerate(commands_of_cron(), 1)},
}


GCP = {
    name: words[2:]
    for name in unit_names(".service")
    if (words := command_of(read_unit(SYSTEMD / name)))[:2] == [PROGRAM, "gcp"]
}
"""The units of the Google side: the command and its words. They have no settings file."""


@pytest.mark.parametrize("name", GCP)
def test_a_shipped_gcp_command_has_only_options_that_there_are(name: str) -> None:
    command, *rest = GCP[name]
    assert command in GCP_COMMANDS
    flags = {option.flag for option in gcp_options_of(command)}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= flags


def test_units_and_crontab_both_publish_and_check() -> None:
    found = sorted((name.split()[0] == "cron", words[0]) for name, words in SHIPPED.items())
    assert found == [(False, CHECK), (False, PUBLISH), (False, WATCH), (True, CHECK), (True, PUBLISH)]


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_command_is_one_that_the_program_takes(name: str) -> None:
    command, typed = parse_words(SHIPPED[name])
    assert typed["config"] == SETTINGS
    run = read_run(layers(command, EXAMPLE, {**typed, "config": str(EXAMPLE)}))
    assert isinstance(run, RunSettings)
    assert run.timeout == seconds(str(typed["timeout"]))
    assert run.require_manifest == (command == CHECK)
    # An override is for one run that a person watches; a publication's option would break a file of several.
    scopes = {option.scope for option in options_of(command) if option.name in typed}
    assert scopes <= {Scope.RUN, Scope.CALL}


def test_the_example_holds_two_publications_that_may_run_side_by_side() -> None:
    found = targets()
    assert list(found) == ["production", "partner"]
    assert [str(target.sink) for target in found.values()] == [
        "gs://example-org-oidc",
        "gs://partner-example-oidc",
    ]
    assert found["production"].documents.issuer.url == "https://storage.googleapis.com/example-org-oidc"
    assert found["partner"].documents.issuer.url == found["partner"].bucket_url
    assert all(target.verify_url and target.trust_domain for target in found.values())


def test_each_publication_of_the_example_remembers_below_the_state_directory_of_the_unit() -> None:
    for name in ("spire-oidc-publisher.service", "spire-oidc-publisher-watch.service"):
        (directory,) = read_unit(SYSTEMD / name)["Service"]["StateDirectory"]
        assert Path("/var/lib", directory) == STATE
    files = [target.state_file for target in targets().values()]
    assert [file and file.parent for file in files] == [STATE, STATE]
    assert len(set(files)) == len(files)


def test_the_metrics_file_of_the_example_is_where_the_unit_may_write_and_the_node_exporter_reads() -> None:
    for command in (PUBLISH, WATCH, CHECK):
        run = read_run(layers(command))
        file = STATE / "spire-oidc-publisher.prom"
        assert run.metrics_file == (None if command == CHECK else file)


def test_the_example_repeats_the_defaults_that_it_explains() -> None:
    documents = targets()["production"].documents
    assert documents == PublicationSettings(
        issuer=documents.issuer, authorization_endpoint=documents.authorization_endpoint
    )


def test_the_check_reads_the_same_file_and_is_run_before_a_publication_is_due() -> None:
    selected = select(layers(CHECK), CheckTarget.read)
    issuers = [one.settings.issuer.url for one in selected if isinstance(one.settings, CheckTarget)]
    assert issuers == [target.documents.issuer.url for target in targets().values()]
    (calendar,) = read_unit(SYSTEMD / "spire-oidc-publisher-check.timer")["Timer"]["OnCalendar"]
    minutes = int(calendar.partition("0/")[2].partition(":")[0])
    assert minutes * 60 < min(target.documents.due_after.total_seconds() for target in targets().values())


def test_a_misspelt_member_of_the_example_is_named_with_its_line(tmp_path: Path) -> None:
    file = tmp_path / "publisher.toml"
    text = EXAMPLE.read_text().replace("state_file", "statefile", 1)
    line = text[: text.index("statefile")].count("\n") + 1
    file.write_text(text)
    with pytest.raises(SettingsError, match=rf"line {line}: unknown member .*statefile.*state_file"):
        targets(file)
