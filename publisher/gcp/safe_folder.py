"""Open a folder for credentials, and refuse one in which another user could put files of his own."""

import os
import stat
from pathlib import Path

from publisher.errors import SinkSettingsError
from publisher.quoting import quote

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_OTHERS = stat.S_IWGRP | stat.S_IWOTH


def open_safe_folder(path: str) -> int:
    """Open an existing folder by its absolute path, for files below it by descriptor.

    It belongs to this process's user or to root, nobody else may write in it, and it is no symbolic link.
    Nobody else can rename a folder above it: each of them belongs to one of the two as well and is written
    by its owner only, or has the sticky bit (as /tmp has). Links above it are followed first.

    Raises:
        SinkSettingsError: one of these does not hold.
        OSError: no such folder, no folder, a symbolic link, or not accessible.

    """
    folder = os.open(path, _OPEN)
    try:
        _refuse_shared(path, os.fstat(folder), sticky=False)
        for above in Path(path).parent.resolve(), *Path(path).parent.resolve().parents:
            _refuse_shared(str(above), above.stat(), sticky=True)
    except BaseException:
        os.close(folder)
        raise
    return folder


def _refuse_shared(path: str, found: os.stat_result, *, sticky: bool) -> None:
    where = f"folder {quote(path)}"
    if found.st_uid not in {os.geteuid(), 0}:
        raise SinkSettingsError(
            where,
            f"belongs to uid {found.st_uid}, who could put other credentials there",
            f"choose a folder below those of uid {os.geteuid()} or root",
        )
    if found.st_mode & _OTHERS and not (sticky and found.st_mode & stat.S_ISVTX):
        raise SinkSettingsError(
            where,
            f"can be written by others than its owner (mode {stat.S_IMODE(found.st_mode):04o})",
            "chmod go-w it; on a volume that one does not own (an emptyDir), set the sticky bit (chmod 1777) "
            "and choose a folder below it",
        )
