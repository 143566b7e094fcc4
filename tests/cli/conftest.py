import logging
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.cli.running import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    there = Place(folder=tmp_path)
    there.sink.mkdir()
    there.has("one", "two")
    return there


@pytest.fixture
def readable() -> Iterator[Place]:
    """A place as above that every user of this machine may read: pytest's own folders are private."""
    with tempfile.TemporaryDirectory() as name:
        there = Place(folder=Path(name))
        there.folder.chmod(0o755)
        there.sink.mkdir()
        there.has("one", "two")
        yield there


@pytest.fixture(autouse=True)
def own_logs() -> Iterator[None]:
    """Take back what a run in this process does to the process's logging."""
    root, ours = logging.getLogger(), logging.getLogger("publisher")
    before = root.handlers[:], root.level, ours.level, logging.raiseExceptions
    yield
    root.handlers[:], level, our_level, logging.raiseExceptions = before
    root.setLevel(level)
    ours.setLevel(our_level)
    logging.captureWarnings(capture=False)
