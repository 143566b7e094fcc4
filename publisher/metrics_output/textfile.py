"""The metrics file: replaced whole, read back tolerantly."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from publisher.errors import PublisherError
from publisher.quoting import quote
from publisher.sinks import files

_TRIES = 50
_BETWEEN_TRIES = 0.02


class MetricsFile:
    """Keep metrics in one file of mode 0644, whatever the umask: the node exporter is another user.

    The last part of the path may be no symbolic link; its folder may lie behind one. What is unfinished, and
    the lock, are hidden files beside it that do not end in `.prom`, so the node exporter never reads them.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._where = f"metrics file {quote(str(path))}"
        self._lock_name = f"{files.MARK}.{path.name}.lock"

    def replace(self, renew: Callable[[bytes], bytes]) -> None:
        """Put what `renew` makes of the old content in its place, atomically; `b""`: there is none.

        Of two at once the second is given what the first has written.

        Raises:
            SinkSettingsError: the folder is missing or read-only, or a link or pipe has the file's name.
            SinkUnavailableError: the disk is full or failed, or another run kept the file for a second.

        """
        with (
            self._folder() as folder,
            files.locked(folder, self._lock_name, where=self._where, wait=_patience()),
            files.translated(self._where),
        ):
            files.replace(folder, self._path.name, renew(self._content(folder)))

    def read(self) -> bytes:
        """Give the content; nothing where it is absent or unreadable."""
        try:
            with self._folder() as folder, files.translated(self._where):
                return self._content(folder)
        except PublisherError:
            return b""

    def _content(self, folder: int) -> bytes:
        # Renaming would silently take the place of a link or pipe: whoever made one meant something by it.
        return files.read(folder, self._path.name, where=self._where) or b""

    @contextmanager
    def _folder(self) -> Iterator[int]:
        with files.translated(f"folder of the {self._where}"):
            folder = files.open_folder(self._path.parent)
        try:
            yield folder
        finally:
            os.close(folder)


def _patience() -> Callable[[], bool]:
    tries = iter(range(_TRIES))

    def wait() -> bool:
        time.sleep(_BETWEEN_TRIES)
        return next(tries, None) is not None

    return wait
