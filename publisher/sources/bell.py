"""Wait for news and for the end at once, without asking again and again."""

import threading
from typing import ClassVar
from weakref import WeakKeyDictionary, WeakSet

from publisher.ports import Call, Stop


class Bell:
    """Implement `ports.Bell`: any thread may ring it, and one thread waits for it.

    One thread for all bells of a `stop` sleeps until it is set, and then wakes who waits: an idle bell costs
    no time, and one that nobody has any more nothing at all.
    """

    def __init__(self, stop: Stop) -> None:
        self._stop = stop
        self._rung = False
        self._changed = threading.Condition()
        _Waker.of(stop).add(self)

    def ring(self) -> None:
        """Wake who waits, or let the next wait return at once. Rings that nobody has waited for are one."""
        with self._changed:
            self._rung = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> Call:
        """Wait for a ring (and take it down), for the end, or for so many seconds.

        The end goes before a ring, and a ring before the time.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._rung or self._stop.is_set(), seconds)
            if self._stop.is_set():
                return Call.STOP
            if self._rung:
                self._rung = False
                return Call.NEWS
            return Call.TIME

    def wake(self) -> None:
        """Let who waits look whether this is the end."""
        with self._changed:
            self._changed.notify_all()


class _Waker:
    """Wake every bell of one stop when it is set; a bell that is gone is forgotten."""

    _all: ClassVar[WeakKeyDictionary[Stop, "_Waker"]] = WeakKeyDictionary()
    _lock = threading.Lock()

    def __init__(self, stop: Stop) -> None:
        self._bells: WeakSet[Bell] = WeakSet()
        threading.Thread(target=self._wait, args=(stop,), name="bell", daemon=True).start()

    @classmethod
    def of(cls, stop: Stop) -> "_Waker":
        """Give the one of this stop."""
        with cls._lock:
            if (there := cls._all.get(stop)) is None:
                there = cls._all[stop] = cls(stop)
            return there

    def add(self, bell: Bell) -> None:
        """Wake this one, too; if the stop has been set already, no wait of it begins."""
        with self._lock:
            self._bells.add(bell)

    def _wait(self, stop: Stop) -> None:
        stop.wait()
        with self._lock:
            bells = list(self._bells)
        for bell in bells:
            bell.wake()
