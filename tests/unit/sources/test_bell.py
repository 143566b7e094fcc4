"""The bell between listeners and publications: nothing is lost, nothing is waited for after the end."""

import gc
import threading
import time
import weakref

import pytest

from publisher.ports import Bell as BellPort
from publisher.ports import Call
from publisher.sources.bell import Bell

LONG = 30.0


class Waiting:
    """Wait at a bell in a thread of its own; `call` is what ended it, None: it still waits."""

    def __init__(self, bell: BellPort) -> None:
        self.call: Call | None = None
        self._bell = bell
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self) -> None:
        self.call = self._bell.wait(LONG)

    def ended(self) -> Call | None:
        self._thread.join(LONG / 3)
        return self.call


@pytest.fixture
def stop() -> threading.Event:
    return threading.Event()


def test_time_passes(stop: threading.Event) -> None:
    bell = Bell(stop)
    began = time.monotonic()
    assert bell.wait(0.05) is Call.TIME
    assert time.monotonic() - began >= 0.05
    assert bell.wait(0) is Call.TIME
    assert bell.wait(-1) is Call.TIME


def test_rings_before_a_wait_are_kept_as_one(stop: threading.Event) -> None:
    bell = Bell(stop)
    for _ in range(50):
        bell.ring()
    assert bell.wait(0) is Call.NEWS
    assert bell.wait(0) is Call.TIME


def test_a_ring_wakes_who_waits(stop: threading.Event) -> None:
    bell = Bell(stop)
    waiting = Waiting(bell)
    time.sleep(0.05)
    assert waiting.call is None
    bell.ring()
    assert waiting.ended() is Call.NEWS


def test_the_stop_wakes_all_bells_of_a_listener(stop: threading.Event) -> None:
    waiting = [Waiting(Bell(stop)) for _ in range(3)]
    time.sleep(0.05)
    stop.set()
    assert [each.ended() for each in waiting] == [Call.STOP] * 3


def test_the_stop_goes_before_a_ring_and_lasts(stop: threading.Event) -> None:
    bell = Bell(stop)
    bell.ring()
    stop.set()
    assert [bell.wait(LONG), bell.wait(LONG)] == [Call.STOP, Call.STOP]


def test_no_ring_is_lost_between_threads(stop: threading.Event) -> None:
    """After the last of many rings there is always a wait that finds one."""
    bell, there, seen = Bell(stop), 0, 0

    def ringers() -> None:
        nonlocal there
        for _ in range(2000):
            there += 1
            bell.ring()

    thread = threading.Thread(target=ringers, daemon=True)
    thread.start()
    while seen < 2000:
        assert bell.wait(LONG) is Call.NEWS
        seen = there
    thread.join(LONG)
    bell.wait(0)
    assert bell.wait(0) is Call.TIME


def test_bells_of_one_stop_cost_one_thread_that_ends_with_it() -> None:
    before = set(threading.enumerate())
    stop = threading.Event()
    bells = [Bell(stop) for _ in range(50)]
    (waker,) = set(threading.enumerate()) - before
    assert bells[0].wait(0) is Call.TIME
    stop.set()
    waker.join(LONG)
    assert not waker.is_alive()
    assert [bell.wait(LONG) for bell in (*bells, Bell(stop))] == [Call.STOP] * 51


def test_a_bell_that_nobody_has_is_kept_by_nobody(stop: threading.Event) -> None:
    gone = weakref.ref(Bell(stop))
    gc.collect()
    assert gone() is None
    last = Waiting(Bell(stop))
    stop.set()
    assert last.ended() is Call.STOP
