"""What the tests of the bucket sink write, and the time that they give it."""

from collections.abc import Callable
from datetime import timedelta

from publisher.ports import Deadline
from publisher.publication.document_set import Document
from publisher.sinks.gcs import GcsSink
from tests.doubles import StoppedClock

ISSUER = "https://issuer.example"
BODY = b'{"keys":[]}'
FIRST = Document.of("keys", BODY, max_age=timedelta(seconds=60))
SECOND = Document.of("keys", b'{"keys":[1]}', max_age=timedelta(seconds=60))

Opener = Callable[[str], GcsSink]


def hurried(seconds: float = 30) -> Deadline:
    """A deadline by a clock that sleeps without waiting: pauses between retries cost the tests nothing."""
    return Deadline(StoppedClock(), seconds)
