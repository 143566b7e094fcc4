"""A machine that stands still, a store that fails or hangs, no thread, a slow log: what a request gets."""

import asyncio
import logging
import threading
import time
from collections.abc import Callable

import pytest

from publisher.errors import SinkUnavailableError
from spire_oidc_function.keeper import PATIENCE, Keeper
from spire_oidc_function.reads import LOST, MOST_LOST, Reads
from tests.function.asgi_client import get
from tests.function.stores import KEYS, Function, kids, reads_settle, serve, wait_until
from tests.publications import duty
from tests.worlds import bundle

DOWN = SinkUnavailableError("memory:sink", "is down", "wait")


class TestFrozen:
    """The machine stands still between two requests, and with it the refresh that began beside the first."""

    def frozen(self, quiet: float) -> tuple[Function, threading.Event]:
        """A read of old objects hangs; a key is revoked meanwhile; later reads answer at once."""
        function, thaw = Function.over(), threading.Event()
        get(function.application, KEYS)
        function.world.clock.advance(seconds=24)

        def stand_still(number: int) -> None:
            if number == 2:
                hanging.set()
                assert thaw.wait(20)

        hanging = threading.Event()
        function.store.before = stand_still
        assert kids(get(function.application, KEYS)) == ["a", "b"]
        assert hanging.wait(10)
        function.world.publish(bundle("b", "c", sequence_number=8))
        function.world.clock.advance(seconds=quiet)
        return function, thaw

    @pytest.mark.parametrize("quiet", [12, 60, 5 * 3600])
    def test_the_next_request_waits_for_a_new_refresh(self, quiet: float) -> None:
        function, thaw = self.frozen(quiet)
        try:
            assert kids(get(function.application, KEYS)) == ["b", "c"]
            counters = function.keeper.status().counters
            assert (counters.failed, function.store.reads) == (0, 3), "nothing failed"
        finally:
            thaw.set()

    def test_a_read_that_lands_first_with_a_passed_deadline_tells_nothing_of_the_store(self) -> None:
        function, thaw = self.frozen(1800)
        function.store.error = DOWN
        thaw.set()
        reads_settle(function, 2)
        function.store.error = None
        assert kids(get(function.application, KEYS)) == ["b", "c"]

    def test_a_refresh_that_was_waited_for_in_vain_is_no_excuse_either(self) -> None:
        function = Function.over()
        get(function.application, KEYS)
        function.world.clock.advance(seconds=31)
        function.store.gate.clear()
        try:
            assert kids(get(function.application, KEYS)) == ["a", "b"]
            function.world.publish(bundle("b", "c", sequence_number=8))
            function.world.clock.advance(hours=5)
            function.store.before = lambda _number: function.store.gate.set()
            assert kids(get(function.application, KEYS)) == ["b", "c"]
        finally:
            function.store.gate.set()


def test_a_store_that_fails_lets_nobody_wait_at_each_try() -> None:
    function = Function.over()
    get(function.application, KEYS)
    function.store.error = DOWN
    function.world.clock.advance(seconds=31)
    get(function.application, KEYS)
    function.store.error = None
    function.world.publish(bundle("b", "c", sequence_number=8))
    function.world.clock.advance(seconds=1)
    function.store.gate.clear()
    try:
        for _ in range(20):
            begun = time.monotonic()
            assert kids(get(function.application, KEYS)) == ["a", "b"]
            assert time.monotonic() - begun < PATIENCE
        wait_until(lambda: function.store.reads == 3)
    finally:
        function.store.gate.set()
    wait_until(lambda: kids(get(function.application, KEYS)) == ["b", "c"])


def test_a_store_that_hangs_for_good_costs_a_few_threads_and_no_more() -> None:
    begun: list[Callable[[], None]] = []
    function = Function.over()
    clock, reads = function.world.clock, Reads("memory:sink", start=begun.append)
    keeper = Keeper(function.store, duty(), clock, serve, reads)
    for _ in range(3 * MOST_LOST):
        keeper._decide()
        clock.advance(seconds=LOST)
    assert len(begun) == MOST_LOST
    (finding,) = keeper.status().findings
    assert "did not come back" in finding.what
    begun[0]()
    clock.advance(seconds=LOST)
    keeper._decide()
    assert len(begun) == MOST_LOST + 1, "one came back, so one may begin"
    begun[-1]()
    assert keeper.status().is_served


def test_a_machine_without_threads_is_a_failed_read() -> None:
    def refuse(_work: Callable[[], None]) -> None:
        raise RuntimeError("can't start new thread")

    function = Function.over()
    reads = Reads("memory:sink", start=refuse)
    keeper = Keeper(function.store, duty(), function.world.clock, serve, reads)
    asyncio.run(keeper.look())
    (finding,) = keeper.status().findings
    assert (finding.code, keeper.status().counters.failed) == ("SRV001", 1)
    assert keeper.check_at == function.world.clock.monotonic() + 1


def test_a_slow_log_keeps_no_request_waiting() -> None:
    written, go_on = threading.Event(), threading.Event()

    class Slow(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            written.set()
            assert go_on.wait(20)

    function = Function.over()
    get(function.application, KEYS)
    function.store.error = DOWN
    handler, logger = Slow(), logging.getLogger("publisher.function")
    logger.addHandler(handler)
    try:
        function.world.clock.advance(seconds=24)
        get(function.application, KEYS)
        assert written.wait(10)
        assert function.keeper._lock.acquire(timeout=5)
        function.keeper._lock.release()
        assert kids(get(function.application, KEYS)) == ["a", "b"]
    finally:
        go_on.set()
        logger.removeHandler(handler)
