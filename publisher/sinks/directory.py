"""Publish into a directory that a web server of the operator's serves."""

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from publisher.errors import SinkConflictError, SinkSettingsError
from publisher.findings import Finding
from publisher.ports import Deadline
from publisher.publication.document_set import Document, StoredObject
from publisher.quoting import quote
from publisher.sinks import files

_LOCK_NAME = f"{files.MARK}.lock"
_BETWEEN_TRIES = 0.02


class DirectorySink:
    """Keep the objects as files; the directory is the issuer's root.

    The directory must exist; folders below it are made. A write holds an exclusive lock on a file of the
    directory while it compares and replaces, so several publishers on one machine may share it. Below
    the directory no symbolic link is followed. A generation is the SHA-256 of the content; there are no
    headers: they are the web server's.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._named = f"directory {quote(str(path))}"
        self._asked: dict[str, None] = {}

    @property
    def location(self) -> str:
        """Name the directory."""
        return str(self._path)

    @property
    def public_urls(self) -> tuple[str, ...]:
        """Give none: only the web server's settings know."""
        return ()

    def read(self, path: str, deadline: Deadline) -> StoredObject | None:  # noqa: ARG002 - the disk has none
        """Read one file whole; None: it, or its folder, is not there.

        A rename is atomic, so reading needs no lock: a reader without write permission can check.

        Raises:
            SinkSettingsError: the directory is missing, or the file not readable, too large, a link.
            SinkUnavailableError: the disk failed.

        """
        where = self._where(path)
        self._asked[path] = None
        with self._root() as root, files.translated(where):
            return _stored(root, path, where)

    def write(self, document: Document, replaces: StoredObject | None, deadline: Deadline) -> StoredObject:
        """Replace one file if its content still is what it `replaces`.

        Raises:
            SinkConflictError: another content is there, or none where there was one.
            SinkUnavailableError: the lock stayed taken until the deadline, or the disk is full.
            SinkSettingsError: the directory is missing, read-only, or holds a symbolic link.

        """
        where = self._where(document.path)
        *folders, name = document.path.split("/")
        with (
            self._root() as root,
            files.locked(root, _LOCK_NAME, where=self._named, wait=_patience(deadline)),
            files.translated(where),
        ):
            current = _stored(root, document.path, where)
            if (current and current.generation) != (replaces and replaces.generation):
                what = "somebody else changed it meanwhile"
                raise SinkConflictError(where, what, "run again; have one publisher per directory")
            with files.made_folder(root, folders) as folder:
                files.replace(folder, name, document.body)
        return _object(document.path, document.body)

    def rehearse(self, deadline: Deadline) -> None:  # noqa: ARG002 - nothing here waits
        """Raise what writing the paths that were read would, as far as can be told without writing.

        Raises:
            SinkSettingsError: the directory is missing, or it, its lock or a folder below may not be written.

        """
        with self._root() as root:
            files.rehearse(root, _LOCK_NAME, where=self._named)
            for path in self._asked:
                *folders, _ = path.split("/")
                with files.translated(self._where(path)), files.existing_folder(root, folders) as folder:
                    if folder is not None:
                        files.require_writable(folder)

    def findings(self) -> tuple[Finding, ...]:
        """Report nothing: a directory has no settings of its own."""
        return ()

    def _where(self, path: str) -> str:
        """Name a file, and refuse a path that leaves the directory or is the lock's."""
        where = f"file {quote(str(self._path / path))}"
        parts = path.split("/")
        if any(part in {"", ".", ".."} or part.startswith(files.MARK) for part in parts):
            what = "is no path of a document below the directory"
            raise SinkSettingsError(where, what, "choose another path")
        return where

    @contextmanager
    def _root(self) -> Iterator[int]:
        with files.translated(self._named):
            root = files.open_folder(self._path)
        try:
            yield root
        finally:
            os.close(root)


def _patience(deadline: Deadline) -> Callable[[], bool]:
    def wait() -> bool:
        if deadline.passed:
            return False
        deadline.clock.sleep(min(_BETWEEN_TRIES, deadline.remaining()))
        return True

    return wait


def _stored(root: int, path: str, where: str) -> StoredObject | None:
    *folders, name = path.split("/")
    with files.existing_folder(root, folders) as folder:
        body = None if folder is None else files.read(folder, name, where=where)
    return None if body is None else _object(path, body)


def _object(path: str, body: bytes) -> StoredObject:
    return StoredObject(path=path, body=body, generation=hashlib.sha256(body).hexdigest(), headers=None)
