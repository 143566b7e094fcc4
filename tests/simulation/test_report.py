"""What a long run prints, and how it ends."""

import pytest

from tests.simulation import __main__ as command
from tests.simulation import plan, report
from tests.simulation.ledger import Figures, Longest


def _figures() -> Figures:
    figures = Figures(worlds=1, seconds=86_400, rotations=1_234, runs=10, presented=8, bound=42)
    figures.refused["jose", "a server's first boot"] = 2
    figures.accepted["PyJWT"] = Longest(raw=400, net=300, count=3)
    figures.writes["keys"] = 7
    return figures


def test_the_tables_show_every_figure() -> None:
    shown = report.tables({"calm": _figures()})
    assert "| `calm` | 1 | 1 | 1,234 | 0 | 10 | 8 | 2 | 0 |" in shown
    assert "| a server's first boot | 2 | 0 | 0 | 0 |" in shown
    assert "| 300 (400) |" in shown
    assert "| `calm` | 1 | 7.0 | 0.0 | 0.0 | - |" in shown


def test_a_violation_ends_with_1_and_says_how_to_replay_it(capsys: pytest.CaptureFixture[str]) -> None:
    assert command._end({"calm": _figures()}, []) == 0
    assert command._end({"calm": _figures()}, ["two agents 7 at 12.5 s: broken"]) == 1
    assert "python -m tests.simulation --world 'two agents' --seed 7 --trace" in capsys.readouterr().out


def test_the_jobs_of_a_long_run_are_all_worlds_and_seeds() -> None:
    assert len(plan.jobs()) == sum(plan.SEEDS.values())
    assert plan.jobs("calm", [9]) == [("calm", 9)]
