"""Open the folder that `gcp svid-files` keeps: made if need be, checked, and locked."""

import grp
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from publisher.errors import SettingsError
from publisher.gcp.safe_folder import open_safe_folder
from publisher.gcp.svid_folder import SvidFolder
from publisher.quoting import quote
from publisher.sinks import files

LOCK = ".svid-files.lock"


@contextmanager
def opened_svid_folder(
    path: str, *, seen_at: str | None, group: str | None, wait: Callable[[], bool]
) -> Iterator[SvidFolder]:
    """Open the folder at an absolute path and hold its lock inside the block.

    Its last part is made if it is absent: for its owner (0700), or for `group` to search as well (0750). A
    folder that is there keeps its mode. `wait` sleeps a little and tells whether to try for the lock again.

    Raises:
        SettingsError: there is no such group.
        SinkSettingsError: others may write there, a symbolic link, missing above it, or not accessible.
        SinkUnavailableError: another process keeps this folder.

    """
    where = f"folder {quote(path)}"
    number = None if group is None else _group(group)
    with files.translated(where):
        _make(path, number)
        descriptor = open_safe_folder(path)
    try:
        with files.locked(descriptor, LOCK, where=where, wait=wait):
            yield SvidFolder(descriptor=descriptor, path=path, seen_at=seen_at or path, group=number)
    finally:
        os.close(descriptor)


def _make(path: str, group: int | None) -> None:
    folder = Path(path)
    if folder.is_symlink() or folder.exists():  # what it is shows when it is opened
        return
    # It gets its name last: a killed run leaves none that the group may not search.
    unfinished = folder.with_name(f".{folder.name}.unfinished")
    with suppress(FileNotFoundError):
        unfinished.rmdir()
    unfinished.mkdir(mode=0o700)
    if group is not None:
        os.chown(unfinished, -1, group, follow_symlinks=False)
        unfinished.chmod(0o750)
    unfinished.rename(folder)


def _group(name: str) -> int:
    if name.isascii() and name.isdigit() and len(name) < 10:  # noqa: PLR2004 (a number below 2^31)
        return int(name)
    try:
        return grp.getgrnam(name).gr_gid
    except KeyError as error:
        raise SettingsError(
            f"group {quote(name)}", "is none of this machine", "name the group that the workload is in"
        ) from error
