"""The bundle that SPIRE's server pushed to its plugin last."""

import threading

from publisher.bundle.fetched import Fetched
from publisher.errors import SourceUnavailableError
from publisher.ports import Deadline


class PushedSource:
    """Implement `ports.Source` over what SPIRE pushed: every fetch gives the newest.

    So who looks twice, because another server published a newer bundle, sees what arrived meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._newest: Fetched | None = None

    def push(self, pushed: Fetched) -> None:
        """Take a bundle. What was pushed last counts, whatever its sequence number: SPIRE knows why."""
        with self._lock:
            self._newest = pushed

    def fetch(self, _deadline: Deadline) -> Fetched:
        """Give the newest bundle at once.

        Raises:
            SourceUnavailableError: nothing was pushed yet.

        """
        with self._lock:
            if self._newest is None:
                raise SourceUnavailableError(
                    "SPIRE's server", "has pushed no bundle yet", "wait for its next tick, at most 30 s"
                )
            return self._newest
