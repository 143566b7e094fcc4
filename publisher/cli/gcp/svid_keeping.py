"""What `gcp svid-files` does: once, or as a service."""

import logging
import os
import signal
import threading
from collections.abc import Callable

from publisher.cli.finding_log import log_error
from publisher.cli.rounds import start_thread
from publisher.cli.session import gravest
from publisher.cli.signals import Signals
from publisher.errors import ExitStatus, PublisherError
from publisher.gcp.jwt_keeper import JwtKeeper
from publisher.gcp.keeping import Kept
from publisher.gcp.svid_folder import SvidFolder
from publisher.gcp.svid_folder_opening import opened_svid_folder
from publisher.gcp.workload_svids import agent_at
from publisher.gcp.x509_keeper import X509Keeper
from publisher.last_net import unexpected
from publisher.ports import Clock, Deadline
from publisher.sd_notify import Notifier
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.svid_files import SvidFilesSettings
from publisher.sources.bell import Bell
from publisher.wiring.clock import SystemClock

TURN = 5.0
"""The most seconds of one turn of the main thread."""

STOP_SECONDS = 3.0
"""How long after the stop a write that has begun may still end; the process ends within 5 s."""

_LOCK_PATIENCE, _LOCK_PAUSE = 10.0, 0.2
_AGAIN_AFTER = 15.0
_LOG = logging.getLogger(__name__)


def keep(reader: GcpReader) -> ExitStatus:
    """Run from the settings to the exit status.

    Raises:
        PublisherError: a bad setting, or a folder that cannot be had.

    """
    settings = SvidFilesSettings.read(reader)
    clock = SystemClock()
    peer = agent_at(settings.workload_api)
    patience = Deadline(clock, _LOCK_PATIENCE)

    def wait() -> bool:
        clock.sleep(_LOCK_PAUSE)
        return not patience.passed

    opened = opened_svid_folder(settings.folder, seen_at=settings.seen_at, group=settings.group, wait=wait)
    with opened as folder:
        folder.sweep(clock.now().timestamp())
        jwt = None
        if settings.audience is not None:
            audience, choice = settings.audience, settings.choice
            jwt = JwtKeeper(peer, audience, choice, folder, clock, patience=settings.timeout)
        x509 = X509Keeper(peer, settings.choice, folder, clock) if settings.x509 else None
        if settings.watch:
            return SvidService(jwt, x509, folder, clock, Notifier.from_environment(os.environ)).run()
        return _once(jwt, x509, Deadline(clock, settings.timeout))


def _once(jwt: JwtKeeper | None, x509: X509Keeper | None, deadline: Deadline) -> ExitStatus:
    """Write each once: one that fails stops no other."""
    statuses = [ExitStatus.DONE]
    for keeper in (jwt, x509):
        if keeper is None:
            continue
        try:
            keeper.once(deadline)
        except PublisherError as error:
            log_error(error)
            statuses.append(error.exit_status)
        else:
            _LOG.info("%s", keeper.kept.sentence(deadline.clock.now().timestamp()))
    return gravest(statuses)


class SvidService:
    """Keep both kinds in threads of their own, sweep the folder, and say how they stand, until a signal."""

    def __init__(
        self,
        jwt: JwtKeeper | None,
        x509: X509Keeper | None,
        folder: SvidFolder,
        clock: Clock,
        notifier: Notifier,
    ) -> None:
        self._folder, self._clock, self._notifier = folder, clock, notifier
        self._stop = threading.Event()
        self._signals = Signals()
        self._kept = tuple(keeper.kept for keeper in (jwt, x509) if keeper is not None)
        self._told: dict[str, tuple[str, bool]] = {}
        self._loops: list[tuple[str, Callable[[], None]]] = []
        changed = self._signals.wake
        if jwt is not None:
            self._loops.append(("jwt", lambda: jwt.run(changed, self._stop)))
        if x509 is not None:
            bell = Bell(self._stop)
            self._loops.append(("x509 stream", lambda: x509.follow(changed, bell, self._stop)))
            self._loops.append(("x509 files", lambda: x509.write(changed, bell, self._stop)))

    def run(self) -> ExitStatus:
        """Run until a signal, and give the exit status of the process."""
        with self._signals:
            threads = [start_thread(self._guarded(loop), name) for name, loop in self._loops]
            _LOG.info("keeping %s in %s", " and ".join(kept.kind for kept in self._kept), self._folder.where)
            number = self._turn_until_told()
            self._notifier.stopping()
            self._stop.set()
            end = self._clock.monotonic() + STOP_SECONDS
            for thread in threads:
                thread.join(max(end - self._clock.monotonic(), 0.0))
            _LOG.info("stopped by %s", signal.Signals(number).name)
            return ExitStatus.DONE

    def _turn_until_told(self) -> int:
        seconds = min(TURN, (self._notifier.watchdog_seconds or 3 * TURN) / 3)
        is_ready = False
        while True:
            now = self._clock.now().timestamp()
            for kept in self._kept:
                self._tell(kept, now)
            line = "; ".join(kept.sentence(now) for kept in self._kept)
            if not is_ready and all(kept.is_there for kept in self._kept):
                is_ready = True
                self._notifier.ready(line)
            else:
                self._notifier.status(line)
            self._notifier.watchdog()
            self._sweep(now)
            self._signals.wait(seconds)
            for number in self._signals.taken():
                if number != signal.SIGHUP:
                    return number
                _LOG.warning("SIGHUP: settings are read at the start only; restart the service for new ones")

    def _tell(self, kept: Kept, now: float) -> None:
        """Log a new SVID, and one that has run out; why there is no newer one is logged by its thread."""
        out, sentence = kept.has_run_out(now), kept.sentence(now)
        before, was_out = self._told.get(kept.kind, ("", False))
        if out and not was_out:
            _LOG.error("%s", sentence)
        elif not out and kept.is_there and kept.error is None and sentence != before:
            _LOG.info("%s", sentence)
        if kept.error is None or out:
            self._told[kept.kind] = (sentence, out)

    def _sweep(self, now: float) -> None:
        try:
            self._folder.sweep(now)
        except PublisherError as error:
            _LOG.debug("%s", error)

    def _guarded(self, loop: Callable[[], None]) -> Callable[[], None]:
        def run() -> None:
            while not self._stop.is_set():
                try:
                    loop()
                except Exception as error:  # noqa: BLE001 (the last net: the other kind is kept still)
                    log_error(unexpected(error))
                    self._stop.wait(_AGAIN_AFTER)

        return run
