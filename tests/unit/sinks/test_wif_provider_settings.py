"""A provider as an operator names it, and what else must be set beside it."""

from collections.abc import Mapping
from pathlib import Path

import pytest

from publisher.errors import ExitStatus, PublisherError, SettingsError
from publisher.settings.addresses import DirectoryAddress, ProviderAddress, parse_publish_sink, parse_sink
from publisher.settings.layers import Layers
from publisher.settings.run import select
from publisher.settings.settings_file import SettingsFile
from publisher.settings.targets import PublishTarget, refuse_clashes
from publisher.settings.values import BadValueError

NAME = "projects/123/locations/global/workloadIdentityPools/spire-pool/providers/spire"
SINK = f"wif-provider:{NAME}"
NEEDED = {"issuer": "https://a.example", "sink": SINK}


def read(command_line: Mapping[str, object], toml: str | None = None) -> PublishTarget:
    file = None if toml is None else SettingsFile.parse(Path("p.toml"), toml.encode())
    given = Layers(command="publish", command_line=command_line, environment={}, file=file)
    selected = select(given, PublishTarget.read)
    refuse_clashes(selected)
    settings = selected[0].settings
    assert isinstance(settings, PublishTarget)
    return settings


@pytest.mark.parametrize("before", ["", "//iam.googleapis.com/", "https://iam.googleapis.com/"])
def test_a_provider_has_one_spelling(before: str) -> None:
    address = parse_publish_sink(f"wif-provider:{before}{NAME}")
    assert address == ProviderAddress(name=NAME)
    assert address.identity == address.uri == str(address) == SINK


@pytest.mark.parametrize(
    ("text", "what", "remedy"),
    [
        ("wif-provider:", "is no provider's name", "write projects/NUMBER/"),
        (f"wif-provider:{NAME}/x", "is no provider's name", "write projects/NUMBER/"),
        (SINK.replace("123", "my-project"), "is not the number of a project", "gcloud projects describe"),
        (SINK.replace("spire-pool", "gcp-pool"), "'gcp-pool' is no id", "not beginning with gcp-"),
        ("wif:x", "is no kind of sink", "wif-provider:projects/"),
    ],
)
def test_a_bad_name_says_which_part_is_bad(text: str, what: str, remedy: str) -> None:
    with pytest.raises(BadValueError) as caught:
        parse_publish_sink(text)
    assert what in caught.value.what
    assert remedy in caught.value.remedy


def test_other_sinks_are_what_they_were() -> None:
    assert parse_publish_sink("directory:x") == DirectoryAddress(path="x")


def test_nothing_can_be_served_from_a_provider() -> None:
    with pytest.raises(BadValueError, match="is no kind of sink"):
        parse_sink(SINK)


def test_keys_alone_are_published_and_no_url_is_read() -> None:
    target = read(NEEDED | {"state-file": "s.json"})
    assert (target.documents.uploaded, target.verify_url) == (True, False)
    other = read(NEEDED | {"sink": "/srv/a"})
    assert (other.documents.uploaded, other.verify_url) == (False, True)


def test_the_state_file_is_required() -> None:
    with pytest.raises(PublisherError, match=r"--sink: has no place for a manifest.*--state-file") as typed:
        read(NEEDED)
    assert typed.value.exit_status is ExitStatus.USAGE
    with pytest.raises(SettingsError, match=r"line 2: sink: has no place for a manifest"):
        read({}, f'issuer = "https://a.example"\nsink = "{SINK}"\n')


@pytest.mark.parametrize("other", ["s.json", "s.json.planned", "s.json.planned/../s.json.planned"])
def test_two_publications_share_neither_of_the_two_files(other: str) -> None:
    second = f'name = "b"\nsink = "/srv/b"\nstate_file = "{other}"'
    toml = (
        'issuer = "https://a.example"\n'
        f'[[publication]]\nname = "a"\nsink = "{SINK}"\nstate_file = "s.json"\n[[publication]]\n{second}\n'
    )
    with pytest.raises(SettingsError, match="same state file"):
        read({}, toml)


def test_two_publications_share_no_provider() -> None:
    tables = "".join(
        f'[[publication]]\nname = "{name}"\nsink = "{SINK}"\nstate_file = "{name}"\n' for name in "ab"
    )
    with pytest.raises(SettingsError, match="same sink wif-provider:"):
        read({}, f'issuer = "https://a.example"\n{tables}')
