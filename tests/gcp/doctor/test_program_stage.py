"""What Google's libraries run, and what they kept of it."""

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from publisher.gcp.doctor.program import look_at_program
from publisher.gcp.doctor.stage import Result
from publisher.gcp.doctor.target import Program
from tests.google.issuers import Issuer

PROGRAM = Program(name=sys.executable, is_ours=True, is_allowed=True, path="/nowhere")
NOW = time.time()


@pytest.mark.parametrize(
    ("changes", "result", "said"),
    [
        ({}, Result.OK, "may run it"),
        ({"is_ours": False}, Result.UNKNOWN, "not gcp token"),
        ({"is_allowed": False}, Result.BROKEN, "is not 1"),
        ({"name": "/nowhere/program"}, Result.BROKEN, "is not there"),
        ({"name": "sh"}, Result.BROKEN, "is not there"),
        ({"name": "sh", "path": "/usr/bin:/bin"}, Result.OK, "may run it"),
    ],
)
def test_the_program_and_the_permission(changes: dict[str, Any], result: Result, said: str) -> None:
    seen = look_at_program(replace(PROGRAM, **changes), NOW)
    assert seen.result is result
    assert said in seen.said


@pytest.mark.parametrize(
    ("changes", "result"),
    [
        ({}, Result.BROKEN),
        ({"success": False}, Result.OK),
        ({"expiration_time": NOW - 1}, Result.OK),
        ({"id_token": Issuer(url="https://issuer.example").token("mine", NOW)}, Result.OK),
    ],
)
def test_what_was_kept(tmp_path: Path, changes: dict[str, Any], result: Result) -> None:
    kept = tmp_path / "kept.json"
    kept.write_text(
        json.dumps({"success": True, "expiration_time": NOW + 60, "id_token": "no token", **changes})
    )
    seen = look_at_program(replace(PROGRAM, output_file=kept), NOW)
    assert seen.result is result
    assert (seen.remedy.startswith("delete that file")) == (result is Result.BROKEN)
