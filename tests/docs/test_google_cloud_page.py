"""The page of the Google side: its commands are taken, its steps are walked, what it names is there."""

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import click
import pytest

from publisher.cli.completion import PROGRAM
from publisher.cli.flags import typed
from publisher.cli.gcp.group import gcp
from publisher.errors import PublisherError
from publisher.gcp.doctor.walk import JWT_STAGES, X509_STAGES
from publisher.gcp.metadata_server.identities_file import parse_identities
from publisher.settings.gcp import GCP_COMMANDS, GcpReader, gcp_options_of
from publisher.settings.gcp_options.credential_config_settings import CredentialConfigSettings
from publisher.settings.gcp_options.doctor_settings import DoctorSettings
from publisher.settings.gcp_options.metadata_server_settings import MetadataServerSettings
from publisher.settings.gcp_options.svid_files import SvidFilesSettings
from publisher.settings.gcp_options.token import TokenSettings
from publisher.settings.gcp_setup import SetupTarget
from tests.deploy.unit_files import SYSTEMD, command_of, read_unit
from tests.docs.pages import page, pages
from tests.docs.test_commands import invocations
from tests.e2e.google_walk import JWT_STEPS, WORKLOAD, X509_STEPS

PAGE = page("docs/google-cloud.md")
_SHELL = ("", "sh", "bash", "console", "ini", "text")
_READ: Mapping[str, Callable[[GcpReader], object]] = {
    "setup": SetupTarget.read,
    "credential-config": CredentialConfigSettings.read,
    "token": lambda reader: TokenSettings.read(reader, asked=None),
    "svid-files": SvidFilesSettings.read,
    "metadata-server": MetadataServerSettings.read,
    "doctor": DoctorSettings.read,
}
# Where the documentation's reader has installed it; the tests' own program need not be on the PATH.
_INSTALLED = {"SPIRE_OIDC_PUBLISHER_PROGRAM": "/opt/spire-oidc-publisher/bin/spire-oidc-publisher"}
_UNITS = {
    "SPIRE_OIDC_PUBLISHER_PROVIDER": "projects/1/locations/global/workloadIdentityPools/pool/providers/spire",
    "SPIRE_OIDC_PUBLISHER_TRUST_DOMAIN": "example.org",
}


def gcp_lines() -> Iterator[tuple[str, tuple[str, ...]]]:
    for document in pages():
        for block in document.blocks(*_SHELL):
            for words in invocations(block) if PROGRAM in block else ():
                if words[:1] == ["gcp"]:
                    yield document.name, tuple(words[1:])


LINES = sorted(set(gcp_lines()))


def accept(arguments: tuple[str, ...], environment: Mapping[str, str] = _INSTALLED) -> None:
    """Parse a command line as a run would, settings included; nothing is asked, read or written.

    Raises:
        click.ClickException: click refuses it.
        PublisherError: the settings refuse it.
        KeyError: there is no such command.

    """
    name, *rest = arguments
    command = gcp.get_command(click.Context(gcp), name)
    if command is None:
        raise KeyError(name)
    with command.make_context(name, list(rest), parent=click.Context(gcp, info_name=PROGRAM)) as context:
        given = typed(context.params)
    if "credential-config" not in given:  # else the rest is in a file that is not here
        _READ[name](GcpReader(command=name, command_line=given, environment=environment))


def test_the_page_shows_every_command() -> None:
    assert {arguments[0] for name, arguments in LINES if name == PAGE.name} == set(GCP_COMMANDS)


@pytest.mark.parametrize(
    ("where", "arguments"), LINES, ids=lambda value: " ".join(value) if isinstance(value, tuple) else value
)
def test_a_command_line_of_the_documentation_is_accepted(where: str, arguments: tuple[str, ...]) -> None:
    accept(arguments)


@pytest.mark.parametrize(
    "line",
    [
        "gcp setup --provider projects/1/locations/global/workloadIdentityPools/pool/providers/spire",
        "gcp token --audience x --force",
        "gcp svid-files --folder relative --svids jwt,saml --audience x",
        "gcp metadata-server --listen 0.0.0.0:80",
        f"gcp credential-config --way x509 --provider {_UNITS['SPIRE_OIDC_PUBLISHER_PROVIDER']}",
        "gcp docter",
    ],
)
def test_this_test_would_notice_a_wrong_command_line(line: str) -> None:
    ((_, *arguments),) = invocations(f"{PROGRAM} {line}")
    with pytest.raises((click.exceptions.Exit, click.ClickException, PublisherError, KeyError)):
        accept(tuple(arguments))


@pytest.mark.parametrize(
    ("title", "steps"), [("With JWT-SVIDs", JWT_STEPS), ("With X.509-SVIDs", X509_STEPS)]
)
def test_the_steps_of_the_page_are_those_that_the_story_walks(title: str, steps: tuple[str, ...]) -> None:
    section = PAGE.text.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    assert re.findall(r"^### (.+)$", section, re.MULTILINE) == list(steps)


def test_the_program_of_the_page_is_the_one_that_the_story_runs() -> None:
    assert PAGE.text.count(f"python -c '{WORKLOAD}'") == 2


def test_every_stage_of_the_doctor_is_explained() -> None:
    rows = re.findall(
        r"^\| ((?:`[a-z0-9-]+`(?:, )?)+) \|", PAGE.section("When it does not work"), re.MULTILINE
    )
    explained = [stage for row in rows for stage in re.findall(r"`([^`]+)`", row)]
    assert set(explained) == {*JWT_STAGES, *X509_STAGES, "svid-file"}
    assert len(explained) == len(set(explained))


def test_the_identities_of_the_page_are_a_file_that_the_server_takes() -> None:
    (block,) = (block for block in PAGE.blocks("text") if "[[identity]]" in block)
    identities = parse_identities(block.encode(), where="page")
    assert [identity.service_account is None for identity in identities.values()] == [False, True]


def test_the_sidecar_of_the_page_is_started_as_it_should_be() -> None:
    (block,) = PAGE.blocks("yaml")
    (arguments,) = re.findall(r"args: \[gcp, (.+)\]", block)
    accept(tuple(arguments.split(", ")))


def test_every_unit_and_variable_that_the_page_names_is_there() -> None:
    named = {f"{stem}{ending}" for stem, ending in re.findall(r"`([a-z-]+)(\.(?:service|timer))`", PAGE.text)}
    shipped = {path.name for path in SYSTEMD.iterdir() if path.name.startswith("spire-gcp-")}
    assert named == {name for name in shipped if not name.endswith(".timer")} | {
        "spire-gcp-trust-store.timer"
    }
    options = [option for command in GCP_COMMANDS for option in gcp_options_of(command)]
    variables = set(re.findall(r"SPIRE_OIDC_PUBLISHER_[A-Z_]+", PAGE.text))
    assert variables <= {option.variable for option in options}


@pytest.mark.parametrize("unit", sorted(path.name for path in SYSTEMD.glob("spire-gcp-*.service")))
def test_what_a_unit_starts_is_accepted_with_the_variables_that_the_page_has_one_set(unit: str) -> None:
    read = read_unit(SYSTEMD / unit)
    own = dict(each.split("=", 1) for each in read["Service"].get("Environment", []))
    program, group, *arguments = (
        re.sub(r"\$\{(\w+)\}", lambda match: own[match[1]], word) for word in command_of(read)
    )
    assert (Path(program).name, group) == (PROGRAM, "gcp")
    accept(tuple(arguments), {**_INSTALLED, **_UNITS})
