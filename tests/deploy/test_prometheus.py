"""The alert rules: their metrics and pages exist, and promtool, where there is one, runs their tests."""

import re
import shutil
import subprocess

import pytest

from publisher.use_cases.metric_table import BY_NAME, PREFIX
from tests.deploy.unit_files import DEPLOY
from tests.docs.pages import page

FOLDER = DEPLOY / "prometheus"
RULES = (FOLDER / "alerts.yml").read_text()
TESTS = (FOLDER / "alerts_test.yml").read_text()
ALERTS = re.findall(r"- alert: (\w+)", RULES)

needs_promtool = pytest.mark.skipif(shutil.which("promtool") is None, reason="no promtool on the PATH")


def promtool(*words: str) -> str:
    program = shutil.which("promtool")
    assert program is not None
    done = subprocess.run(
        [program, *words], cwd=FOLDER, capture_output=True, text=True, timeout=120, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@needs_promtool
def test_promtool_finds_nothing_wrong_with_the_rules() -> None:
    assert f"SUCCESS: {len(ALERTS)} rules found" in promtool("check", "rules", "alerts.yml")


@needs_promtool
def test_every_alert_fires_and_stays_silent_when_it_should() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts_test.yml")


@pytest.mark.parametrize("text", [RULES, TESTS], ids=["rules", "tests"])
def test_every_metric_of_ours_that_is_named_exists(text: str) -> None:
    named = set(re.findall(rf"{PREFIX}\w+", text))
    assert len(named) > 10
    assert named <= BY_NAME.keys()
    # No other metric but those of the node exporter's textfile collector.
    assert set(re.findall(r"\b(?:node|up|process|spire)_\w+", text)) - named == {
        "node_textfile_mtime_seconds"
    }


def test_every_label_that_a_rule_uses_is_one_of_its_metric() -> None:
    for name, selector in re.findall(rf"({PREFIX}\w+)\{{([^}}]*)\}}", RULES + TESTS):
        labels = set(re.findall(r'(\w+)(?:=|!=|=~|!~)"', selector))
        assert labels <= {*BY_NAME[name].labels, "instance"}, name


def test_every_alert_has_a_test_that_fires_it_and_one_that_does_not() -> None:
    cases = re.split(r"(?=- (?:\{)?eval_time:)", TESTS)[1:]
    fired = {re.search(r"alertname: (\w+)", case)[1] for case in cases if "exp_alerts" in case}  # type: ignore[index]
    silent = {re.search(r"alertname: (\w+)", case)[1] for case in cases if "exp_alerts" not in case}  # type: ignore[index]
    assert fired == silent == set(ALERTS)


def test_every_runbook_link_leads_to_a_section() -> None:
    links = re.findall(r"runbook: (\S+)", RULES)
    assert len(links) == len(ALERTS)
    for link in links:
        name, _, anchor = link.partition("#")
        assert anchor in page(name).anchors(), link


def test_the_codes_of_tampering_are_codes() -> None:
    codes = set(re.findall(r"[A-Z]{3}\d{3}", RULES))
    assert codes == {"ROT010", "ROT011", "ROT018"}
    assert codes <= set(page("docs/findings.md").headings())
