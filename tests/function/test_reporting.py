"""The function's log: each thing when it begins, again while it lasts, and when it is over."""

import logging
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.findings import Finding, Severity
from publisher.serving.status import Status
from spire_oidc_function.reporting import AGAIN_AFTER, MOST_SAID, Reporter
from tests.publications import Watched, published

WATCHED = Watched.over(published("a"))
WATCHED.read()
GOOD = WATCHED.watch.status(WATCHED.world.clock.now())
ERROR = Finding(code="VAL003", severity=Severity.ERROR, where="keys", what="w", remedy="r")
REMARK = Finding(code="SRV004", severity=Severity.INFO, where="m", what="w", remedy="r")


def said(
    log: pytest.LogCaptureFixture, reporter: Reporter, status: Status, **later: float
) -> list[tuple[str, str]]:
    log.clear()
    log.set_level(logging.INFO, logger="publisher.function")
    reporter.report(replace(status, at=status.at + timedelta(**later)))
    return [(record.levelname, record.getMessage().partition(" ")[0]) for record in log.records]


def test_a_finding_is_said_once_and_again_after_a_while(caplog: pytest.LogCaptureFixture) -> None:
    reporter, bad = Reporter(), replace(GOOD, findings=(ERROR, REMARK))
    assert said(caplog, reporter, bad) == [("ERROR", "VAL003"), ("INFO", "SRV004"), ("INFO", "serving")]
    assert said(caplog, reporter, bad, seconds=30) == []
    assert said(caplog, reporter, bad, seconds=AGAIN_AFTER.total_seconds()) == [("ERROR", "VAL003")]


def test_the_end_is_said_too(caplog: pytest.LogCaptureFixture) -> None:
    reporter = Reporter()
    said(caplog, reporter, replace(GOOD, findings=(ERROR,)))
    assert said(caplog, reporter, GOOD, seconds=30) == [("INFO", "all")]
    assert said(caplog, reporter, GOOD, seconds=60) == []
    assert said(caplog, reporter, replace(GOOD, findings=(ERROR,)), seconds=90) == [("ERROR", "VAL003")]


def test_a_publication_is_said_when_it_is_served_first(caplog: pytest.LogCaptureFixture) -> None:
    reporter = Reporter()
    assert said(caplog, reporter, GOOD) == [("INFO", "serving")]
    assert said(caplog, reporter, GOOD, seconds=30) == []


def test_another_trouble_of_the_same_code_is_said_at_once_and_another_time_is_none(
    caplog: pytest.LogCaptureFixture,
) -> None:
    reporter = Reporter()
    first = replace(ERROR, what="is not the manifest's (0123456789ab) at 2026-11-22T12:00:00Z")
    later = replace(ERROR, what="is not the manifest's (0123456789ab) at 2026-11-22T12:01:00Z")
    other = replace(ERROR, what="is not the manifest's (ba9876543210) at 2026-11-22T12:00:00Z")
    said(caplog, reporter, replace(GOOD, findings=(first,)))
    assert said(caplog, reporter, replace(GOOD, findings=(later,)), seconds=30) == []
    assert said(caplog, reporter, replace(GOOD, findings=(other,)), seconds=30) == [("ERROR", "VAL003")]


def test_a_remark_that_changes_is_no_end(caplog: pytest.LogCaptureFixture) -> None:
    reporter = Reporter()
    said(caplog, reporter, replace(GOOD, findings=(REMARK,)))
    changed = replace(GOOD, findings=(replace(REMARK, what="other"),))
    assert said(caplog, reporter, changed, seconds=30) == [("INFO", "SRV004")]


def test_a_flood_of_findings_is_cut_and_not_remembered(caplog: pytest.LogCaptureFixture) -> None:
    reporter = Reporter()
    for start in (0, 1000):
        flood = tuple(replace(ERROR, where=f"keys-{start + number}") for number in range(MOST_SAID + 100))
        lines = said(caplog, reporter, replace(GOOD, findings=flood))
        assert lines.count(("ERROR", "VAL003")) == MOST_SAID
        assert len(reporter._said) == MOST_SAID
