from collections.abc import Iterator

import pytest

from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.fixtures import bucket, emulator, fault_proxy
from tests.emulator.server import Emulator
from tests.faults.cells import Runs, Seen, all_cells
from tests.faults.publishing import Publisher
from tests.faults.store import Store
from tests.faults.table import said_of

__all__ = ["bucket", "emulator", "fault_proxy"]


MOST_AGAIN = 0.05
"""The most cells, as a part of all, that may need more time."""


_again: list[str] = []


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Name the cells that were given more time: a test that passes says nothing else of them."""
    for cell in _again:
        terminalreporter.write_line(f"fault run again with more time: {cell}")


@pytest.fixture
def publisher(emulator: Emulator, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Publisher:
    return Publisher(folder=tmp_path_factory.mktemp("files"), store=Store(emulator=emulator, bucket=bucket))


@pytest.fixture(scope="session")
def runs(emulator: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    emulator.make_bucket("every-fault")
    store = Store(emulator=emulator, bucket="every-fault")
    return Runs(publisher=Publisher(folder=tmp_path_factory.mktemp("faults"), store=store))


@pytest.fixture(scope="session")
def seen(runs: Runs) -> list[Seen]:
    """Every cell, run once for all tests of this folder.

    On a busy machine some runs meet their time limit before their fault. So what comes out otherwise than the
    page says is given more time, once, and named: what is wrong stays wrong, and few may need it.
    """
    once = runs.run(all_cells())
    late = [one.cell for one in once if not one.struck or one.outcome != said_of(one.cell)]
    _again.extend(str(cell) for cell in late)
    assert len(late) <= MOST_AGAIN * len(once), f"{len(late)} of {len(once)} cells are not as the page says"
    again = {one.cell: one for one in runs.run(late, patience=4)} if late else {}
    return [again.get(one.cell, one) for one in once]


@pytest.fixture
def proxy(fault_proxy: FaultProxy) -> Iterator[FaultProxy]:
    yield fault_proxy
    fault_proxy.forget()
