import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest

from publisher.errors import SettingsError
from publisher.publication.manifest import Manifest, ManifestError, OverrideRecord, ReplacedDocument
from tests.doubles import NOON
from tests.worlds import World, bundle


@pytest.fixture
def manifest() -> Manifest:
    world = World()
    world.publish(bundle("a", "b", sequence_number=2**63 - 1))
    return replace(
        world.manifest(),
        refresh_hint=300,
        replaced=(ReplacedDocument(path="keys", sha256="00", readable_until=NOON),),
        override=OverrideRecord(accepted=("accept-disjoint-keys",), at=NOON, replaced_sha256=None),
    )


def test_what_is_written_is_read(manifest: Manifest) -> None:
    assert Manifest.parse(manifest.dumps(), where="here") == manifest
    assert manifest.thumbprints == {key.thumbprint for key in manifest.keys}
    assert manifest.sha256_of("keys") == manifest.documents[0].sha256
    assert manifest.sha256_of("elsewhere") is None


def test_times_are_utc_with_a_z(manifest: Manifest) -> None:
    members = json.loads(manifest.dumps())
    assert members["confirmed_at"] == "2026-11-22T12:00:00Z"
    members["confirmed_at"] = "2026-11-22T14:00:00+02:00"
    assert Manifest.parse(json.dumps(members).encode(), where="here").confirmed_at == NOON


def test_members_of_tomorrow_are_ignored_within_a_schema(manifest: Manifest) -> None:
    data = json.dumps({**json.loads(manifest.dumps()), "mood": "good"}).encode()
    assert Manifest.parse(data, where="here") == manifest


def test_a_manifest_without_replaced_documents_has_none(manifest: Manifest) -> None:
    members = json.loads(manifest.dumps())
    del members["replaced"]
    assert Manifest.parse(json.dumps(members).encode(), where="here").replaced == ()


def test_a_newer_schema_is_left_alone(manifest: Manifest) -> None:
    data = json.dumps({**json.loads(manifest.dumps()), "schema_version": 2}).encode()
    with pytest.raises(SettingsError, match="newer release") as caught:
        Manifest.parse(data, where="here")
    assert caught.value.exit_status == 78


@pytest.mark.parametrize(
    ("member", "value", "said"),
    [
        ("schema_version", None, "schema_version"),
        ("schema_version", 0, "schema_version"),
        ("schema_version", True, "schema_version"),
        ("issuer", 1, "a string"),
        ("sequence_number", -1, "a number"),
        ("sequence_number", 2**63, "a number"),
        ("sequence_number", "7", "a number"),
        ("confirmed_at", "yesterday", "a time"),
        ("confirmed_at", "0001-01-01T00:00:00+14:00", "a time"),
        ("confirmed_at", "2026-11-22T12:00:00", "zone"),
        ("documents", {}, "an array"),
        ("documents", [1], "not a JSON object"),
        ("keys", [{}], "keys[0]"),
        ("keys", [{}] * 2001, "at most 2000"),
        ("override", [], "not a JSON object"),
        ("override", {"accepted": "x"}, "an array of strings"),
        ("override", {"accepted": [1]}, "an array of strings"),
        ("replaced", {}, "an array"),
        ("keys", [], "no keys"),
        ("lead_time", [], "not a JSON object"),
        ("lead_time", {"needed_seconds": "760", "ca_ttl_seconds": None}, "a number of seconds"),
        ("lead_time", {"needed_seconds": 760, "ca_ttl_seconds": 10**9 + 1}, "a number of seconds"),
    ],
)
def test_what_is_no_manifest_says_why(manifest: Manifest, member: str, value: Any, said: str) -> None:
    data = json.dumps({**json.loads(manifest.dumps()), member: value}).encode()
    with pytest.raises(ManifestError) as caught:
        Manifest.parse(data, where="here")
    assert said in str(caught.value)


@pytest.mark.parametrize("data", [b"", b"[]", b"null", b'{"a":1,"a":1}', b"\xff"])
def test_what_is_no_object_is_no_manifest(data: bytes) -> None:
    with pytest.raises(ManifestError):
        Manifest.parse(data, where="here")


def test_who_confirmed_when_does_not_count_as_a_difference(manifest: Manifest) -> None:
    later = datetime(2027, 1, 1, tzinfo=UTC)
    assert manifest.says_the_same(replace(manifest, confirmed_at=later, source="file"))
    assert not manifest.says_the_same(replace(manifest, keys=manifest.keys[:1]))
