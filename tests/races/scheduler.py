"""Threads of which one at a time runs, chosen from a seed at every step: races that can be run again."""

import random
import threading
from collections.abc import Callable
from datetime import datetime, timedelta

from tests.doubles import NOON

STEP_SECONDS = 0.01
PATIENCE_SECONDS = 60.0
CONSTANCIES = (0.0, 0.5, 0.95, None, None, None)
"""How probably the same one goes on: the higher, the longer do the others stand still in mid-air.

None: by rank. The first in rank goes on until, at a few random steps, it becomes the last: what needs one
publisher to stand still while others come and end is found by this most easily.
"""
RANKED_STEPS = 16
MOST_CHANGES = 4
MOST_STEPS = 20_000


class Scheduler:
    """A clock that moves by the step and to the end of a sleep, and the choice of who goes on."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._constancy = self._random.choice(CONSTANCIES)
        self._seconds = 0.0
        self._tasks: list[_Task] = []
        self._control = threading.Semaphore(0)
        self._current: _Task | None = None

    def now(self) -> datetime:
        return NOON + timedelta(seconds=self._seconds)

    def monotonic(self) -> float:
        return self._seconds

    def sleep(self, seconds: float) -> None:
        self._give_way(seconds)

    def step(self) -> None:
        """Let others go on, or not: called wherever a process may be overtaken."""
        self._give_way(0.0)

    def add(self, work: Callable[[], None]) -> None:
        """Have work done in a thread of its own; an exception ends `run`."""
        self._tasks.append(_Task(work, self._control))

    def run(self) -> None:
        """Do all the work."""
        changes = self._changes()
        for number in range(MOST_STEPS):
            alive = [task for task in self._tasks if not task.ended]
            if not alive:
                break
            awake = [task for task in alive if task.wakes_at <= self._seconds]
            if not awake:
                self._seconds = min(task.wakes_at for task in alive)
                continue
            self._seconds += STEP_SECONDS
            if number in changes:
                self._tasks.append(self._tasks.pop(self._tasks.index(awake[0])))
                awake.append(awake.pop(0))
            self._current = self._next(awake)
            self._current.go_on(self._control)
        else:
            raise AssertionError("somebody loops")
        for task in self._tasks:
            if task.error is not None:
                raise task.error

    def _changes(self) -> set[int]:
        """Shuffle the ranks, and choose at which steps the first becomes the last."""
        if self._constancy is not None:
            return set()
        self._random.shuffle(self._tasks)
        steps = range(RANKED_STEPS * len(self._tasks))
        return set(self._random.sample(steps, self._random.randint(1, MOST_CHANGES)))

    def _next(self, awake: "list[_Task]") -> "_Task":
        if self._constancy is None:
            return awake[0]
        if self._current in awake and self._random.random() < self._constancy:
            return self._current
        return self._random.choice(awake)

    def _give_way(self, seconds: float) -> None:
        task = self._current
        if task is None or not task.is_here():
            self._seconds += seconds  # nobody races outside of `run`
            return
        task.wakes_at = self._seconds + seconds
        task.wait(self._control)


class _Task:
    def __init__(self, work: Callable[[], None], control: threading.Semaphore) -> None:
        self.ended = False
        self.error: BaseException | None = None
        self.wakes_at = 0.0
        self._work, self._turn = work, threading.Semaphore(0)
        self._thread = threading.Thread(target=self._live, args=(control,), daemon=True)
        self._thread.start()

    def is_here(self) -> bool:
        return threading.current_thread() is self._thread

    def go_on(self, control: threading.Semaphore) -> None:
        self._turn.release()
        assert control.acquire(timeout=PATIENCE_SECONDS), "a step has no end"
        if self.ended:
            self._thread.join(PATIENCE_SECONDS)

    def wait(self, control: threading.Semaphore) -> None:
        control.release()
        assert self._turn.acquire(timeout=PATIENCE_SECONDS), "nobody lets this go on"

    def _live(self, control: threading.Semaphore) -> None:
        self._turn.acquire()
        try:
            self._work()
        except BaseException as error:  # noqa: BLE001 - handed to the thread that runs the test
            self.error = error
        finally:
            self.ended = True
            control.release()
