"""Every fault at every place of a publication, once and for ever, against the table of docs/faults.md."""

import json

import jwt
import pytest

from publisher.errors import ExitStatus
from publisher.oidc.issuer import CONFIGURATION_PATH
from tests import keys
from tests.faults.catalogue import DENYING, FAULTS, SECRET
from tests.faults.cells import GRACE_SECONDS, START_SECONDS, Runs, Seen, is_new
from tests.faults.places import PATHS, Action
from tests.faults.publishing import NEW, OLD
from tests.faults.table import COLUMNS, made_of, on_the_page


@pytest.mark.parametrize("fault", FAULTS)
def test_the_page_says_what_happens(seen: list[Seen], fault: str) -> None:
    made, said = made_of(seen)[fault], on_the_page()[fault]
    assert dict(zip(COLUMNS[1:], made, strict=True)) == dict(zip(COLUMNS[1:], said, strict=True))


def test_the_page_has_no_other_faults() -> None:
    assert list(on_the_page()) == list(FAULTS)


def test_every_fault_struck_where_it_was_to(seen: list[Seen]) -> None:
    assert [str(one.cell) for one in seen if not one.struck] == []


def test_no_object_is_partial_and_none_is_newer_than_one_written_before_it(seen: list[Seen]) -> None:
    """`new_objects` compares bytes; JWKS, configuration, manifest is the order of writing."""
    unordered = [str(one.cell) for one in seen if one.new_objects != sorted(one.new_objects, reverse=True)]
    assert unordered == []


def test_a_reader_of_either_generation_verifies_every_valid_token(seen: list[Seen]) -> None:
    """What is readable is one of these two, byte for byte: the key of both generations is in both."""
    (valid,) = set(OLD) & set(NEW)
    token = keys.token(valid, {"sub": "spiffe://example.org/app"})
    for generation in (seen[0].old, seen[0].new):
        issuer = json.loads(generation[CONFIGURATION_PATH])["issuer"]
        assert issuer == "https://issuer.example"
        key = jwt.PyJWKSet.from_dict(json.loads(generation["keys"]))[valid]
        assert jwt.decode(token, key.key, algorithms=["ES256"])["sub"] == "spiffe://example.org/app"


def test_the_next_ordinary_run_publishes_all(seen: list[Seen]) -> None:
    unfinished = [
        str(one.cell)
        for one in seen
        if one.second["exit_status"] != 0
        or not all(is_new(path, one.after_second[path], one.old, one.new) for path in PATHS)
    ]
    assert unfinished == []


def test_a_failure_says_where_what_and_what_to_do(seen: list[Seen]) -> None:
    failed = [one for one in seen if one.first["exit_status"] != 0]
    assert {one.first["exit_status"] for one in failed} == {ExitStatus.TEMPORARY, ExitStatus.SETTINGS}
    for one in failed:
        error = one.first["error"]
        assert error["where"].startswith(("gs://every-fault/", "--timeout")), (str(one.cell), error)
        assert error["what"], str(one.cell)
        assert error["remedy"], str(one.cell)


def test_no_secret_that_a_server_repeats_is_repeated(seen: list[Seen]) -> None:
    assert any("(token)" in one.log for one in seen)
    assert not any(SECRET in one.log + json.dumps(one.first) for one in seen)


def test_retries_stay_within_the_time_of_the_run(runs: Runs, seen: list[Seen]) -> None:
    assert runs.lasted
    late = [
        (allowed, run.seconds)
        for allowed, run in runs.lasted
        if run.seconds > allowed + GRACE_SECONDS + START_SECONDS
    ]
    assert late == []


def test_no_finding_blames_a_stranger_for_what_the_network_did(seen: list[Seen]) -> None:
    """What a store denies is missing, and said to be (ROT012); ROT019 is the changed setting."""
    for one in seen:
        codes = {finding["code"] for finding in one.first["findings"]} - {"ROT019"}
        is_denied = one.cell.fault in DENYING and one.cell.place.action is Action.READ
        assert codes <= ({"ROT012", "ROT015"} if is_denied else set()), str(one.cell)
