"""One refresh at a time, in a thread, and nobody waits for long."""

import asyncio
import threading
import time

import pytest

from publisher.errors import SinkUnavailableError
from publisher.serving.policy import ServePolicy, StalePolicy
from publisher.serving.status import State
from spire_oidc_function.keeper import PATIENCE
from spire_oidc_function.reads import LOST
from tests.doubles import codes
from tests.function.asgi_client import Answer, ask, get
from tests.function.stores import KEYS, Function, kids, reads_settle, wait_until
from tests.publications import published
from tests.worlds import MANIFEST, World, bundle

DOWN = SinkUnavailableError("memory:sink", "is down", "wait")


def test_the_first_request_reads_and_the_next_ones_do_not() -> None:
    function = Function.over()
    for _ in range(3):
        assert kids(get(function.application, KEYS)) == ["a", "b"]
    assert function.store.reads == 1


def test_many_first_requests_share_one_read() -> None:
    function = Function.over()

    async def all_at_once() -> list[Answer]:
        return await asyncio.gather(*(ask(function.application, KEYS) for _ in range(200)))

    assert {answer.status for answer in asyncio.run(all_at_once())} == {200}
    assert function.store.reads == 1


def test_older_than_the_interval_a_request_waits_for_the_new_one() -> None:
    function = Function.over()
    get(function.application, KEYS)
    function.world.publish(bundle("b", "c", sequence_number=8))
    function.world.clock.advance(seconds=22)
    assert kids(get(function.application, KEYS)) == ["a", "b"], "younger: not even looked"
    function.world.clock.advance(seconds=8)
    assert kids(get(function.application, KEYS)) == ["b", "c"]
    assert function.store.reads == 2


def test_before_the_interval_ends_a_refresh_runs_beside() -> None:
    function = Function.over()
    get(function.application, KEYS)
    function.world.publish(bundle("b", "c", sequence_number=8))
    function.world.clock.advance(seconds=23)
    function.store.reading.clear()
    function.store.gate.clear()
    try:
        for _ in range(5):
            assert kids(get(function.application, KEYS)) == ["a", "b"], "nobody waits"
        assert function.store.reading.wait(10)
    finally:
        function.store.gate.set()
    reads_settle(function, 2)
    assert kids(get(function.application, KEYS)) == ["b", "c"]
    assert function.store.reads == 2


def test_a_slow_store_keeps_requests_waiting_once_and_for_two_seconds() -> None:
    function = Function.over()
    get(function.application, KEYS)
    function.world.clock.advance(seconds=31)
    function.store.gate.clear()
    try:
        begun = time.monotonic()
        assert kids(get(function.application, KEYS)) == ["a", "b"], "the last good one"
        assert time.monotonic() - begun >= PATIENCE * 0.9
        function.world.clock.advance(seconds=PATIENCE)
        begun = time.monotonic()
        for _ in range(20):
            get(function.application, KEYS)
        assert time.monotonic() - begun < 20 * PATIENCE * 0.5, "the patience is used up for all of them"
        assert function.store.reads == 2
    finally:
        function.store.gate.set()
    reads_settle(function, 2)


def test_a_cold_instance_before_a_slow_store_answers_503_in_the_end() -> None:
    function = Function.over()
    function.store.gate.clear()
    try:
        answer = get(function.application, KEYS)
    finally:
        function.store.gate.set()
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"1")
    reads_settle(function, 1)
    assert kids(get(function.application, KEYS)) == ["a", "b"]


def test_a_broken_store_is_not_hammered_and_the_last_good_one_stays() -> None:
    function = Function.over()
    get(function.application, KEYS)
    function.store.error = DOWN
    function.world.clock.advance(seconds=30)
    tried_at = []
    for second in range(120):
        before = function.store.reads
        for _ in range(3):
            assert kids(get(function.application, KEYS)) == ["a", "b"]
        wait_until(lambda: function.keeper._flight is None)
        if function.store.reads > before:
            tried_at.append(second)
        function.world.clock.advance(seconds=1)
    assert tried_at == [0, 1, 3, 7, 15, 31, 61, 91]
    status = function.keeper.status()
    assert (status.counters.failed, status.state, codes(status.findings)) == (8, State.FRESH, ["SRV001"])
    function.store.error = None
    function.world.clock.advance(seconds=30)
    get(function.application, KEYS)
    wait_until(lambda: function.keeper.status().findings == ())


def test_a_cold_instance_without_a_store_says_when_to_ask_again() -> None:
    function = Function.over()
    function.store.error = DOWN
    for expected in (1, 2, 4, 8, 16, 30):
        assert get(function.application, KEYS).headers[b"retry-after"] == str(expected).encode()
        function.world.clock.advance(seconds=expected)


