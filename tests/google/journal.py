"""What was asked of the stand-in, without secrets: no token, no key, no Authorization header."""

import re
import threading
from dataclasses import asdict, dataclass, field
from typing import Any

from tests.google.faults import Fault, Kind

_MOST = 200_000


@dataclass(kw_only=True)
class Entry:
    """Hold one request and how it ended; `status` is 0 while it is under way or where it was cut off."""

    at: float
    method: str
    host: str
    path: str
    query: str = ""
    status: int = 0
    caller: str = ""
    """The bearer's principal."""
    client_certificate: bool = False
    user_agent: str = ""
    api_client: str = ""
    """The header x-goog-api-client."""
    fault: str = ""
    detail: dict[str, Any] = field(default_factory=dict)

    @property
    def line(self) -> str:
        """Give what the expressions of faults and questions are searched in."""
        return f"{self.method} {self.host} {self.path}{'?' + self.query if self.query else ''}"


class Journal:
    """Keep entries in the order of their requests, and the faults that wait for one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: list[Entry] = []
        self._faults: list[tuple[Fault, int]] = []
        self.connections = 0

    def connected(self) -> None:
        with self._lock:
            self.connections += 1

    def inject(self, fault: Fault) -> None:
        re.compile(fault.where)
        with self._lock:
            self._faults.append((fault, fault.times))

    def clear_faults(self) -> None:
        with self._lock:
            self._faults.clear()

    def forget(self) -> None:
        with self._lock:
            self._entries.clear()
            self.connections = 0

    def note(self, entry: Entry) -> Fault | None:
        """Keep an entry and give the fault that its request meets."""
        with self._lock:
            if len(self._entries) < _MOST:
                self._entries.append(entry)
            for place, (fault, left) in enumerate(self._faults):
                if re.search(fault.where, entry.line):
                    self._faults[place : place + 1] = [(fault, left - 1)] if left > 1 else []
                    entry.fault = Kind(fault.kind).value
                    return fault
        return None

    def entries(self, where: str = "") -> list[dict[str, Any]]:
        with self._lock:
            return [asdict(entry) for entry in self._entries if re.search(where, entry.line)]

    def count(self, where: str = "") -> int:
        with self._lock:
            return sum(re.search(where, entry.line) is not None for entry in self._entries)
