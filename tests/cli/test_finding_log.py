"""Each finding is logged once, before anything is repaired; a dry run claims no repair."""

import json
from typing import Any

import pytest

from publisher.cli.finding_log import FindingLog
from publisher.cli.publishing import PublishCommand
from publisher.cli.session import Session, run_command
from publisher.errors import SinkUnavailableError
from publisher.findings import Finding, Severity
from publisher.settings.targets import PublishTarget
from publisher.use_cases.publish import Outcome
from tests import keys
from tests.cli.running import Place, Ran, invoke
from tests.unit.sources.unprivileged import unprivileged

SEEN = Finding(code="ROT010", severity=Severity.ERROR, where="keys", what="was seen", remedy="look")


def tamper(place: Place) -> None:
    assert invoke("publish", *place.options).status == 0
    (place.sink / "keys").write_bytes(keys.jwks("thief"))


def logged(ran: Ran, code: str) -> list[dict[str, Any]]:
    return [entry for entry in ran.log if entry.get("code") == code]


def test_a_finding_is_logged_once_and_before_the_repair(place: Place) -> None:
    tamper(place)
    ran = invoke("publish", *place.options, "-v", "--output", "json")
    messages = [entry["message"] for entry in ran.log]
    (alarm,) = [number for number, message in enumerate(messages) if message.startswith("ROT010 ")]
    assert alarm < min(number for number, message in enumerate(messages) if message.startswith("wrote "))
    assert "ROT010" in {finding["code"] for finding in ran.json["publications"][0]["findings"]}


def test_two_publications_log_the_same_finding_each(place: Place) -> None:
    tamper(place)
    other = place.folder / "other"
    other.mkdir()
    toml = place.folder / "p.toml"
    toml.write_text(
        f'source = "file:{place.bundle}"\ntrust_domain = "example.org"\nissuer = "https://issuer.example"\n'
        f'verify_url = false\n[[publication]]\nname = "a"\nsink = "{place.sink}"\n'
        f'[[publication]]\nname = "b"\nsink = "{other}"\n'
    )
    invoke("publish", "--config", str(toml))
    for sink in (place.sink, other):
        (sink / "keys").write_bytes(keys.jwks("thief"))
    ran = invoke("publish", "--config", str(toml))
    assert sorted(entry["publication"] for entry in logged(ran, "ROT010")) == ["a", "b"]


def test_a_dry_run_says_that_it_repaired_nothing(place: Place) -> None:
    tamper(place)
    ran = invoke("publish", *place.options, "--dry-run", "--output", "json")
    (entry,) = logged(ran, "ROT010")
    assert entry["message"].startswith("dry run, nothing was changed; the run would say: ROT010 ")
    assert entry["dry_run"] is True
    assert ran.json["publications"][0]["dry_run"] is True
    assert place.kids == ["thief"]
    (repaired,) = logged(invoke("publish", *place.options), "ROT010")
    assert repaired["message"].startswith("ROT010 ")
    assert "dry_run" not in repaired


def test_a_run_that_fails_tells_what_it_noticed_before(readable: Place) -> None:
    tamper(readable)
    with unprivileged():
        readable.sink.stat()
        ran = invoke("publish", *readable.options, "--output", "json")
    assert ran.status == 78
    assert len(logged(ran, "ROT010")) == 1
    assert [entry["severity"] for entry in ran.log if "exit_status" in entry] == ["ERROR"]
    (one,) = ran.json["publications"]
    assert "ROT010" in {finding["code"] for finding in one["error"]["findings"]}


def test_what_an_error_carries_and_nobody_noticed_is_logged_before_it(
    caplog: pytest.LogCaptureFixture,
) -> None:
    error = SinkUnavailableError("gs://b", "is away", "wait")
    error.findings = (SEEN,)
    log = FindingLog(dry_run=False)
    log.log_failure(None, error)
    assert [record.getMessage() for record in caplog.records] == [
        "ROT010 keys: was seen; look",
        "gs://b: is away; wait",
    ]


class Dies(PublishCommand):
    """Notice something, then end in a way that knows nothing of it."""

    def work(self, settings: PublishTarget, session: Session) -> Outcome:
        for _ in ("the first attempt", "the second"):
            session.wiring.adapters(settings).notice(SEEN)
        raise RuntimeError


def test_what_was_noticed_outlives_work_that_was_lost(place: Place, capsys: Any) -> None:
    values = {"issuer": "https://a.example", "sink": str(place.sink), "output": "json"}
    assert run_command(Dies(), values) == 75
    captured = capsys.readouterr()
    (one,) = json.loads(captured.out)["publications"]
    assert [finding["code"] for finding in one["error"]["findings"]] == ["ROT010"]
    assert captured.err.count("ROT010 keys: was seen; look") == 1
