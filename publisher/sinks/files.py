"""Read and replace single files so that nobody, and no crash, ever sees half of one."""

import errno
import fcntl
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress

from publisher import strict_json
from publisher.errors import SinkError, SinkSettingsError, SinkUnavailableError
from publisher.quoting import quote

FILE_MODE = 0o644
FOLDER_MODE = 0o755
LOCK_MODE = 0o600
MARK = ".spire-oidc-publisher"
"""How the name of every file begins that is ours and no document: lock and unfinished writes."""

# Not O_PATH: a folder must be open for reading to be synced.
_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# O_NONBLOCK: opening a named pipe must not wait for its other end.
_EXISTING = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_LOCK = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
_NEW = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})
_WRONG_KIND = frozenset({errno.ELOOP, errno.ENOTDIR, errno.EISDIR, errno.ENXIO})
_BAD_NAME = frozenset({errno.ENOENT, errno.ENAMETOOLONG, errno.EINVAL, errno.EFBIG})


@contextmanager
def translated(where: str) -> Iterator[None]:
    """Turn what the operating system says inside the block into a sink error.

    Raises:
        SinkUnavailableError: full, or anything else that may pass.
        SinkSettingsError: missing, forbidden, read-only, a symbolic link, of the wrong kind.

    """
    try:
        yield
    except OSError as error:
        raise _sink_error(error, where) from error


def open_folder(path: str | os.PathLike[str]) -> int:
    """Open a folder by a path that the operator chose; symbolic links in it are the operator's.

    Raises:
        OSError: no such folder, or not accessible.

    """
    return os.open(path, _FOLDER)


@contextmanager
def existing_folder(root: int, folders: Iterable[str]) -> Iterator[int | None]:
    """Walk from an open folder to one below it, never through a symbolic link; None: it is not there.

    The descriptor is open inside the block.

    Raises:
        OSError: no folder, a symbolic link, or not accessible.

    """
    with ExitStack() as opened:
        try:
            folder = _walk(root, folders, opened, make=False)
        except FileNotFoundError:
            folder = None
        yield folder


@contextmanager
def made_folder(root: int, folders: Iterable[str]) -> Iterator[int]:
    """Walk in the same way, making what is absent with mode 0755, whatever the umask.

    A folder that exists is left as it is.

    Raises:
        OSError: no folder, a symbolic link, or not to be made.

    """
    with ExitStack() as opened:
        yield _walk(root, folders, opened, make=True)


@contextmanager
def locked(folder: int, name: str, *, where: str, wait: Callable[[], bool]) -> Iterator[None]:
    """Hold the exclusive lock of one file of a folder inside the block.

    `wait` sleeps a little and tells whether to try again. The file stays: removing it would let two hold it.
    Its mode is 0600, so that nobody but the publisher's user can keep it from the publisher; that user is
    the folder's owner where root makes the lock.

    Raises:
        SinkUnavailableError: somebody else held it for as long as there was patience.
        SinkSettingsError: not to be made, another user's, or a symbolic link.

    """
    where = _lock_place(where, name)
    with translated(where):
        lock = _lock_file(folder, name, where)
    try:
        while not _taken(lock, where):
            if not wait():
                what = "another publisher held it until the time was up"
                raise SinkUnavailableError(where, what, "run again; look for a publisher that hangs")
        yield
    finally:
        os.close(lock)


def rehearse(folder: int, lock: str, *, where: str) -> None:
    """Raise what locking and writing in an open folder would, as far as that can be told without writing.

    Raises:
        SinkSettingsError: the lock is another user's, or a symbolic link; the folder, or its disk, may not be
            written.

    """
    with translated(where):
        require_writable(folder)
    place = _lock_place(where, lock)
    with translated(place), suppress(FileNotFoundError):
        os.close(_existing_lock(folder, lock, place))


def require_writable(folder: int) -> None:
    """Ask whether this process may make and rename files in an open folder.

    Raises:
        OSError: it may not, or the disk is read-only.

    """
    if os.fstatvfs(folder).f_flag & os.ST_RDONLY:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))
    if not os.access(".", os.W_OK | os.X_OK, dir_fd=folder, effective_ids=True):
        raise OSError(errno.EACCES, os.strerror(errno.EACCES))


def read(folder: int, name: str, *, where: str) -> bytes | None:
    """Read one regular file of at most `strict_json.LARGEST` bytes; None: it is not there.

    Raises:
        SinkSettingsError: no regular file, or larger.
        OSError: a symbolic link, or not readable.

    """
    try:
        descriptor = os.open(name, _EXISTING, dir_fd=folder)
    except FileNotFoundError:
        return None
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise SinkSettingsError(where, "is no regular file", "remove it, or name another place")
        with open(descriptor, "rb", closefd=False) as file:
            body = file.read(strict_json.LARGEST + 1)
    finally:
        os.close(descriptor)
    if len(body) > strict_json.LARGEST:
        what = f"has more than the {strict_json.LARGEST} bytes that a document may have"
        raise SinkSettingsError(where, what, "look at who wrote it and remove it")
    return body


