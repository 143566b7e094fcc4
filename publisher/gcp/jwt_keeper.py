"""Keep the JWT-SVID in a folder fresh: fetch the next one once half of its life is over."""

import random
from collections.abc import Callable
from typing import Final

from publisher.errors import PublisherError
from publisher.gcp.identity_choice import Choice
from publisher.gcp.jwt_svid import JwtSvid
from publisher.gcp.keeping import Kept
from publisher.gcp.svid_folder import SvidFolder
from publisher.gcp.workload_svids import fetch_jwt_svid
from publisher.ports import Clock, Deadline, Stop
from publisher.sources.grpc_call import Peer
from publisher.sources.news import Pauses, Told

PAUSES: Final = Pauses(first=1.0, longest=15.0, most=60.0)
"""Seconds between attempts that failed, or that gave the old token once more."""

_HALF, _JITTER = 0.5, 0.1
_LEAST = 1.0
_SLICE = 5.0
"""Seconds after which a wait looks at the clock: a machine that slept has another time than it counted."""


class JwtKeeper:
    """Keep one JWT-SVID for one audience; `patience` is in seconds, for one fetch.

    An agent renews what it keeps at half of its life, so asking before is in vain, and asking just then
    brings a new one. It is asked up to a tenth of the life later, at random: not all workloads at once.
    """

    def __init__(
        self, peer: Peer, audience: str, choice: Choice, folder: SvidFolder, clock: Clock, *, patience: float
    ) -> None:
        self.kept = Kept("JWT-SVID")
        self._peer, self._audience, self._choice = peer, audience, choice
        self._folder, self._clock, self._patience = folder, clock, patience
        self._written: JwtSvid | None = None

    def once(self, deadline: Deadline) -> JwtSvid:
        """Fetch and write one.

        Raises:
            SourceError: no JWT-SVID.
            BundleError: something that is not the Workload API answers.
            SinkError: it was not written.

        """
        svid = fetch_jwt_svid(self._peer, self._audience, self._choice, deadline)
        if self._written is None or svid.token != self._written.token:
            self._folder.write_jwt(svid)
            self._written = svid
        self.kept.well(svid.spiffe_id, svid.expires_at)
        return svid

    def run(self, changed: Callable[[], None], stop: Stop) -> None:
        """Keep it fresh until the stop; call `changed` after every attempt.

        What fails is logged, and tried again.
        """
        told, failures = Told(), 0
        while not stop.is_set():
            try:
                svid = self.once(Deadline(self._clock, self._patience))
            except PublisherError as error:
                failures += 1
                pause = PAUSES.after(failures, error)
                told.away(error)
                self.kept.failed(error)
            else:
                told.back()
                failures = failures + 1 if self._is_old(svid) else 0
                pause = self.pause(svid, failures)
            changed()
            self._wait(pause, stop)

    def pause(self, svid: JwtSvid, failures: int) -> float:
        """Give the seconds until this one is to be renewed; `failures` counts answers that were old."""
        share = _HALF + random.uniform(0, _JITTER)  # noqa: S311 (spreads workloads)
        due = svid.issued_at + svid.life * share
        left = due - self._clock.now().timestamp()
        if left > 0 and not failures:
            return max(left, _LEAST)
        return max(min(PAUSES.first * 2.0 ** min(failures, 10), PAUSES.longest, svid.life / 4), _LEAST)

    def _is_old(self, svid: JwtSvid) -> bool:
        """Tell whether half of its life is over: the agent could not renew it."""
        return self._clock.now().timestamp() >= svid.issued_at + svid.life * (_HALF + _JITTER)

    def _wait(self, seconds: float, stop: Stop) -> None:
        """Wait by both clocks, whichever is over first: the machine may sleep, or its time be set."""
        start, end = self._clock.now().timestamp(), self._clock.monotonic() + seconds
        while not stop.is_set():
            left = min(end - self._clock.monotonic(), start + seconds - self._clock.now().timestamp())
            if left <= 0:
                return
            stop.wait(min(left, _SLICE))
