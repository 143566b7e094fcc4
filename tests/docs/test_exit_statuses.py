"""The documentation knows every exit status, and the runbook has an answer to each."""

import re

from publisher.cli.entry import INTERRUPTED, TERMINATED
from publisher.cli.runs import MOST_AT_ONCE
from publisher.errors import ExitStatus
from publisher.settings.options import named
from tests.docs.pages import page


def test_operating_lists_every_exit_status() -> None:
    rows = re.findall(
        r"^\| ([0-9, ]+) \|", page("docs/operating.md").section("Exit statuses"), flags=re.MULTILINE
    )
    listed = {int(number) for row in rows for number in row.split(",")}
    assert listed == {*map(int, ExitStatus), INTERRUPTED, TERMINATED}


def test_the_runbook_has_a_section_for_every_failure() -> None:
    headings = {heading.split()[0] for heading in page("docs/runbook.md").headings()}
    assert {str(int(status)) for status in ExitStatus} <= headings


def test_the_limits_that_operating_states_are_those_of_the_code() -> None:
    text = " ".join(page("docs/operating.md").text.split())
    assert f"at most {MOST_AT_ONCE} at once" in text
    assert named("timeout").default == "30s"
    assert "`--timeout` (30 s)" in text
    assert (named("due-after").default, named("stale-after").default) == ("15m", "1h")
    assert "`--due-after` (15 min) and `--stale-after` (1 h)" in text
