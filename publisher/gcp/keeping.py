"""How a kind of SVID that is kept stands, for STATUS and the log."""

import threading
from dataclasses import dataclass, field
from datetime import UTC, datetime

from publisher.errors import PublisherError


@dataclass(slots=True)
class Kept:
    """Hold, for several threads, until when the SVID in the folder lives, and why there is no newer one."""

    kind: str
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _spiffe_id: str = ""
    _expires_at: float | None = None
    _error: PublisherError | None = None

    def well(self, spiffe_id: str, expires_at: float) -> None:
        """Note the SVID that is in the folder now; `expires_at` is Unix time."""
        with self._lock:
            self._spiffe_id, self._expires_at, self._error = spiffe_id, expires_at, None

    def failed(self, error: PublisherError) -> None:
        """Note why there is no newer one."""
        with self._lock:
            self._error = error

    @property
    def is_there(self) -> bool:
        """Tell whether this process has written one, or found it written."""
        with self._lock:
            return self._expires_at is not None

    @property
    def error(self) -> PublisherError | None:
        """Give why there is no newer one; None: there is no reason."""
        with self._lock:
            return self._error

    def has_run_out(self, now: float) -> bool:
        """Tell whether the one in the folder is of no use any more; `now` is Unix time."""
        with self._lock:
            return self._expires_at is not None and self._expires_at <= now

    def sentence(self, now: float) -> str:
        """Say it in a few words; `now` is Unix time."""
        with self._lock:
            reason = "" if self._error is None else f" ({self._error})"
            if self._expires_at is None:
                return f"no {self.kind} yet{reason}"
            until = f"{datetime.fromtimestamp(self._expires_at, UTC):%Y-%m-%d %H:%M:%SZ}"
            if self._expires_at <= now:
                return f"{self.kind} of {self._spiffe_id} ran out at {until}{reason}"
            return f"{self.kind} of {self._spiffe_id} until {until}{reason}"
