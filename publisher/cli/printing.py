"""Standard output: written whole, or the run says why not."""

import os
import re
import sys
from collections.abc import Mapping
from typing import TextIO

from publisher.errors import ExitStatus, PublisherError
from publisher.quoting import quote

_PLAIN = re.compile(r"[A-Za-z0-9._~:/@+-]{1,120}", re.ASCII)
_CODES = {"+": "32", "-": "31", "!": "33", "=": "2"}


class OutputError(PublisherError):
    """Report that standard output did not take what was printed, e.g. because its disk is full."""

    exit_status = ExitStatus.TEMPORARY


def put(text: str | bytes) -> None:
    """Write to standard output, now. A reader that went away, or none from the start, is no failure.

    Raises:
        OutputError: any other failure to write.

    """
    if sys.stdout is None:  # closed by whoever started us
        return
    try:
        if isinstance(text, str):
            sys.stdout.write(text)
        else:
            sys.stdout.flush()
            sys.stdout.buffer.write(text)
        sys.stdout.flush()
    except BrokenPipeError:
        silence(sys.stdout)
    except OSError as error:
        silence(sys.stdout)
        raise OutputError(
            "standard output", f"was not written ({quote(error.strerror)})", "make room, and run again"
        ) from error


def silence(stream: TextIO) -> None:
    """Let everything still buffered go nowhere, so that the interpreter's own last flush is quiet."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, stream.fileno())
    finally:
        os.close(nowhere)


def is_coloured(stream: TextIO | None, environment: Mapping[str, str]) -> bool:
    """Tell whether to use colour: on a terminal, unless NO_COLOR is set to anything (no-color.org)."""
    if stream is None or not stream.isatty():
        return False
    return not environment.get("NO_COLOR") and environment.get("TERM") != "dumb"


def colour(mark: str, text: str, *, coloured: bool) -> str:
    """Colour a line by its mark (`+ - ! =`)."""
    return f"\x1b[{_CODES[mark]}m{text}\x1b[0m" if coloured and mark in _CODES else text


def bare(text: str) -> str:
    """Show outside text without quotes where it is plain, else as `quote` does: a `kid`, mostly."""
    return text if _PLAIN.fullmatch(text) else quote(text)
