"""Hosts that publish: the real `publish()`, by a timer or at news, killed, away, or pointed elsewhere."""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from publisher.errors import ExitStatus, PublisherError, RefusedError
from publisher.ports import Deadline
from publisher.publication.document_set import PublicationSettings
from publisher.publication.rules import Overrides
from publisher.use_cases.pace import LEAST_GAP, Pace
from publisher.use_cases.publish import Adapters, Outcome, publish
from tests.doubles import DictMemory, codes
from tests.simulation.sources import Source
from tests.simulation.store import Killed, SimulatedSink
from tests.simulation.timeline import HostClock, Timeline

TIMEOUT = 30.0
DEEPEST = 3
PUSHED_WITHIN = 0.2
"""Seconds from the source's news to the ring of the bell."""

ACCEPT_ALL = Overrides(accept_disjoint_keys=True, accept_lower_sequence=True)


@dataclass(eq=False)
class Host:
    """One host. `every` is the timer's interval; with a `pace` it watches, and `every` says when to poll.

    `is_well`: its last run ended with 0, and its source follows SPIRE.
    """

    name: str
    timeline: Timeline
    random: random.Random
    source: Source
    sink: SimulatedSink
    settings: PublicationSettings
    every: float = 60.0
    pace: Pace | None = None
    memory: DictMemory | None = None
    overrides: Overrides = field(default_factory=Overrides)
    is_away: bool = False
    has_failed: bool = False
    awaits_person: bool = False
    on_state: Callable[[], object] = lambda: None
    on_outcome: Callable[[Outcome], object] = lambda _outcome: None
    on_refused: Callable[["Host", Sequence[str]], object] = lambda _host, _codes: None
    runs: int = 0
    _is_running: bool = False
    _rung: bool = False
    _failures: int = 0
    _turn: int = 0
    _ended: float = -LEAST_GAP

    def __post_init__(self) -> None:
        self._clock = HostClock(self.timeline, self.random.uniform(-2, 2))

    @property
    def is_well(self) -> bool:
        behind = self.source.is_behind or self.source.is_wrong
        return not (self.is_away or self.has_failed or behind)

    def start(self) -> None:
        self._next(self.random.uniform(0, 1 if self.pace else self.every))

    def ring(self) -> None:
        """Tell a watching host that the bundle may have changed."""
        if self.pace is None or self.is_away:
            return
        if self._is_running:
            self._rung = True
            return
        self._next(max(self.random.uniform(0, PUSHED_WITHIN), self._ended + LEAST_GAP - self.timeline.now))

    def leave(self) -> None:
        self.is_away = True
        self._turn += 1
        self.on_state()

    def come_back(self) -> None:
        if not self.is_away:
            return
        self.is_away, self.has_failed = False, True  # until it has published
        self.on_state()
        self._next(self.random.uniform(0, 5))

    def publish_by_hand(self, overrides: Overrides) -> bool:
        """Run `publish --accept-...` as a person does; tell whether it ended with 0."""
        if self._is_running or self.is_away or self.timeline.depth >= DEEPEST:
            return False
        return self._run(overrides) is ExitStatus.DONE

    def _next(self, seconds: float) -> None:
        self._turn += 1
        turn = self._turn
        self.timeline.after(seconds, lambda: self._round(turn))

    def _round(self, turn: int) -> None:
        if turn != self._turn:
            return
        if self._is_running or self.timeline.depth >= DEEPEST:
            self._next(0.3)
            return
        begun = self.timeline.now
        status = self._run(self.overrides)
        self._ended = self.timeline.now
        if self.is_away:
            return
        self._failures = 0 if status is ExitStatus.DONE else self._failures + 1
        if self.pace is None:
            self._next(max(begun + self.every - self._ended, 0.1) + self.random.uniform(0, 1))
        elif self._rung:
            self._rung = False
            self._next(LEAST_GAP)
        else:
            ended = ExitStatus.TEMPORARY if status is None else status  # the supervisor starts it again
            self._next(max(self.pace.after(ended, self._failures), LEAST_GAP))

    def _run(self, overrides: Overrides) -> ExitStatus | None:
        """Run once; None: the process was killed."""
        self._is_running = True
        self.timeline.depth += 1
        self.runs += 1
        refused: Sequence[str] = ()
        try:
            outcome = publish(
                Adapters(source=self.source, sink=self.sink, memory=self.memory, web=None, clock=self._clock),
                self.settings,
                overrides=overrides,
                bucket_url=None,
                dry_run=False,
                deadline=Deadline(self._clock, TIMEOUT),
            )
            self.on_outcome(outcome)
            status: ExitStatus | None = outcome.exit_status
        except RefusedError as error:
            status, refused = error.exit_status, codes(error.findings)
        except PublisherError as error:
            status = error.exit_status
        except Killed:
            status = None
        finally:
            self.timeline.depth -= 1
            self._is_running = False
        self.has_failed = status is not ExitStatus.DONE
        self.on_state()
        if refused:
            self.on_refused(self, refused)
        return status