def test_a_read_that_never_comes_back_is_given_up_and_its_late_result_discarded() -> None:
    function = Function.over()
    get(function.application, KEYS)
    function.world.clock.advance(seconds=30)
    function.store.gate.clear()
    try:
        get(function.application, KEYS)
        assert function.store.reads == 2
        function.world.publish(bundle("a", "b", "c", sequence_number=8))
        function.world.clock.advance(seconds=LOST)
        get(function.application, KEYS)
        assert codes(function.keeper.status().findings) == ["SRV001"]
        assert function.store.reads == 3, "the next one begins at once"
    finally:
        function.store.gate.set()
    wait_until(lambda: kids(get(function.application, KEYS)) == ["a", "b", "c"])
    time.sleep(0.1)
    assert kids(get(function.application, KEYS)) == ["a", "b", "c"]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_in_a_read_hangs_nobody_and_the_service_goes_on() -> None:
    function = Function.over()
    function.store.error = RuntimeError("secret")
    answer = get(function.application, KEYS)
    for thread in threading.enumerate():
        if thread.name == "refresh":
            thread.join(10)  # its last words belong to this test
    assert answer.status == 503
    assert b"secret" not in answer.body
    function.store.error = None
    function.world.clock.advance(seconds=1)
    assert kids(get(function.application, KEYS)) == ["a", "b"]


def test_a_publisher_between_two_writes_is_waited_for_within_one_refresh() -> None:
    function = Function.over()
    get(function.application, KEYS)
    old = function.world.sink.objects[MANIFEST]
    function.world.publish(bundle("b", "c", sequence_number=8))
    new = function.world.sink.objects[MANIFEST]

    def manifest_comes_late(number: int) -> None:
        function.world.sink.objects[MANIFEST] = old if number < 4 else new

    function.store.before = manifest_comes_late
    function.world.clock.advance(seconds=30)
    assert kids(get(function.application, KEYS)) == ["b", "c"]
    assert function.store.reads == 4


def test_a_lasting_mix_keeps_a_warm_instance_on_the_last_good_one() -> None:
    function = Function.over()
    get(function.application, KEYS)
    old = function.world.sink.objects[MANIFEST]
    function.world.publish(bundle("b", "c", sequence_number=8))
    function.world.sink.objects[MANIFEST] = old
    for _ in range(10):
        function.world.clock.advance(seconds=30)
        assert kids(get(function.application, KEYS)) == ["a", "b"]
    assert function.keeper.status().state is State.INVALID


def test_a_cold_instance_serves_a_lasting_mix_after_an_interval() -> None:
    old, new = published("a", "b"), published("b", "c")
    new.sink.objects[MANIFEST] = old.sink.objects[MANIFEST]
    function = Function.over(new)
    answer = get(function.application, KEYS)
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"1")
    waited = 0
    while get(function.application, KEYS).status == 503:
        function.world.clock.advance(seconds=1)
        waited += 1
    assert 10 < waited <= 31
    assert kids(get(function.application, KEYS)) == ["b", "c"]
    assert codes(function.keeper.status().findings) == ["VAL004"]


@pytest.mark.parametrize(
    ("policy", "served_for", "refused_after"),
    [
        (ServePolicy(when_stale=StalePolicy.REFUSE), 59, 61),
        (ServePolicy(), 61, 24 * 60 + 1),
    ],
)
def test_a_stale_publication_is_served_or_refused_as_the_policy_says(
    policy: ServePolicy, served_for: int, refused_after: int
) -> None:
    function = Function.over(policy=policy)
    get(function.application, KEYS)
    function.world.clock.advance(minutes=served_for)
    assert get(function.application, KEYS).status == 200
    function.world.clock.advance(minutes=refused_after - served_for)
    answer = get(function.application, KEYS)
    assert (answer.status, answer.headers[b"retry-after"]) == (503, b"30")
    assert function.keeper.status().state is State.STALE
    function.world.publish(bundle("a", "b", sequence_number=7))
    function.world.clock.advance(seconds=30)
    assert get(function.application, KEYS).status == 200


def test_age_is_judged_even_while_every_read_hangs() -> None:
    function = Function.over(policy=ServePolicy(when_stale=StalePolicy.REFUSE))
    get(function.application, KEYS)
    function.store.gate.clear()
    try:
        function.world.clock.advance(minutes=61)
        assert get(function.application, KEYS).status == 503
    finally:
        function.store.gate.set()


def test_a_refused_publication_is_never_served() -> None:
    function = Function.over()
    get(function.application, KEYS)
    function.world.sink.objects = published("thief").sink.objects
    for _ in range(5):
        function.world.clock.advance(seconds=30)
        assert kids(get(function.application, KEYS)) == ["a", "b"]
    assert function.keeper.status().state is State.INVALID


def test_an_empty_store_is_503_until_something_is_published() -> None:
    function = Function.over(World())
    assert get(function.application, KEYS).status == 503
    assert function.keeper.status().state is State.EMPTY
    function.world.publish(bundle("a"))
    function.world.clock.advance(seconds=1)
    assert kids(get(function.application, KEYS)) == ["a"]
