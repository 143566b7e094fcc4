"""The folder of the plugin's socket: private, of a short path, and removed even after the worst of ends.

Only what is light: see `lifeline`. So `os.path`, and no pathlib.
"""

# ruff: noqa: PTH100, PTH102, PTH104, PTH106, PTH108, PTH118, PTH208 (see above)

import contextlib
import fcntl
import os
from collections.abc import Mapping

VARIABLE = "PLUGIN_UNIX_SOCKET_DIR"
"""Where go-plugin's hosts want sockets, if they care."""

PREFIX = "spire-oidc-"
SOCKET = "plugin.sock"

_LOCK = "lock"
_LONGEST_PATH = 100
"""The most bytes of the socket's path; Linux takes 107."""

_MOST_SWEPT = 1000


def make_folder(environment: Mapping[str, str]) -> tuple[str, tuple[int, int]]:
    """Make a folder that only this user can enter, and lock it until the descriptors are closed.

    Two locks: of a file, for the next plugin's sweep; and of the folder itself, which is how systemd-tmpfiles
    is told to keep off. It would remove a socket of ten days, as it looks for the path that was bound, and
    the worker renames its socket.

    Folders of this user that nobody holds a lock on any more are removed: whoever kills supervisor and
    worker at once, as a service manager may, leaves one.

    Raises:
        OSError: it cannot be made there.

    """
    parent = _parent(environment)
    _sweep(parent)
    folder = os.path.join(parent, f"{PREFIX}{os.urandom(4).hex()}")
    os.mkdir(folder, 0o700)  # fails where anybody has put something of that name
    new = os.path.join(folder, f"{_LOCK}.new")
    descriptor = os.open(new, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    fcntl.flock(descriptor, fcntl.LOCK_EX)
    os.rename(new, os.path.join(folder, _LOCK))  # locked from the moment at which others can see it
    whole = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    fcntl.flock(whole, fcntl.LOCK_EX)
    return folder, (descriptor, whole)


def remove_folder(path: str) -> None:
    """Remove the folder with what is in it; supervisor and worker may both do so."""
    with contextlib.suppress(OSError):
        for name in os.listdir(path):
            with contextlib.suppress(OSError):
                os.unlink(os.path.join(path, name))
        os.rmdir(path)


def _parent(environment: Mapping[str, str]) -> str:
    for parent in (environment.get(VARIABLE), environment.get("TMPDIR")):
        longest = os.path.join(os.path.abspath(parent or "/"), f"{PREFIX}12345678", f"{SOCKET}.new")
        if parent and len(os.fsencode(longest)) <= _LONGEST_PATH:
            return os.path.abspath(parent)
    return "/tmp"  # noqa: S108 (the folder in it is private, and its name was free)


def _sweep(parent: str) -> None:
    with contextlib.suppress(OSError), os.scandir(parent) as entries:
        for entry in [entry for entry in entries if _is_name(entry.name)][:_MOST_SWEPT]:
            with contextlib.suppress(OSError):
                if entry.stat(follow_symlinks=False).st_uid == os.geteuid() and _is_abandoned(entry.path):
                    remove_folder(entry.path)


def _is_name(name: str) -> bool:
    """Tell whether `make_folder` gives such names: `spire-oidc-discovery-provider` is somebody else's."""
    digits = name.removeprefix(PREFIX)
    return digits != name and len(digits) == 8 and not digits.strip("0123456789abcdef")  # noqa: PLR2004


def _is_abandoned(folder: str) -> bool:
    """Tell whether there is a lock, and nobody holds it."""
    try:
        descriptor = os.open(os.path.join(folder, _LOCK), os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
