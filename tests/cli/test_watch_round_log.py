"""What `watch` logs: news once, what is wrong at every round, and when it is well again."""

import logging
from dataclasses import replace

import pytest

from publisher.cli.round_log import RoundLog
from publisher.cli.status_line import status_line
from publisher.errors import ExitStatus, PublisherError, RefusedError, SinkUnavailableError
from publisher.findings import Finding, Severity
from publisher.settings.layers import Layers, Reader
from publisher.settings.targets import PublishTarget
from publisher.settings.watch_target import read_watch_target
from publisher.use_cases.publish import Outcome
from publisher.use_cases.standing import Standing
from tests.doubles import NOON
from tests.worlds import World, bundle

TYPED = {"issuer": "https://storage.googleapis.com/my-bucket", "sink": "gs://my-bucket"}


def finding(code: str, severity: Severity = Severity.WARNING) -> Finding:
    return Finding(code=code, severity=severity, where="here", what="is so", remedy="mend it")


def target() -> PublishTarget:
    return read_watch_target(Reader(layers=Layers(command="watch", command_line=TYPED, environment={})))


def outcome(*findings: Finding, changed: bool = False) -> Outcome:
    return replace(World().publish(bundle("one")), findings=findings, changed=changed)


class Rounds:
    """The log of one publication, round by round; `do` gives what a round added."""

    def __init__(self, records: pytest.LogCaptureFixture) -> None:
        records.set_level(logging.INFO, logger="publisher")
        self._records, self.log = records, RoundLog(target(), None)

    def do(self, result: Outcome | PublisherError, *noticed: Finding) -> list[str]:
        self._records.clear()
        self.log.begin()
        for one in noticed:
            self.log.notice(one)
        self.log.end(result, NOON)
        return [f"{record.levelname} {record.getMessage()}" for record in self._records.records]


@pytest.fixture
def rounds(caplog: pytest.LogCaptureFixture) -> Rounds:
    return Rounds(caplog)


def test_a_finding_is_logged_when_it_appears_and_when_it_comes_back(rounds: Rounds) -> None:
    line = "WARNING ABC001 here: is so; mend it"
    assert line in rounds.do(outcome(finding("ABC001")))
    assert line not in rounds.do(outcome(finding("ABC001")))
    assert rounds.do(outcome()) == []
    assert rounds.do(outcome(finding("ABC001"))) == [line]


def test_an_error_is_logged_at_every_round_but_once_in_it(rounds: Rounds) -> None:
    bad = finding("ABC002", Severity.ERROR)
    for _ in range(3):
        lines = rounds.do(outcome(bad), bad, bad)
        assert lines.count("ERROR ABC002 here: is so; mend it") == 1


def test_what_stands_is_no_news_after_a_failure(rounds: Rounds) -> None:
    rounds.do(outcome(finding("ABC001")))
    away = SinkUnavailableError("there", "is away", "wait")
    for _ in range(2):
        assert rounds.do(away) == ["ERROR there: is away; wait"]
    lines = rounds.do(outcome(finding("ABC001")))
    assert lines[-1] == "INFO well again after 2 failed rounds in 0 s"
    assert not any("ABC001" in line for line in lines)


def test_a_refusal_says_every_time_who_decides(rounds: Rounds) -> None:
    refused = RefusedError("there", "may not", "decide", findings=(finding("ROT001", Severity.ERROR),))
    for _ in range(2):
        first, second = rounds.do(refused)
        assert first.startswith("ERROR there: may not")
        assert "an override is for one run of publish" in second


def test_more_findings_than_anybody_reads_are_counted(rounds: Rounds) -> None:
    lines = rounds.do(outcome(*(finding(f"ABC{number:03}") for number in range(25))))
    assert any(line.startswith("WARNING 5 more findings") for line in lines)


def test_a_change_is_told_and_silence_is_kept(rounds: Rounds) -> None:
    assert rounds.do(outcome(changed=True))[0] == "INFO + one ES256"
    assert rounds.do(outcome()) == []


def stands(**members: object) -> Standing:
    standing = Standing(name="a", issuer="https://a.example", place="gs://a", started_at=NOON)
    return replace(standing, **members)  # type: ignore[arg-type]  # its own fields


def after(result: Outcome | PublisherError, **members: object) -> Standing:
    return stands(**members).after(result, at=NOON, seconds=0.1)


class TestStatusLine:
    def test_of_one_publication(self) -> None:
        assert status_line([stands()]) == "first round of https://a.example"
        assert status_line([after(outcome())]) == (
            "published: 1 keys at gs://a, changed 2026-11-22 12:00:00Z, confirmed 2026-11-22 12:00:00Z"
        )
        away = SinkUnavailableError("there", "is away", "wait")
        assert status_line([after(away)]) == "failing for 1 rounds: there: is away; wait"
        again = after(outcome()).after(away, at=NOON, seconds=1)
        assert "last success 2026-11-22 12:00:00Z" in status_line([again])
        unverified = replace(outcome(), exit_status=ExitStatus.TEMPORARY)
        assert status_line([after(unverified)]).endswith("see the log")

    def test_of_several(self) -> None:
        refused = RefusedError("there", "may not", "decide", findings=())
        bad = [after(refused, name=f"bad-{number}") for number in range(7)]
        line = status_line([after(outcome()), stands(name="b"), *bad])
        assert line.startswith(
            "1 of 9 publications are well, 1 in their first round; not well: bad-0 (refused)"
        )
        assert line.endswith("bad-4 (refused), ...")
        assert status_line([after(outcome()), after(outcome())]) == "2 of 2 publications are well"
