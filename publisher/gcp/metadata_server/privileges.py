"""What finding the process behind a connection takes: without it nobody, or the wrong one, would be found."""

import os
import resource
from contextlib import suppress
from pathlib import Path
from typing import Final

from publisher.errors import SettingsError

MOST_FILES: Final = 4096
"""How many files the server may have open: one for each connection, and some."""

_CAPABILITIES = {"CAP_SYS_PTRACE": 19, "CAP_DAC_READ_SEARCH": 2}
_ALL_USERS = ["0", "0", "4294967295"]
_HOST_PIDS = 0xEFFFFFFC


def check_many_identities() -> None:
    """Make sure that no process of this machine can hide from this one, and no user look like another.

    Raises:
        SettingsError: this process is in a user or pid namespace of its own, or lacks a capability.

    """
    where = "--identities"
    if Path("/proc/self/uid_map").read_text(encoding="ascii").split() != _ALL_USERS:
        raise SettingsError(
            where,
            "this process is in a user namespace, where all users of the host look like one",
            "run it without (systemd: PrivateUsers=no; containers: the host's user namespace)",
        )
    # The inode of the first pid namespace is the same on every Linux: PROC_PID_INIT_INO.
    if Path("/proc/self/ns/pid").stat().st_ino != _HOST_PIDS:
        raise SettingsError(
            where,
            "this process is in a pid namespace, and numbers processes in another way than the agent",
            "run it in the host's (Kubernetes: hostPID: true)",
        )
    # /proc/PID/fd is its owner's, mode 0500: listing another's takes the second, reading its links the first.
    if missing := [name for name, bit in _CAPABILITIES.items() if not _has(bit)]:
        raise SettingsError(
            where,
            "this process may not look at the open files of other users' processes",
            f"give it {' and '.join(missing)} "
            f"(systemd: AmbientCapabilities={' '.join(_CAPABILITIES)}, CapabilityBoundingSet= likewise)",
        )
    if not _sees_others():
        raise SettingsError(
            where,
            "/proc hides the processes of other users from this one",
            "mount it without hidepid (systemd: ProtectProc=default)",
        )


def allow_files() -> None:
    """Raise the number of open files that this process may have, as far as it may."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = MOST_FILES if hard == resource.RLIM_INFINITY else min(MOST_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def _has(capability: int) -> bool:
    for line in Path("/proc/self/status").read_text(encoding="utf-8", errors="replace").splitlines():
        name, _, value = line.partition(":")
        if name == "CapEff":
            return bool(int(value, 16) >> capability & 1)
    return False


def _sees_others() -> bool:
    """Tell whether process 1, always another's, is to be seen."""
    try:
        os.stat("/proc/1/status")  # noqa: PTH116 (only whether it can be)
    except OSError:
        return False
    return True
