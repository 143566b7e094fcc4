"""The main thread of `watch`: it starts the others, answers signals, and tells the world how they do."""

import logging
import os
import signal
import threading
from collections.abc import Callable, Hashable, Sequence
from contextlib import ExitStack

from publisher import __version__
from publisher.cli.rounds import Around, Rounds, start_thread
from publisher.cli.runs import MOST_AT_ONCE
from publisher.cli.signals import Signals
from publisher.cli.status_line import status_line
from publisher.errors import ExitStatus, PublisherError
from publisher.last_net import unexpected
from publisher.metrics_output.listener import MetricsListener
from publisher.metrics_output.output import MetricsOutput
from publisher.ports import Listener
from publisher.sd_notify import Notifier
from publisher.settings.run import Selected
from publisher.settings.targets import PublishTarget
from publisher.sources.bell import Bell
from publisher.use_cases.pace import Pace
from publisher.use_cases.standing import Standing
from publisher.wiring.watching import WatchWiring, news_of

TURN = 5.0
"""The most seconds of one turn of the main thread."""

LEAST_BETWEEN = 1.0
"""Seconds between two writes of the metrics file, which are durable and so not free."""

LONGEST_TURN = 30.0
"""Seconds since its last turn from which on the main thread no longer counts as well."""

STOP_SECONDS = 3.5
"""How long after the stop a round may still end by itself; the process ends within 5 s."""

_AGAIN_AFTER = 60.0
_LOG = logging.getLogger(__name__)


class Service:
    """Run the loops of all publications and the listeners of their sources, until told to stop.

    `warm` is called once, when every publication has had a round: what is made later lives shortly.

    Raises:
        SettingsError: the address of --metrics-listen cannot be had.
        SourceError: a source that nobody can listen to.

    """

    def __init__(
        self,
        targets: Sequence[Selected[PublishTarget]],
        wiring: WatchWiring,
        notifier: Notifier,
        warm: Callable[[], None] = lambda: None,
    ) -> None:
        run = wiring.run
        self._warm: Callable[[], None] | None = warm
        self._wiring, self._clock, self._notifier = wiring, wiring.clock, notifier
        self._stop = threading.Event()
        self._signals = Signals()
        self._changed = threading.Event()
        around = Around(
            wiring=wiring,
            pace=Pace(confirm_every=run.confirm_every),
            stop=self._stop,
            slots=threading.Semaphore(MOST_AT_ONCE),
            told=self._tell,
        )
        self._loops: list[Rounds] = []
        self._listening: dict[Hashable, tuple[Listener, list[Bell]]] = {}
        for one in targets:
            target = one.settings
            assert not isinstance(target, PublisherError)  # `watch` begins with none that is bad
            bell = Bell(self._stop)
            self._loops.append(Rounds(one.name, target, bell, around))
            key = news_of(target)
            if key not in self._listening:
                self._listening[key] = (wiring.listener(target), [])
            self._listening[key][1].append(bell)
        self._turned = self._updated = self._clock.monotonic()
        self._line = ""
        self._output = MetricsOutput(
            version=__version__, watching=True, file=run.metrics_file, complain=_complain
        )
        self._listener = (
            MetricsListener(*run.metrics_listen, text=self._output.text, healthy=self._is_turning)
            if run.metrics_listen
            else None
        )

    def run(self) -> int:
        """Run until a signal; give the exit status of the process.

        0: stopped as asked. 128 and the signal's number: likewise, but a round had to be left in the middle;
        the next start finishes it. 75: a loop is stuck, and only a restart helps.
        """
        with self._signals, ExitStack() as closing:
            self._update()
            if self._listener:
                self._listener.start()
                closing.callback(self._listener.close)
            threads = [start_thread(loop.run, f"publication {loop.name or ''}") for loop in self._loops]
            threads += [
                start_thread(self._listen(listener, bells), "listener")
                for listener, bells in self._listening.values()
            ]
            self._line = status_line(self._standings())
            self._notifier.ready(self._line)
            _LOG.info("watching: %d publications, %d sources", len(self._loops), len(self._listening))
            reason = self._turn_until_told()
            self._notifier.stopping()
            return self._end(reason, threads)

    def _turn_until_told(self) -> int:
        """Turn until a signal that ends the service (its number), or until a loop is stuck (0)."""
        seconds = min(TURN, (self._notifier.watchdog_seconds or 3 * TURN) / 3)
        fed = 0.0
        while True:
            due = self._changed.is_set()
            self._signals.wait(min(seconds, LEAST_BETWEEN) if due else seconds)
            now = self._clock.monotonic()
            if now - self._turned > seconds + TURN:  # this process was stopped: give every loop its time
                for loop in self._loops:
                    loop.beat()
            self._turned = now
            for number in self._signals.taken():
                if number != signal.SIGHUP:
                    return number
                _LOG.warning("SIGHUP: settings are read at the start only; restart the service for new ones")
            if self._changed.is_set() and now - self._updated >= LEAST_BETWEEN:
                self._update()
            if self._is_stuck():
                return 0
            if self._warm and all(loop.standing.rounds for loop in self._loops):
                self._warm()
                self._warm = None
            if now - fed >= seconds / 2:
                self._notifier.watchdog()
                fed = now

    def _end(self, reason: int, threads: Sequence[threading.Thread]) -> int:
        """Wait for the rounds that are under way, but not long."""
        self._stop.set()
        if not reason:
            return ExitStatus.TEMPORARY
        name = signal.Signals(reason).name
        end = self._clock.monotonic() + STOP_SECONDS
        for thread in threads:
            thread.join(max(end - self._clock.monotonic(), 0.0))
        if any(thread.is_alive() for thread in threads[: len(self._loops)]):
            _LOG.warning(
                "stopped by %s in the middle of a round; the next start finishes what was begun", name
            )
            return 128 + reason
        self._wiring.drop_clients()
        _LOG.info("stopped by %s", name)
        return ExitStatus.DONE

    def _listen(self, listener: Listener, bells: Sequence[Bell]) -> Callable[[], None]:
        def ring() -> None:
            for bell in bells:
                bell.ring()

        def listen() -> None:
            while not self._stop.is_set():
                try:
                    listener.listen(ring, self._stop)
                except Exception as error:  # noqa: BLE001 (the last net: publications are confirmed still)
                    _LOG.error("%s", unexpected(error))
                    self._stop.wait(_AGAIN_AFTER)

        return listen

    def _standings(self) -> list[Standing]:
        return [loop.standing for loop in self._loops]

    def _tell(self) -> None:
        self._changed.set()
        self._signals.wake()

    def _update(self) -> None:
        self._changed.clear()
        standings = self._standings()
        try:
            self._output.update(standings)
        except Exception as error:  # noqa: BLE001 (the last net: a mistake in the metrics stops nothing else)
            _LOG.error("%s", unexpected(error))
        self._updated = self._clock.monotonic()
        if (line := status_line(standings)) != self._line:
            self._line = line
            self._notifier.status(line)

    def _is_turning(self) -> bool:
        return self._clock.monotonic() - self._turned < LONGEST_TURN

    def _is_stuck(self) -> bool:
        stuck = [(loop.name, trouble) for loop in self._loops if (trouble := loop.trouble())]
        for name, trouble in stuck:
            _LOG.critical("%sthe service ends to be restarted: %s", f"{name}: " if name else "", trouble)
        return bool(stuck)


def _complain(error: PublisherError) -> None:
    _LOG.warning("%s", error)


def notifier() -> Notifier:
    """Make the one that talks to systemd, if it is there to listen."""
    return Notifier.from_environment(os.environ)
