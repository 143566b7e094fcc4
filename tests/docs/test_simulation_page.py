"""`docs/simulation.md` shows a whole run, and says of it what the code does.

The figures are those of the run that wrote them, too long to repeat here: held to are worlds, seeds, how many
rotations, that nothing was violated, and that every cause in the table is explained below it.
"""

from tests.docs.pages import page
from tests.simulation.mutants import MUTANTS
from tests.simulation.plan import ROTATIONS, SEEDS
from tests.simulation.report import BEGIN, END, PARTIES
from tests.simulation.workloads import VIOLATION
from tests.simulation.worlds import WORLDS

PAGE = page("docs/simulation.md")
GENERATED = PAGE.text.partition(BEGIN)[2].partition(END)[0]
ROWS = [[cell.strip() for cell in line.strip("|").split("|")] for line in GENERATED.strip().splitlines()]
TEXT = " ".join(PAGE.text.split())


def _rows(first: str) -> list[list[str]]:
    """Give the rows below the header that begins so, up to the next table."""
    at = next(number for number, row in enumerate(ROWS) if row[0] == first)
    below = ROWS[at + 2 :]
    return below[: below.index([""])] if [""] in below else below


def test_the_page_shows_a_whole_run_of_every_world() -> None:
    shown = {row[0].strip("`*"): row for row in _rows("world")}
    assert [*shown] == [*(spec.name for spec in WORLDS), "all"]
    assert {name: int(shown[name][1]) for name in SEEDS} == SEEDS
    assert int(shown["all"][3].replace(",", "")) >= ROTATIONS


def test_nothing_was_violated() -> None:
    assert {row[-1] for row in _rows("world")} == {"0"}
    assert VIOLATION not in GENERATED


def test_every_cause_is_explained() -> None:
    causes = [row[0] for row in _rows("valid tokens refused because of")]
    assert len(causes) > 3
    explained = TEXT.partition("## What they mean")[2].lower()
    assert [
        cause for cause in causes if cause.split(" (")[0].split(":")[0].lower()[:24] not in explained
    ] == []


def test_every_relying_party_and_every_broken_world_is_named() -> None:
    assert [party for party in PARTIES if f"*{party}*" not in TEXT] == []
    assert len(MUTANTS) >= 5
    assert "tests/simulation/mutants.py" in TEXT
