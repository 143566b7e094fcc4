"""The metrics of one run of `publish`: what each publication came to, into the file of `--metrics-file`."""

import logging
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from publisher import __version__
from publisher.cli.session import Ended, Session
from publisher.errors import PublisherError
from publisher.metrics_output.output import MetricsOutput
from publisher.settings.targets import PublishTarget
from publisher.use_cases.publish import Outcome
from publisher.use_cases.standing import Standing

_LOG = logging.getLogger(__name__)


class RunMetrics:
    """Measure the work on each publication, and write what is known of all once they have ended."""

    def __init__(self) -> None:
        self._seconds: dict[int, float] = {}

    @contextmanager
    def timed(self, settings: PublishTarget) -> Iterator[None]:
        """Measure the block as the work on this publication; safe in several threads."""
        began = time.monotonic()
        try:
            yield
        finally:
            self._seconds[id(settings)] = time.monotonic() - began

    def write(self, ended: Sequence[Ended[PublishTarget, Outcome]], session: Session) -> None:
        """Write the file, if there is to be one; a dry run writes nothing.

        A file that cannot be written is a warning in the log and changes no exit status: the documents are
        out, and the file's age tells its reader. What the file says of the publications that `--publication`
        left out stays in it.
        """
        if session.run.metrics_file is None or session.run.dry_run:
            return
        output = MetricsOutput(
            version=__version__, watching=False, file=session.run.metrics_file, complain=warn
        )
        standings = [self._standing(one, session) for one in ended]
        output.update(standings, others=session.run.publication is not None)

    def _standing(self, one: Ended[PublishTarget, Outcome], session: Session) -> Standing:
        now = session.wiring.clock.now()
        target = one.settings
        # Work that was left behind at the deadline has had all the time of the run.
        took = 0.0 if target is None else self._seconds.get(id(target), session.deadline.seconds)
        return Standing(
            name=one.name,
            issuer="" if target is None else target.documents.issuer.url,
            place="" if target is None else target.sink.uri,
            started_at=now,
        ).after(one.result, at=now, seconds=took)


def warn(error: PublisherError) -> None:
    """Log why metrics were not written, as a warning."""
    _LOG.warning("%s; metrics were not written, publishing goes on", error)
