"""Every bad bundle of the list, through the real command: 65, place and remedy, and the sink untouched."""

import json
from typing import Any

import pytest

from publisher.bundle.public_key import PRIVATE_MEMBERS
from tests import keys
from tests.cli.running import Place, invoke
from tests.unit.bundle.test_bad_bundles import AGENT, DOCUMENTS, KEYS


def among_good(key: dict[str, Any]) -> bytes:
    return json.dumps({"keys": [keys.jwk("one"), key]}).encode()


BUNDLES: dict[str, bytes] = {
    **{f"document: {name}": data for name, (data, _) in DOCUMENTS.items()},
    **{f"key: {name}": among_good(key) for name, (key, _) in KEYS.items()},
    **{f"agent: {name}": json.dumps(output).encode() for name, (output, _) in AGENT.items()},
    **{f"private: {name}": among_good({**keys.jwk("a"), name: None}) for name in sorted(PRIVATE_MEMBERS)},
    "number: negative sequence": keys.spiffe_bundle("one", spiffe_sequence=-1),
    "number: fractional hint": keys.spiffe_bundle("one", spiffe_refresh_hint=1.5),
}


def bytes_and_times(place: Place) -> dict[str, tuple[bytes, int]]:
    files = [path for path in place.sink.rglob("*") if path.is_file()]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


@pytest.mark.parametrize("data", BUNDLES.values(), ids=BUNDLES)
def test_a_bad_bundle_leaves_the_sink_as_it_was(place: Place, data: bytes) -> None:
    assert invoke("publish", *place.options).status == 0
    before = bytes_and_times(place)
    assert len(before) >= len(("keys", "configuration", "manifest"))
    place.bundle.write_bytes(data)
    ran = invoke("publish", *place.options, "--output", "json")
    assert ran.status == 65
    error = ran.json["publications"][0]["error"]
    assert error["where"]
    assert error["what"]
    assert error["remedy"]
    (entry,) = [entry for entry in ran.log if entry["severity"] == "ERROR"]
    assert entry["message"] == f"{error['where']}: {error['what']}; {error['remedy']}"
    assert bytes_and_times(place) == before
