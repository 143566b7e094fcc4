"""The page of the four ways has one table, whole, and figures where figures belong."""

import re

from tests.bench.ways import Function, Provider
from tests.docs.pages import page

PAGE = page("docs/ways.md")
MEASURED = ("delay", "CPU at rest", "memory", "requests to the bucket")
UNMEASURED = {
    "CPU at rest": {"function on a bundle endpoint"},
    "requests to the bucket": {"function on a bundle endpoint"},
}


def tables() -> list[list[list[str]]]:
    """Give the cells of every table, without the line below its head."""
    found = re.findall(r"(?:^\|.*\|\n)+", PAGE.prose, re.MULTILINE)
    return [
        [
            [cell.strip(" *") for cell in line.strip("|").split("|")]
            for line in table.splitlines()
            if "|---" not in line
        ]
        for table in found
    ]


def test_every_way_has_every_row() -> None:
    head, *rows = tables()[0]
    assert head == ["", "timer", "watch", "plugin", "function on a bundle endpoint"]
    assert all(len(row) == len(head) and all(row) for row in rows), rows
    names = [row[0] for row in rows]
    assert [name for name in ("rights in SPIRE", "rights at Google") if name not in names] == []


def test_what_can_be_measured_was() -> None:
    head, *rows = tables()[0]
    for wanted in MEASURED:
        (row,) = [row for row in rows if row[0].replace("**", "").startswith(wanted)]
        for way, cell in zip(head[1:], row[1:], strict=True):
            assert re.search(r"\d", cell) or way in UNMEASURED.get(wanted, ()), (wanted, way)


def test_the_delays_are_those_of_the_bench() -> None:
    _, measured = tables()
    names = [row[0] for row in measured[1:]]
    for name in (
        Function.name,
        Provider.name,
        "plugin in SPIRE's server",
        "SPIRE's `gcp_cloudstorage` publisher",
    ):
        assert any(each.startswith(name) for each in names), name
    assert all(re.fullmatch(r"\d+\.\d{3}", cell) for row in measured[1:] for cell in row[1:])
