"""The JSON output: every shape of it fits its schema, and the schema is strict where we promise."""

import json
from typing import Any

import jsonschema
import pytest

from tests.cli.running import ISSUER, ROOT, Place, Ran, execute, invoke


def schema(command: str) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((ROOT / f"docs/schema/{command}-output.json").read_text())
    return loaded


def fits(command: str, ran: Ran) -> Any:
    jsonschema.Draft202012Validator(schema(command)).validate(ran.json)
    assert ran.json["exit_status"] == ran.status
    properties = schema(command)["$defs"]["publication"]["properties"]
    for publication in ran.json["publications"]:
        assert set(publication) == set(properties)  # no member that the schema does not describe
    return ran.json


@pytest.mark.parametrize("command", ["publish", "render", "check", "explain"])
def test_the_schemas_are_schemas(command: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(command))


def test_publish(place: Place) -> None:
    for more in ((), ("--dry-run",), ("--dry-run", "--signing-algorithms", "ES256")):
        fits("publish", invoke("publish", *place.options, "--output", "json", *more))
    place.has("two", "three", spiffe_sequence=4)
    (one,) = fits("publish", invoke("publish", *place.options, "--output", "json"))["publications"]
    assert (one["issuer"], one["sink"]) == (ISSUER, f"directory:{place.sink}")
    assert (one["changed"], one["written"], one["verified"]) == (True, ["keys"], "off")
    assert {name: [key["kid"] for key in listed] for name, listed in one["keys"].items()} == {
        "added": ["three"],
        "removed": ["one"],
        "kept": ["two"],
    }
    assert one["sequence_number"] == 4
    manifest = json.loads((place.sink / ".well-known/spire-oidc-publication.json").read_bytes())
    for member in ("trust_domain", "modified_at", "confirmed_at", "due_at", "stale_at"):
        assert one[member] == manifest[member]
    same = fits("publish", execute("publish", *place.options, "--output", "json"))["publications"][0]
    assert (same["changed"], same["written"]) == (False, [])


def test_publish_that_failed(place: Place) -> None:
    invoke("publish", *place.options)
    place.has("nine")
    (one,) = fits("publish", invoke("publish", *place.options, "--output", "json"))["publications"]
    assert one["error"]["exit_status"] == one["exit_status"] == 65
    assert [finding["code"] for finding in one["error"]["findings"]] == ["ROT001"]
    assert one["changed"] is None
    bad = fits("publish", invoke("publish", "--issuer", "http://x", "--sink", "x", "--output", "json"))
    assert bad["publications"] == []
    assert bad["error"]["where"] == "--issuer"
    toml = place.folder / "p.toml"
    toml.write_text('[[publication]]\nname = "a"\n[[publication]]\nname = "b"\n')
    lacking = fits("publish", invoke("publish", "--config", str(toml), "--output", "json"))
    assert [one["issuer"] for one in lacking["publications"]] == [None, None]


def test_render(place: Place) -> None:
    (one,) = fits("render", invoke("render", *place.source, "--issuer", ISSUER, "--output", "json"))[
        "publications"
    ]
    assert set(one["documents"]) == {"keys", ".well-known/openid-configuration"}
    assert one["documents"]["keys"]["keys"][0]["kid"] == "one"
    place.bundle.write_text("{")
    (one,) = fits("render", invoke("render", *place.source, "--issuer", ISSUER, "--output", "json"))[
        "publications"
    ]
    assert one["documents"] is None
    assert one["exit_status"] == 65


def test_render_prints_the_bytes_that_publish_writes(place: Place) -> None:
    invoke("publish", *place.options)
    for document, path in (("jwks", "keys"), ("configuration", ".well-known/openid-configuration")):
        ran = execute("render", *place.source, "--issuer", ISSUER, "--document", document)
        assert ran.out.encode() == (place.sink / path).read_bytes()
    both = invoke("render", *place.source, "--issuer", ISSUER)
    assert both.out.startswith("# .well-known/openid-configuration\n{\n")
    assert "\n# keys\n{\n" in both.out
    place.bundle.write_text("{")
    broken = invoke("render", *place.source, "--issuer", ISSUER)
    assert (broken.status, broken.out) == (65, "")
    options = (*place.source, "--issuer", ISSUER, "--document", "jwks", "--output", "json")
    assert invoke("render", *options).status == 2


def test_check(place: Place) -> None:
    ran = invoke("check", "--issuer", "https://127.0.0.1:1", "--timeout", "5", "--output", "json")
    (one,) = fits("check", ran)["publications"]
    assert ran.status == 1
    assert (one["fail_on"], one["error"]) == ("warning", None)
    assert {finding["code"] for finding in one["findings"]} == {"WEB001"}
    fits("check", invoke("check", "--output", "json"))