def replace(folder: int, name: str, body: bytes) -> None:
    """Write one file whole, durably, with mode 0644: another file of the folder, renamed over it.

    The other file's name is fixed, so that what a killed run left is overwritten by the next; the caller
    holds a lock, so that only one writes it. Whatever fails, the file of that name stays as it was.

    Raises:
        OSError: not written.

    """
    unfinished = _unfinished(name)
    with suppress(FileNotFoundError):
        os.unlink(unfinished, dir_fd=folder)
    descriptor = os.open(unfinished, _NEW, 0o600, dir_fd=folder)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - a descriptor has no path
            file.write(body)
            file.flush()
            os.fchmod(descriptor, FILE_MODE)
            os.fsync(descriptor)
        os.rename(unfinished, name, src_dir_fd=folder, dst_dir_fd=folder)
    except OSError:
        with suppress(OSError):
            os.unlink(unfinished, dir_fd=folder)
        raise
    os.fsync(folder)


def _walk(here: int, folders: Iterable[str], opened: ExitStack, *, make: bool) -> int:
    for name in folders:
        try:
            below = os.open(name, _FOLDER | os.O_NOFOLLOW, dir_fd=here)
        except FileNotFoundError:
            if not make:
                raise
            below = _make_folder(here, name)
        opened.callback(os.close, below)
        here = below
    return here


def _make_folder(parent: int, name: str) -> int:
    """Make a folder and open it. It gets its name last: a killed run leaves none that nobody may enter."""
    unfinished = _unfinished(name)
    with suppress(FileNotFoundError):
        os.rmdir(unfinished, dir_fd=parent)
    os.mkdir(unfinished, FOLDER_MODE, dir_fd=parent)
    with ExitStack() as undoing:
        undoing.callback(_remove_folder, parent, unfinished)
        made = os.open(unfinished, _FOLDER | os.O_NOFOLLOW, dir_fd=parent)
        undoing.callback(os.close, made)
        os.fchmod(made, FOLDER_MODE)  # whatever the umask
        _give_to_owner_of(parent, made)
        os.rename(unfinished, name, src_dir_fd=parent, dst_dir_fd=parent)
        os.fsync(parent)
        undoing.pop_all()
    return made


def _remove_folder(parent: int, name: str) -> None:
    with suppress(OSError):
        os.rmdir(name, dir_fd=parent)


def _unfinished(name: str) -> str:
    return f"{MARK}.{name}.unfinished"


def _lock_place(where: str, name: str) -> str:
    return f"{where}, lock {quote(name)}"


def _lock_file(folder: int, name: str, where: str) -> int:
    try:
        return _existing_lock(folder, name, where)
    except FileNotFoundError:
        pass
    try:
        try:
            return _make_lock(folder, name, nameless=True)
        except FileExistsError:
            raise
        except OSError:  # not every disk can: there it has its name a moment too early
            return _make_lock(folder, name, nameless=False)
    except FileExistsError:  # another publisher was quicker
        return _existing_lock(folder, name, where)


def _make_lock(folder: int, name: str, *, nameless: bool) -> int:
    """Make a lock whole before it gets its name: a killed run must leave none that its owner may not open."""
    with ExitStack() as undoing:
        if nameless:
            lock = os.open(".", os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, LOCK_MODE, dir_fd=folder)
        else:
            lock = os.open(name, _LOCK | os.O_CREAT | os.O_EXCL, LOCK_MODE, dir_fd=folder)
        undoing.callback(os.close, lock)
        os.fchmod(lock, LOCK_MODE)  # a umask must not take it from its owner
        _give_to_owner_of(folder, lock)
        if nameless:
            # Through the link in /proc a file without a name gets one: open(2), O_TMPFILE.
            os.link(f"/proc/self/fd/{lock}", name, dst_dir_fd=folder, follow_symlinks=True)
        undoing.pop_all()
    return lock


def _existing_lock(folder: int, name: str, where: str) -> int:
    try:
        return os.open(name, _LOCK, dir_fd=folder)
    except PermissionError as error:
        owner = os.stat(name, dir_fd=folder, follow_symlinks=False).st_uid
        raise SinkSettingsError(
            where,
            f"permission denied: it belongs to uid {owner}, and this process is uid {os.geteuid()}",
            "remove it while no publisher runs, or chown it to the publisher's user",
        ) from error


def _give_to_owner_of(folder: int, made: int) -> None:
    """Hand what root just made in another user's folder to that user, whose publisher needs it next time.

    Only what is new: an existing file may be a hard link to anything.
    """
    owner = os.fstat(folder)
    if os.geteuid() == 0 and owner.st_uid != 0:
        with suppress(OSError):  # a disk without owners; else that publisher will say whose it is
            os.fchown(made, owner.st_uid, owner.st_gid)


def _taken(lock: int, where: str) -> bool:
    with translated(where):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True


def _sink_error(error: OSError, where: str) -> SinkError:
    number = error.errno
    said = (error.strerror or quote(str(error))).lower()
    if number in _FULL:
        return SinkUnavailableError(where, said, "free space or raise the quota, then run again")
    if number in _FORBIDDEN:
        return SinkSettingsError(where, said, "let the publisher's user read and write here")
    if number in _WRONG_KIND:
        what = f"{said}: a symbolic link, or not the kind of file that belongs here"
        return SinkSettingsError(
            where, what, "put a real folder or file in its place: links are not followed"
        )
    if number in _BAD_NAME:
        return SinkSettingsError(where, said, "make the folder, or correct its name in the settings")
    return SinkUnavailableError(where, said, "run again; if it stays, look at the disk and the system's log")
