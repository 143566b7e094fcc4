"""Every command line and every settings file of the documentation is one that the program takes."""

from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from publisher.cli.completion import PROGRAM
from publisher.cli.flags import typed
from publisher.cli.root import root
from publisher.errors import PublisherError
from publisher.settings.check_target import CheckTarget
from publisher.settings.layers import Layers, Reader
from publisher.settings.options import CHECK, PUBLISH, RENDER
from publisher.settings.run import read_run, select
from publisher.settings.settings_file import SettingsFile
from publisher.settings.targets import PublishTarget, RenderTarget, refuse_clashes
from tests.docs.pages import commands, page, pages

_TARGETS = {PUBLISH: PublishTarget.read, RENDER: RenderTarget.read, CHECK: CheckTarget.read}
_SHELL = ("", "sh", "bash", "console", "cron", "crontab", "ini")


def invocations(block: str) -> Iterator[list[str]]:
    """Give the arguments of each call of the program, be it behind `sudo`, cron's fields or `ExecStart=`."""
    known = set(root.commands)
    for words in commands(block):
        for number, word in enumerate(words):
            if word.rpartition("=")[2].rpartition("/")[2] != PROGRAM:
                continue
            follows = words[number + 1 :]
            if number == 0 or (follows and follows[0] in known):
                yield follows
                break


LINES = sorted(
    {
        (document.name, tuple(arguments))
        for document in pages()
        for block in document.blocks(*_SHELL)
        for arguments in invocations(block)
    }
)
TABLES = [(document.name, block) for document in pages() for block in document.blocks("toml")]


def accept(arguments: tuple[str, ...]) -> None:
    """Parse a command line as a run would, settings included; nothing is fetched, read or written.

    Raises:
        click.ClickException: click refuses it.
        PublisherError: the settings refuse it.

    """
    if set(arguments) & {"--help", "--version"}:
        return
    name, *rest = arguments
    command = root.commands[name]
    context = command.make_context(name, list(rest), parent=click.Context(root, info_name=PROGRAM))
    if name not in _TARGETS:
        return
    layers = Layers(command=name, command_line=typed(context.params), environment={})
    read_run(layers)
    if "config" not in layers.command_line:  # else the rest is in a file that is not here
        _TARGETS[name](Reader(layers=layers))


def test_the_documentation_shows_command_lines_of_every_command() -> None:
    shown = {arguments[0] for _, arguments in LINES if arguments}
    assert shown >= set(_TARGETS)
    assert {name for name, _ in LINES} >= {"README.md", "docs/operating.md", "docs/runbook.md"}


@pytest.mark.parametrize(
    ("where", "arguments"), LINES, ids=lambda value: " ".join(value) if isinstance(value, tuple) else value
)
def test_a_command_line_of_the_documentation_is_accepted(where: str, arguments: tuple[str, ...]) -> None:
    accept(arguments)


@pytest.mark.parametrize(
    "line",
    [
        "spire-oidc-publisher publish --sink gs://my-bucket --isuer https://example.org",
        "sudo -u somebody /opt/bin/spire-oidc-publisher publish --force",
        "spire-oidc-publisher publish --sink gs://my-bucket",
        "spire-oidc-publisher check --issuer http://example.org",
        "echo x | spire-oidc-publisher render --source fil:- --issuer https://example.org > keys",
        "spire-oidc-publisher publsh --help-me",
    ],
)
def test_this_test_would_notice_a_wrong_command_line(line: str) -> None:
    (arguments,) = invocations(line)
    with pytest.raises((click.ClickException, PublisherError, KeyError)):
        accept(tuple(arguments))


@pytest.mark.parametrize(("where", "text"), TABLES)
def test_a_settings_file_of_the_documentation_is_accepted(where: str, text: str) -> None:
    SettingsFile.parse(Path(where), text.encode())


def test_the_publications_of_operating_are_complete_and_do_not_clash() -> None:
    (text,) = page("docs/operating.md").blocks("toml")
    file = SettingsFile.parse(Path("publisher.toml"), text.encode())
    selected = select(Layers(command=PUBLISH, command_line={}, environment={}, file=file), PublishTarget.read)
    assert [one.name for one in selected] == ["production", "partner"]
    assert all(isinstance(one.settings, PublishTarget) for one in selected)
    refuse_clashes(selected)
