"""Read public URLs with certificate authorities that were read before: reading them takes 30 ms and 2 MiB."""

import threading
from pathlib import Path

from publisher.errors import WebUntrustedError
from publisher.https import Https
from publisher.ports import Clock, Deadline, WebAnswer

LONGEST_KEPT = 3600.0
"""Seconds after which the authorities are read again: a service lives longer than their files' content."""


class KeptWeb:
    """Implement `ports.Web` for all rounds of a service, and safe in many threads.

    Raises:
        SettingsError: `ca_file` cannot be read, or holds no certificate.

    """

    def __init__(self, ca_file: Path | None, clock: Clock) -> None:
        self._ca_file, self._clock = ca_file, clock
        self._lock = threading.Lock()
        self._web = Https(ca_file)
        self._since = clock.monotonic()

    def refresh(self) -> None:
        """Read the authorities again if that is due.

        Raises:
            SettingsError: as when this was made; the old ones stay.

        """
        with self._lock:
            if self._clock.monotonic() - self._since > LONGEST_KEPT:
                self._web, self._since = Https(self._ca_file), self._clock.monotonic()

    def get(self, url: str, deadline: Deadline) -> WebAnswer:
        """GET once; the next `refresh` after an untrusted certificate reads the authorities again.

        Raises:
            WebError: no whole answer before the deadline.
            WebUntrustedError: the certificate is not trusted, or not for this host.

        """
        with self._lock:
            web = self._web
        try:
            return web.get(url, deadline)
        except WebUntrustedError:
            with self._lock:
                self._since = float("-inf")
            raise
