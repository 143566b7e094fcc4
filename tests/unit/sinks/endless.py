"""Write a directory for ever, for a test that kills whoever does it."""

import itertools
from datetime import timedelta
from pathlib import Path

from publisher.publication.document_set import Document
from publisher.sinks.directory import DirectorySink
from tests.emulator.clock import soon


def write(path: Path) -> None:
    """Replace the document again and again by another one byte, 200,000 times that byte."""
    sink = DirectorySink(path)
    found = sink.read("keys", soon())
    for number in itertools.count():
        body = bytes([number % 256]) * 200_000
        found = sink.write(Document.of("keys", body, max_age=timedelta(seconds=60)), found, soon())
        if number == 0:
            print("+", flush=True)  # noqa: T201 - the parent waits for it
