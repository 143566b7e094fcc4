"""The tables of a run, and the generated part of docs/simulation.md."""

import re
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from tests.simulation.ledger import Figures, Longest
from tests.simulation.spire import DAY
from tests.simulation.worlds import BY_NAME
from tests.worlds import CONFIGURATION, JWKS, MANIFEST

PAGE = Path(__file__).parents[2] / "docs/simulation.md"
BEGIN, END = "<!-- generated: python -m tests.simulation --report -->", "<!-- end of generated -->"

PARTIES = ("jose", "go-oidc", "PyJWT", "function")


def write(by_world: Mapping[str, Figures]) -> None:
    """Replace the generated part of the page."""
    page = PAGE.read_text()
    between = re.compile(f"{re.escape(BEGIN)}.*{re.escape(END)}", re.DOTALL)
    PAGE.write_text(between.sub(lambda _match: f"{BEGIN}\n\n{tables(by_world)}\n{END}", page))


def tables(by_world: Mapping[str, Figures]) -> str:
    total = Figures()
    for figures in by_world.values():
        total.merge(figures)
    parts = (_summary(by_world, total), _exposure(by_world, total), _refused(total), _writes(by_world, total))
    return "\n".join(parts)


def _summary(by_world: Mapping[str, Figures], total: Figures) -> str:
    rows = [_summary_row(f"`{name}`", figures) for name, figures in by_world.items()]
    return _table(
        (
            "world",
            "seeds",
            "days",
            "rotations",
            "with margin",
            "runs",
            "tokens shown",
            "valid, refused",
            "violations",
        ),
        [*rows, _summary_row("**all**", total)],
    )


def _summary_row(name: str, figures: Figures) -> tuple[str, ...]:
    return (
        name,
        f"{figures.worlds}",
        f"{figures.seconds / DAY:,.0f}",
        f"{figures.rotations:,}",
        f"{figures.lead_held:,}",
        f"{figures.runs:,}",
        f"{figures.presented:,}",
        f"{figures.refused.total():,}",
        f"{len(figures.violations)}",
    )


def _exposure(by_world: Mapping[str, Figures], total: Figures) -> str:
    header = ("world", "bound", "new key readable", "revoked key gone", "came back", "no pair", *PARTIES)
    rows = [_exposure_row(f"`{name}`", figures) for name, figures in by_world.items()]
    return _table(header, [*rows, _exposure_row("**all**", total)])


def _exposure_row(name: str, figures: Figures) -> tuple[str, ...]:
    accepted = (figures.accepted.get(party, Longest()) for party in PARTIES)
    delays = (_seconds(figures.appeared), _seconds(figures.readable))
    after = (_seconds(one) for one in (figures.mixed, *accepted))
    return (name, f"{figures.bound:.0f}", *delays, f"{figures.came_back}", *after)


def _seconds(longest: Longest) -> str:
    if not longest.count:
        return "-"
    return (
        f"{longest.net:,.0f} ({longest.raw:,.0f})"
        if longest.raw - longest.net >= 1
        else f"{longest.net:,.0f}"
    )


def _refused(total: Figures) -> str:
    causes = sorted({cause for _, cause in total.refused})
    rows = [(cause, *(f"{total.refused.get((party, cause), 0):,}" for party in PARTIES)) for cause in causes]
    return _table(("valid tokens refused because of", *PARTIES), rows)


def _writes(by_world: Mapping[str, Figures], total: Figures) -> str:
    header = ("world", "publishers", "JWKS", "configuration", "manifest", "faults and people")
    rows = [_writes_row(name, figures) for name, figures in by_world.items()]
    return _table(header, rows)


def _writes_row(name: str, figures: Figures) -> tuple[str, ...]:
    days = max(figures.seconds / DAY, 1e-9)
    written = (f"{figures.writes[path] / days:,.1f}" for path in (JWKS, CONFIGURATION, MANIFEST))
    return (f"`{name}`", f"{len(BY_NAME[name].hosts)}", *written, _events(figures.faults))


def _events(faults: Counter[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in sorted(faults.items())) or "-"


def _table(header: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [header, tuple("---" for _ in header), *rows]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
