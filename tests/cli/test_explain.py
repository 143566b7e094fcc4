"""`explain` needs neither SPIRE nor a sink, and takes the settings of whoever publishes."""

import json
import os
import stat
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from tests.cli.running import ISSUER, ROOT, Place, Ran, execute, invoke

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/schema/explain-output.json").read_text())

SEVERAL = f"""\
function_refresh = "30s"
[[publication]]
name = "fast"
issuer = "{ISSUER}"
sink = "fast"
source = "server-api:"
ca_ttl = "10m"
[[publication]]
name = "slow"
issuer = "{ISSUER}/slow"
sink = "slow"
source = "bundle-endpoint:https://spire.example"
relying_party_cache = "1h"
"""


def publications(ran: Ran) -> list[dict[str, Any]]:
    jsonschema.Draft202012Validator(SCHEMA).validate(ran.json)
    assert ran.json["exit_status"] == ran.status
    listed: list[dict[str, Any]] = ran.json["publications"]
    for one in listed:
        assert set(one) == set(SCHEMA["$defs"]["publication"]["properties"])
    return listed


def test_at_the_defaults() -> None:
    ran = execute("explain")
    assert (ran.status, ran.err) == (0, "")
    lines = [line.strip() for line in ran.out.splitlines()]
    assert "8 h  SPIRE activates it: it signs its first token, and the old key has signed its last" in lines
    assert "12 min 40 s  needed" in lines
    assert "7 h 46 min  margin" in lines
    assert "Safe: every key has 7 h 46 min to spare." in lines
    assert "go-oidc" in lines[-1]


def test_json() -> None:
    (one,) = publications(invoke("explain", "--output", "json", "--run-interval", "5m"))
    assert (one["ca_ttl_from"], one["verdict"], one["advice"], one["findings"]) == (
        "assumed",
        "safe",
        None,
        [],
    )
    assert one["needed_seconds"] == one["exposure_seconds"] == sum(part["seconds"] for part in one["parts"])
    assert one["margin_seconds"] == one["available_seconds"] - one["needed_seconds"]
    assert [step["step"] for step in one["steps"]][:2] == ["prepared", "at_source"]


def test_settings_that_are_never_safe_end_with_1() -> None:
    ran = invoke("explain", "--ca-ttl", "10m", "--output", "json")
    (one,) = publications(ran)
    assert (ran.status, one["verdict"]) == (1, "never")
    assert [finding["code"] for finding in one["findings"]] == ["LED001"]
    text = invoke("explain", "--ca-ttl", "10m")
    assert text.status == 1
    assert "To change that: set ca_ttl in SPIRE's server.conf to 61m or more." in text.out
    assert invoke("explain", "--ca-ttl", "1h").status == 0


def test_the_publications_of_a_file(place: Place) -> None:
    toml = place.folder / "p.toml"
    toml.write_text(SEVERAL)
    ran = invoke("explain", "--config", str(toml), "--output", "json")
    fast, slow = publications(ran)
    assert (fast["name"], fast["needed_seconds"], fast["verdict"]) == ("fast", 780, "never")
    assert (slow["name"], slow["needed_seconds"], slow["verdict"]) == ("slow", 3780, "safe")
    assert ran.status == 1
    text = invoke("explain", "--config", str(toml)).out
    assert text.startswith("# fast\n")
    assert "\n# slow\n" in text
    picture = str(place.folder / "p.svg")
    refused = invoke("explain", "--config", str(toml), "--picture", picture)
    assert (refused.status, "--picture" in refused.messages) == (2, True)
    assert invoke("explain", "--config", str(toml), "--picture", picture, "--publication", "slow").status == 0


@pytest.mark.parametrize(
    ("arguments", "status", "said"),
    [
        (("--source", "carrier-pigeon:"), 2, "is not a source"),
        (("--ca-ttl", "59s"), 2, "--ca-ttl"),
        (("--picture", "/nowhere/at/all.svg"), 78, "cannot be written"),
        (("--picture", "/dev/full/x.svg"), 78, "cannot be written"),
    ],
)
def test_what_is_refused(arguments: tuple[str, ...], status: int, said: str) -> None:
    ran = invoke("explain", *arguments)
    assert ran.status == status
    assert said in ran.messages
    assert ran.out == ""
    publications(invoke("explain", *arguments, "--output", "json"))


def test_a_bad_variable_is_a_matter_of_settings() -> None:
    ran = invoke("explain", SPIRE_OIDC_PUBLISHER_SOURCE="carrier-pigeon:")
    assert ran.status == 78


def test_a_picture_is_whole_readable_and_alone(tmp_path: Path) -> None:
    picture = tmp_path / "rotation.svg"
    picture.write_text("old")
    before = os.umask(0o077)
    try:
        assert invoke("explain", "--picture", str(picture)).status == 0
    finally:
        os.umask(before)
    assert picture.read_bytes().startswith(b"<svg ")
    assert stat.S_IMODE(picture.stat().st_mode) == 0o644
    assert [path.name for path in tmp_path.iterdir()] == ["rotation.svg"]


def test_a_folder_in_the_picture_s_place_stays(tmp_path: Path) -> None:
    (tmp_path / "rotation.svg").mkdir()
    assert invoke("explain", "--picture", str(tmp_path / "rotation.svg")).status == 78
    assert [path.name for path in tmp_path.iterdir()] == ["rotation.svg"]


def test_publish_tells_the_margins(place: Place) -> None:
    invoke("publish", *place.options)
    first = invoke("publish", *place.options)
    assert "shortest margin" not in first.out
    place.has("one", "two", "three")
    ran = invoke("publish", *place.options, "--ca-ttl", "10m", "--output", "json")
    (one,) = ran.json["publications"]
    assert ran.status == 0
    assert [time["margin_seconds"] for time in one["lead_times"]] == [None, -620, None]
    assert [time["evidence"] for time in one["lead_times"]] == [None, "rule", None]
    assert [time["kid"] for time in one["lead_times"]] == ["one", "three", "two"]
    assert [finding["code"] for finding in one["findings"] if finding["code"][:3] == "LED"] == ["LED001"]
    assert (
        "shortest margin: 7 h 46 min of kid three (12 min 30 s needed)"
        in invoke("publish", *place.options).out
    )
