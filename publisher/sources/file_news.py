"""Listen to a file: look at it from time to time, and read nothing of it."""

import os
from collections.abc import Callable

from publisher.errors import SourceUnavailableError
from publisher.ports import Stop
from publisher.quoting import quote
from publisher.sources.file import STANDARD_INPUT
from publisher.sources.news import Pauses, Seen, poll


class FileNews:
    """Implement `ports.Listener` over a file, of which it asks the kernel every `poll_every` seconds.

    Rings when the file was written, replaced, removed or put there; links are followed. `path` is none of
    standard input, which can be read once only. What is written within one tick of the file system's clock
    (some milliseconds) and leaves the size as it was may be missed: replace the file rather than rewrite it.
    """

    def __init__(self, path: str, *, poll_every: float) -> None:
        assert path != STANDARD_INPUT  # the settings refuse it
        self._path = path
        self._every = poll_every

    def listen(self, ring: Callable[[], None], stop: Stop) -> None:
        """Ring at every change until `stop` is set."""
        poll(self._look, ring, stop, pauses=Pauses())

    def _look(self) -> Seen:
        try:
            there = os.stat(self._path)  # noqa: PTH116 (as the source opens it)
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) else str(error)
            missing = SourceUnavailableError(
                f"file {quote(self._path)}", f"cannot be looked at ({quote(reason)})", "put it there"
            )
            return Seen(value=None, next_in=self._every, missing=missing)
        # The time of the last change of the inode, too: who copies a file with its times changes no other.
        value = (there.st_dev, there.st_ino, there.st_size, there.st_mtime_ns, there.st_ctime_ns)
        return Seen(value=value, next_in=self._every)
