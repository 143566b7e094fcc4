"""The settings of `watch`: typed, bounded, and at odds with nothing."""

from pathlib import Path

import pytest

from publisher.errors import SettingsError, UsageError
from publisher.settings.addresses import parse_loopback
from publisher.settings.layers import Layers, Reader
from publisher.settings.run import RunSettings, read_run
from publisher.settings.settings_file import SettingsFile
from publisher.settings.targets import PublishTarget
from publisher.settings.values import BadValueError
from publisher.settings.watch_target import read_watch_target

NEEDED = {"issuer": "https://a.example", "sink": "/srv/a"}


def layers(toml: str = "", **typed: str) -> Layers:
    return Layers(
        command="watch",
        command_line={name.replace("_", "-"): value for name, value in typed.items()},
        environment={},
        file=SettingsFile.parse(Path("p.toml"), toml.encode()),
    )


def run(toml: str = "", **typed: str) -> RunSettings:
    return read_run(layers(toml, **typed))


def target(toml: str = "", **typed: str) -> PublishTarget:
    return read_watch_target(Reader(layers=layers(toml, **NEEDED, **typed)))


def test_defaults() -> None:
    read = run()
    assert (read.confirm_every, read.poll_every) == (300, 5)
    assert (read.shortest_refresh, read.longest_refresh) == (10, 300)
    assert (read.metrics_file, read.metrics_listen) == (None, None)
    overrides = target().overrides
    assert not overrides.accept_disjoint_keys
    assert not overrides.accept_lower_sequence


def test_values() -> None:
    read = run(
        'metrics_file = "/var/lib/m.prom"\npoll_every = "7s"', confirm_every="1m", metrics_listen="[::1]:80"
    )
    assert (read.confirm_every, read.poll_every) == (60, 7)
    assert (read.metrics_file, read.metrics_listen) == (Path("/var/lib/m.prom"), ("::1", 80))


@pytest.mark.parametrize(
    ("toml", "typed", "place"),
    [
        ('shortest_refresh = "10m"', {}, "'p.toml' line 1: shortest_refresh"),
        ('shortest_refresh = "10m"', {"longest_refresh": "9m"}, "--longest-refresh"),
        ("", {"longest_refresh": "9s"}, "--longest-refresh"),
    ],
)
def test_whoever_crossed_the_bounds_last_is_told(toml: str, typed: dict[str, str], place: str) -> None:
    with pytest.raises((SettingsError, UsageError)) as caught:
        run(toml, **typed)
    assert caught.value.where == place


@pytest.mark.parametrize(
    ("toml", "typed", "place"),
    [
        ('confirm_every = "1h"', {}, "'p.toml' line 1: confirm_every"),
        ('confirm_every = "10m"', {"due_after": "10m"}, "--due-after"),
        ("", {"due_after": "5s", "stale_after": "6s"}, "--due-after"),
    ],
)
def test_it_confirms_before_it_is_due(toml: str, typed: dict[str, str], place: str) -> None:
    with pytest.raises((SettingsError, UsageError)) as caught:
        target(toml, **typed)
    assert caught.value.where == place
    assert target('confirm_every = "14m"').documents.due_after.total_seconds() == 900


def test_standard_input_is_no_source_of_a_service() -> None:
    with pytest.raises(UsageError, match="can be read once only"):
        target(source="file:-")


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("127.0.0.1:9464", ("127.0.0.1", 9464)),
        ("127.8.0.1:1", ("127.8.0.1", 1)),
        ("[::1]:65535", ("::1", 65535)),
    ],
)
def test_loopback_addresses(text: str, address: tuple[str, int]) -> None:
    assert parse_loopback(text) == address


@pytest.mark.parametrize(
    "text",
    ["", "9464", ":9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:65536", "127.0.0.1:-1",
     "127.0.0.1:+80", "127.0.0.1:八", "localhost:9464", "0.0.0.0:9464", "[::]:9464", "::1:9464",
     "10.0.0.1:80", "[127.0.0.1]:80", "[::1]", "[::1:80", "127.0.0.1:80:80"],
)  # fmt: skip
def test_what_is_no_loopback_address(text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        parse_loopback(text)
    assert "127.0.0.1:9464" in caught.value.remedy
