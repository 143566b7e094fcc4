"""Fetch the bundle from a file, or from standard input."""

import errno
import io
import os
import select
import stat
import sys

from publisher import strict_json
from publisher.bundle.fetched import Fetched, SourceKind
from publisher.bundle.formats import parse_file
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import SourceSettingsError, SourceUnavailableError
from publisher.ports import Deadline
from publisher.quoting import quote

STANDARD_INPUT = "-"
"""The path that means standard input."""

_CHUNK = 64 * 1024
_NOT_A_FILE = frozenset({errno.ELOOP, errno.ENAMETOOLONG, errno.ENXIO, errno.ENODEV})
_SETTING = "set --source file: to a JWKS, a SPIFFE bundle or the output of spire-agent api fetch jwt"


class FileSource:
    """Implement `ports.Source` over a regular file, or standard input where `path` is `-`.

    Takes what `bundle.formats.parse_file` takes. Nothing is retried: a file is there or not.
    """

    def __init__(self, path: str, trust_domain: TrustDomain | None) -> None:
        self._path = path
        self._wanted = trust_domain

    def fetch(self, deadline: Deadline) -> Fetched:
        """Read and parse the file; of more than 4 MiB, only as much as shows that.

        Raises:
            SourceSettingsError: missing, forbidden, or not a regular file.
            SourceUnavailableError: not readable just now, or an input that does not end before the deadline.
            BundleError: its content.

        """
        data = self.read(deadline)
        bundle, findings = parse_file(data, trust_domain=self._wanted, where=self.where)
        return Fetched(bundle=bundle, source=SourceKind.FILE, findings=findings)

    @property
    def where(self) -> str:
        """Name the place, as every error does."""
        return "standard input" if self._path == STANDARD_INPUT else f"file {quote(self._path)}"

    def read(self, deadline: Deadline) -> bytes:
        """Read it, unparsed; of more than 4 MiB, only as much as shows that.

        Raises:
            SourceSettingsError: missing, forbidden, or not a regular file.
            SourceUnavailableError: not readable just now, or an input that does not end before the deadline.

        """
        if self._path == STANDARD_INPUT:
            return _read_standard_input(self.where, deadline)
        return _read_file(self._path, self.where, deadline)


def _read_file(path: str, where: str, deadline: Deadline) -> bytes:
    try:
        # Without O_NONBLOCK, opening a FIFO waits for somebody to write to it.
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
        try:
            mode = os.fstat(descriptor).st_mode
            if not stat.S_ISREG(mode):
                kind = "a directory" if stat.S_ISDIR(mode) else "no regular file"
                raise SourceSettingsError(where, f"is {kind}", f"{_SETTING}, or pipe it into file:-")
            return _drain(descriptor, where, deadline)
        finally:
            os.close(descriptor)
    except (FileNotFoundError, NotADirectoryError) as error:
        raise SourceSettingsError(where, "is not there", _SETTING) from error
    except PermissionError as error:
        raise SourceSettingsError(
            where,
            f"the user of uid {os.geteuid()} may not read it",
            "let that user read it, and search the folders above it",
        ) from error
    except ValueError as error:  # a NUL in the path
        raise SourceSettingsError(where, "is not a path", _SETTING) from error
    except OSError as error:
        if error.errno in _NOT_A_FILE:
            raise SourceSettingsError(where, f"is not a file ({error.strerror})", _SETTING) from error
        raise SourceUnavailableError(
            where, f"cannot be read ({error.strerror})", "look at the disk, or try again"
        ) from error


def _read_standard_input(where: str, deadline: Deadline) -> bytes:
    if sys.stdin is None or sys.stdin.closed:
        raise SourceSettingsError(where, "is closed", "redirect a file to it")
    try:
        descriptor = sys.stdin.fileno()
    except io.UnsupportedOperation:  # an object in memory, which keeps nobody waiting
        return sys.stdin.buffer.read(strict_json.LARGEST + 1)
    try:
        return _drain(descriptor, where, deadline)
    except (OSError, ValueError) as error:
        raise SourceSettingsError(
            where, f"cannot be read ({quote(error)})", "redirect a file to it"
        ) from error


def _drain(descriptor: int, where: str, deadline: Deadline) -> bytes:
    """Read to the end of the input, or until it is too large, or until the deadline."""
    data = bytearray()
    while len(data) <= strict_json.LARGEST:
        ready, _, _ = select.select([descriptor], [], [], deadline.remaining())
        if not ready or deadline.passed:
            raise SourceUnavailableError(
                where, "did not end in time", "end the program that writes to it, or raise --timeout"
            )
        chunk = os.read(descriptor, _CHUNK)
        if not chunk:
            break
        data += chunk
    return bytes(data)
