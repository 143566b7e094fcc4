"""Remember, in a file of the publisher's machine, the manifest that it wrote last."""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from publisher.errors import SettingsError, SinkError
from publisher.ports import Deadline
from publisher.quoting import quote
from publisher.sinks import files

_TRIES = 100
_BETWEEN_TRIES = 0.02


class StateFile:
    """Keep one manifest; public data, mode 0644. The folder must exist and be the publisher's own.

    The last part of the path may be no symbolic link; its folder may lie behind one, as systemd's state
    directories do.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._where = f"state file {quote(str(path))}"
        self._lock_name = f"{files.MARK}.{path.name}.lock"

    @property
    def location(self) -> str:
        """Name the file as `state file '/path'`."""
        return self._where

    def recall(self) -> bytes | None:
        """Give the manifest that was remembered last; None: nothing yet.

        Raises:
            SettingsError: the folder is missing, or the file not readable, too large, a link.

        """
        try:
            with self._folder() as folder, files.translated(self._where):
                return files.read(folder, self._path.name, where=self._where)
        except SinkError as error:
            raise SettingsError(error.where, error.what, error.remedy) from error

    def remember(self, manifest: bytes) -> None:
        """Replace what is remembered, atomically and durably; of two at once the last one stays.

        Raises:
            SinkUnavailableError: the disk is full or failed, or another run kept the file for 2 s.
            SinkSettingsError: the folder is missing or read-only.

        """
        name = self._path.name
        with (
            self._folder() as folder,
            # Several publications keep their state files in one folder: a lock for each file.
            files.locked(folder, self._lock_name, where=self._where, wait=_patience()),
            files.translated(self._where),
        ):
            # Renaming would silently take the place of a link or pipe: ask first what is there.
            files.read(folder, name, where=self._where)
            files.replace(folder, name, manifest)

    def rehearse(self, deadline: Deadline) -> None:  # noqa: ARG002 - nothing here waits
        """Raise what `remember` would, as far as that can be told without writing.

        Raises:
            SinkSettingsError: the folder is missing, or it or the lock in it may not be written.

        """
        with self._folder() as folder:
            files.rehearse(folder, self._lock_name, where=f"folder of the {self._where}")

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
