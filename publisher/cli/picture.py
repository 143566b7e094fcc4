"""Write a picture to a file, whole or not at all."""

import contextlib
import os
import tempfile
from pathlib import Path

from publisher.errors import ExitStatus, PublisherError
from publisher.quoting import quote

_MODE = 0o644


class PictureError(PublisherError):
    """Report a picture that was not written: 78 where a folder is missing or forbidden, else 75."""

    exit_status = ExitStatus.TEMPORARY


class PictureSettingsError(PictureError):
    """Report a place that can hold no picture."""

    exit_status = ExitStatus.SETTINGS


def write_picture(path: Path, body: bytes) -> None:
    """Replace the file at `path`, readable by everybody; a reader sees the old picture or the new one.

    Raises:
        PictureError: it was not written; what was there still is.

    """
    try:
        number, name = tempfile.mkstemp(prefix=f".{path.name[:100]}.", dir=path.parent)
        try:
            with os.fdopen(number, "wb") as file:
                file.write(body)
                os.fchmod(number, _MODE)
            os.replace(name, path)  # noqa: PTH105 (both are plain names)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(name)  # noqa: PTH108
            raise
    except OSError as error:
        settings = isinstance(
            error, PermissionError | FileNotFoundError | NotADirectoryError | IsADirectoryError
        )
        kind = PictureSettingsError if settings else PictureError
        raise kind(
            f"--picture {quote(str(path))}",
            f"cannot be written ({quote(error.strerror)})",
            "give a path in a folder that exists and that you may write to",
        ) from error
