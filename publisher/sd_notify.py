"""Tell systemd how the process does, by the protocol of sd_notify(3): one datagram a message."""

import os
import socket
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, Self

from publisher.quoting import quote

LONGEST_STATUS: Final = 400
"""The most characters of a status; `systemctl status` shows one line."""

_MICROSECONDS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Notifier:
    """Send to the socket at `address`; None: nobody asked, and everything here does nothing.

    Nothing here raises or waits: a supervisor that is gone or busy is no reason to publish less. A watchdog
    message that is lost so is sent again before its time is over. `watchdog_seconds` is the time within which
    `watchdog` has to be called, None where nobody waits for it; call it three times as often.
    """

    address: str | None = None
    watchdog_seconds: float | None = None

    @classmethod
    def from_environment(cls, environment: Mapping[str, str]) -> Self:
        """Read `NOTIFY_SOCKET`, `WATCHDOG_USEC` and `WATCHDOG_PID`; what makes no sense counts as absent.

        Only unix sockets: an absolute path or, after `@`, an abstract name. The watchdog is for the process
        that `WATCHDOG_PID` names, and for any where it is absent: sd_watchdog_enabled(3).
        """
        address = environment.get("NOTIFY_SOCKET", "")
        if not address.startswith(("/", "@")):
            return cls()
        if environment.get("WATCHDOG_PID", str(os.getpid())) != str(os.getpid()):
            return cls(address=address)
        return cls(address=address, watchdog_seconds=_seconds(environment.get("WATCHDOG_USEC", "")))

    def ready(self, status: str) -> None:
        """Say that the start is over, and how the process stands."""
        self._send("READY=1", _status(status))

    def status(self, text: str) -> None:
        """Say in one line how the process stands; it is escaped and shortened."""
        self._send(_status(text))

    def watchdog(self) -> None:
        """Say that the loop turns."""
        self._send("WATCHDOG=1")

    def stopping(self) -> None:
        """Say that the process is about to end."""
        self._send("STOPPING=1", _status("stopping"))

    def _send(self, *lines: str) -> None:
        if self.address is None:
            return
        # An abstract name begins with a zero byte (unix(7)); systemd spells it as @.
        address = f"\0{self.address[1:]}" if self.address.startswith("@") else self.address
        with (
            suppress(OSError),
            socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sender,
        ):
            sender.setblocking(False)
            sender.sendto("\n".join(lines).encode(), address)


def _status(text: str) -> str:
    # A line break would begin an assignment of its own: READY=1, or MAINPID= of a stranger.
    harmless = text.isascii() and text.isprintable() and len(text) <= LONGEST_STATUS
    return f"STATUS={text if harmless else quote(text, LONGEST_STATUS)}"


def _seconds(text: str) -> float | None:
    if not text.isascii() or not text.isdecimal() or len(text) > len(str(2**64)):
        return None
    return int(text) / _MICROSECONDS or None
