"""Read files that others name: what is no regular file, a pipe for one, could hang the reader for ever."""

import errno
import stat
from pathlib import Path


def read_regular(path: Path, largest: int) -> bytes:
    """Read the first `largest` bytes of a regular file; symbolic links are followed.

    Raises:
        OSError: it cannot be read, or is something else than a regular file; `filename` is the path.

    """
    # Before it is opened: opening a pipe waits for its writer, and opening a device may do anything.
    if not stat.S_ISREG(path.stat().st_mode):
        raise OSError(errno.EINVAL, "it is no regular file", str(path))
    with path.open("rb") as opened:
        return opened.read(largest)
