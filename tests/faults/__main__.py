"""Print the table of docs/faults.md as the publisher makes it today: `python -m tests.faults`."""

import sys
import tempfile
from pathlib import Path

from tests.emulator.server import running_emulator
from tests.faults.cells import Runs, all_cells
from tests.faults.publishing import Publisher
from tests.faults.store import Store
from tests.faults.table import made_of, written

if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as name, running_emulator(Path(name)) as emulator:
        emulator.make_bucket("faults")
        publisher = Publisher(folder=Path(name), store=Store(emulator=emulator, bucket="faults"))
        sys.stdout.write(written(made_of(Runs(publisher=publisher).run(all_cells(), patience=2))))
