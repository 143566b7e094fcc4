"""The table of docs/faults.md: made of what was seen, and read back to be compared with it."""

from collections.abc import Sequence

from tests.docs.pages import page
from tests.faults.catalogue import FAULTS
from tests.faults.cells import Cell, Seen
from tests.faults.places import NAMES, Action

PAGE = "docs/faults.md"
_ACTIONS = {Action.READ: "at a read", Action.WRITE: "at a write", Action.READ_BACK: "at reading back"}
COLUMNS = (
    "fault",
    *(f"{how} {where}" for how in ("once", "lasting") for where in _ACTIONS.values()),
    "next run",
)

Table = dict[str, tuple[str, ...]]
"""The cells behind each fault's name, in the order of `COLUMNS`."""


def made_of(seen: Sequence[Seen]) -> Table:
    """Sum up: one row for a fault, one cell for each kind of place."""
    return {fault: tuple(_row([one for one in seen if one.cell.fault == fault])) for fault in FAULTS}


def written(table: Table) -> str:
    """Write the table as Markdown."""
    rows = [COLUMNS, ("---",) * len(COLUMNS), *((name, *cells) for name, cells in table.items())]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def on_the_page() -> Table:
    """Read the table of the page."""
    lines = [line for line in page(PAGE).text.splitlines() if line.startswith("| ")]
    rows = [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in lines]
    start = rows.index(COLUMNS)
    return {name: cells for name, *rest in rows[start + 1 :] if (cells := tuple(rest)) and name in FAULTS}


def said_of(cell: Cell) -> str:
    """Give what the page says of one cell."""
    words = on_the_page()[cell.fault][
        len(_ACTIONS) * cell.is_lasting + list(_ACTIONS).index(cell.place.action)
    ]
    for part in words.split("; "):
        names, _, outcome = part.rpartition(": ")
        if not names or NAMES[cell.place.number] in names.split(" and "):
            return outcome
    raise AssertionError(words)


def _row(seen: Sequence[Seen]) -> list[str]:
    cells = [
        _cell([one for one in seen if one.cell.is_lasting is is_lasting and one.cell.place.action is action])
        for is_lasting in (False, True)
        for action in _ACTIONS
    ]
    ended = {f"{one.second['exit_status']}, published" for one in seen}
    return [*cells, "; ".join(sorted(ended))]


def _cell(seen: Sequence[Seen]) -> str:
    outcomes: dict[str, list[str]] = {}
    for one in seen:
        outcomes.setdefault(one.outcome, []).append(NAMES[one.cell.place.number])
    if len(outcomes) == 1:
        return next(iter(outcomes))
    return "; ".join(f"{' and '.join(names)}: {outcome}" for outcome, names in outcomes.items())
