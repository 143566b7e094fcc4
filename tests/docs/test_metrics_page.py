"""`docs/metrics.md` lists every metric with its kind and labels, and every alert."""

import re

from publisher.use_cases.metric_table import METRICS, PREFIX, PUBLICATION
from tests.docs.pages import ROOT, page

PAGE = page("docs/metrics.md")
ALERTS = (ROOT / "deploy" / "prometheus" / "alerts.yml").read_text()


def rows(heading: str) -> list[list[str]]:
    lines = [line for line in PAGE.section(heading).splitlines() if line.startswith("| `")]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_every_metric_is_listed_in_order_with_its_kind_labels_and_meaning() -> None:
    expected = [
        [
            f"`{metric.sample_name.removeprefix(PREFIX)}`",
            metric.kind,
            ", ".join(f"`{label}`" for label in metric.labels if label not in PUBLICATION),
        ]
        for metric in METRICS
    ]
    assert [row[:3] for row in rows("All metrics")] == expected
    for row, metric in zip(rows("All metrics"), METRICS, strict=True):
        assert row[3].startswith(metric.text)
        assert (row[4] == "in runs of `publish`") == metric.watching
        assert row[4]


def test_every_alert_is_listed_with_its_severity() -> None:
    shipped = re.findall(r"- alert: (\w+)\n(?:.*\n)*?        labels: \{severity: (\w+)\}", ALERTS)
    assert [(row[0].strip("`"), row[2]) for row in rows("Alerts")] == shipped


def test_a_metric_that_the_page_names_in_its_text_exists() -> None:
    named = set(re.findall(rf"{PREFIX}(\w+)", PAGE.prose))
    assert named
    assert {PREFIX + name for name in named} <= {metric.sample_name for metric in METRICS}
