"""The JSON Schema describes the manifests that `publish` writes, and the page its members."""

import json
import re
from datetime import timedelta
from typing import Any

import jsonschema
import pytest

from publisher.bundle.fetched import SourceKind
from publisher.publication.rules import Overrides
from tests import keys
from tests.docs.pages import ROOT, page
from tests.doubles import NOON, DictMemory
from tests.worlds import MANIFEST, World, bundle

SCHEMA: dict[str, Any] = json.loads((ROOT / "docs/schema/manifest.json").read_text())
SINCE_ISSUE_5 = {"lead_time"}
"""Members that manifests of older releases lack."""

VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)


def manifests() -> dict[str, dict[str, Any]]:
    """Publish one story, and give the manifest after each chapter."""
    world = World(memory=DictMemory())
    told: dict[str, dict[str, Any]] = {}

    def note(chapter: str) -> None:
        told[chapter] = json.loads(world.sink.objects[MANIFEST].body)
        world.clock.advance(seconds=30)

    expiring = keys.bundle(
        keys.authority("a", expires_at=NOON + timedelta(hours=24)),
        keys.authority("b", "RS256", expires_at=NOON + timedelta(hours=36)),
        sequence_number=7,
        refresh_hint=300,
    )
    world.publish(expiring)
    note("first")
    world.publish(expiring)
    note("confirmed")
    world.publish(bundle("a", "c"), kind=SourceKind.WORKLOAD_API)
    note("rotated by a source without numbers")
    accepted = Overrides(accept_disjoint_keys=True, accept_lower_sequence=True)
    world.publish(bundle("z", sequence_number=1), overrides=accepted)
    note("overridden")
    return told


TOLD = manifests()


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("chapter", TOLD)
def test_a_manifest_that_was_published_keeps_the_schema(chapter: str) -> None:
    assert [error.message for error in VALIDATOR.iter_errors(TOLD[chapter])] == []


def test_the_story_shows_what_is_usually_null_or_empty() -> None:
    assert TOLD["first"]["keys"][0]["expires_at"] is not None
    assert TOLD["first"]["override"] is None
    assert TOLD["rotated by a source without numbers"]["replaced"]
    assert TOLD["rotated by a source without numbers"]["sequence_number"] == 7
    assert set(TOLD["overridden"]["override"]["accepted"]) == {
        "accept-disjoint-keys",
        "accept-lower-sequence",
    }


def test_every_member_that_is_written_is_described_and_required() -> None:
    for manifest in TOLD.values():
        assert set(manifest) == set(SCHEMA["properties"]) == {*SCHEMA["required"], *SINCE_ISSUE_5}
        for name in ("documents", "keys", "replaced"):
            described = SCHEMA["properties"][name]["items"]
            for item in manifest[name]:
                added = SINCE_ISSUE_5 & set(described["properties"])
                assert set(item) == set(described["properties"]) == {*described["required"], *added}
        assert set(manifest["lead_time"]) == set(SCHEMA["properties"]["lead_time"]["properties"])
        lead = SCHEMA["properties"]["keys"]["items"]["properties"]["lead_time"]
        assert all(set(key["lead_time"]) == set(lead["properties"]) for key in manifest["keys"])
    described = SCHEMA["properties"]["override"]["anyOf"][1]
    assert set(TOLD["overridden"]["override"]) == set(described["properties"]) == set(described["required"])


@pytest.mark.parametrize(
    ("member", "value"),
    [
        ("schema_version", 2),
        ("issuer", "http://example.org"),
        ("sequence_number", -1),
        ("confirmed_at", "2026-11-22 12:00"),
        ("documents", []),
        ("keys", []),
        ("source", "clipboard"),
    ],
)
def test_what_is_no_manifest_breaks_the_schema(member: str, value: object) -> None:
    assert not VALIDATOR.is_valid({**TOLD["first"], member: value})


def test_the_page_lists_every_member() -> None:
    rows = re.findall(r"^\| (`[^|]+`) \|", page("docs/manifest.md").text, flags=re.MULTILINE)
    assert [name for row in rows for name in re.findall(r"`([a-z_]+)`", row)] == list(SCHEMA["properties"])
