"""The line between supervisor and worker, and the end of both with their parents.

Only what is light: the supervisor, which does nothing most of its life, imports this.
"""

import contextlib
import ctypes
import os
import signal

LONGEST = 4 * 1024 * 1024
"""The most bytes of one message: the longest `plugin_data` and settings file, escaped, and to spare."""

PARENT_ENDED = signal.SIGUSR1
"""What the kernel sends when the parent, or the one thread of it that made us, has ended."""

_PR_SET_PDEATHSIG = 1


def tell_when_parent_ends() -> None:
    """Ask the kernel for `PARENT_ENDED`; without Linux nothing happens, and the callers have other ways."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, int(PARENT_ENDED), 0, 0, 0)


class Line:
    """Send and receive messages, one a line: a word, and after a space what belongs to it.

    That is text without line ends, such as JSON; the supervisor never reads it. `incoming` and `outgoing` are
    the descriptors of two pipes, and this line's own. If `outgoing` does not block, what it does not take at
    once is `unsent`, and goes on its way with `flush`, when `select` finds `outgoing` ready.
    """

    def __init__(self, incoming: int, outgoing: int) -> None:
        self._incoming, self.outgoing = incoming, outgoing
        self._buffer = bytearray()
        self.unsent = b""

    def fileno(self) -> int:
        """Give the descriptor that is read, for `select`."""
        return self._incoming

    def send(self, word: str, rest: bytes = b"") -> None:
        """Send one message. A peer that has gone is no failure: it shows when the line is read."""
        self.unsent += word.encode() + b" " + rest + b"\n"
        self.flush()

    def flush(self) -> None:
        """Send what is unsent, or as much of it as is taken."""
        try:
            while self.unsent:
                self.unsent = self.unsent[os.write(self.outgoing, self.unsent) :]
        except BlockingIOError:
            return
        except OSError:
            self.unsent = b""

    def receive(self) -> list[tuple[str, bytes]] | None:
        """Wait for bytes, and give the messages that are complete by now; None: the other end is closed.

        What is too long for a message ends the line as well: nobody else is at its other end.
        """
        data = os.read(self._incoming, 65536)
        self._buffer += data
        if not data or len(self._buffer) > LONGEST:
            return None
        *lines, rest = bytes(self._buffer).split(b"\n")
        self._buffer = bytearray(rest)
        cut = [line.partition(b" ") for line in lines]
        return [(word.decode(errors="replace"), rest) for word, _, rest in cut]

    def close(self) -> None:
        """Close this end; the other one receives None."""
        os.close(self._incoming)
        os.close(self.outgoing)
