"""Render how the publications stand, and write it where it is read."""

import threading
from collections.abc import Callable, Iterable
from pathlib import Path

from publisher.errors import PublisherError
from publisher.metrics_output.textfile import MetricsFile
from publisher.serving.exposition import read_samples
from publisher.use_cases.metrics import Samplings, render_metrics, sample
from publisher.use_cases.standing import Standing


class MetricsOutput:
    """Hold the metrics of a process; safe to use from several threads.

    `watching`: a process that stays and counts; else a run of its own. `file` is where they are written,
    None: nowhere. `complain` is told why that failed, once for each reason in a row: metrics that cannot be
    written stop no publication and change no exit status.
    """

    def __init__(
        self, *, version: str, watching: bool, file: Path | None, complain: Callable[[PublisherError], None]
    ) -> None:
        self._version = version
        self._watching = watching
        self._file = None if file is None else MetricsFile(file)
        self._complain = complain
        self._complaint: str | None = None
        self._lock = threading.Lock()
        # What a process before this one wrote: a restart must not erase when publishing last worked.
        self._told: Samplings = read_samples(self._file.read()) if self._file and watching else {}
        self._text = b""

    def update(self, standings: Iterable[Standing], *, others: bool = False) -> None:
        """Render all publications of the process, and write them.

        `others`: what the file says of publications that are not among these stays in it.
        """
        standings = tuple(standings)
        with self._lock:
            if self._file is None:
                self._tell(standings, self._told, others=False)
                return
            try:
                self._file.replace(lambda old: self._renewed(standings, old, others=others))
            except PublisherError as error:
                self._tell(standings, self._told, others=False)
                if str(error) != self._complaint:
                    self._complaint = str(error)
                    self._complain(error)
            else:
                self._complaint = None

    def text(self) -> bytes:
        """Give what was rendered last; nothing before the first `update`."""
        return self._text

    def _renewed(self, standings: tuple[Standing, ...], old: bytes, *, others: bool) -> bytes:
        # A process that stays remembers by itself; the file is only for those that do not.
        earlier = self._told if self._watching and not others else read_samples(old)
        self._tell(standings, earlier, others=others)
        return self._text

    def _tell(self, standings: tuple[Standing, ...], earlier: Samplings, *, others: bool) -> None:
        self._told = sample(
            standings, version=self._version, watching=self._watching, earlier=earlier, others=others
        )
        self._text = render_metrics(self._told)
