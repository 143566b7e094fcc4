"""The target `validate`: one line for an event, an error only for what lasts."""

import asyncio
import json
import logging
import threading
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import SinkUnavailableError
from publisher.settings.addresses import BucketAddress
from spire_oidc_function.events import DELETED, FINALIZED, Judge, ObjectEvent
from spire_oidc_function.reads import MOST_LOST
from tests.function.stores import WorldStore, wait_until
from tests.publications import DISJOINT, TERMS, published
from tests.worlds import CONFIGURATION, JWKS, MANIFEST, World, bundle

if TYPE_CHECKING:
    from collections.abc import Callable

BUCKET = BucketAddress(bucket="my-bucket", prefix="")


def event(
    name: str = JWKS, *, kind: str = FINALIZED, bucket: str = "my-bucket", number: str = "1"
) -> ObjectEvent:
    made = ObjectEvent.of(
        {"type": kind, "id": number}, {"bucket": bucket, "name": name, "generation": number}
    )
    assert made is not None
    return made


class Bench:
    """A judge over a world; `while_settling` happens during each pause."""

    def __init__(self, world: World, place: BucketAddress = BUCKET) -> None:
        self.store = WorldStore(world)
        self.pauses: list[float] = []
        self.while_settling: Callable[[], None] = lambda: None
        self.judge = Judge(
            store=self.store,
            terms=TERMS,
            place=place,
            paths=(JWKS, CONFIGURATION, MANIFEST),
            clock=world.clock,
            settle=30,
            sleep=self.sleep,
        )

    async def sleep(self, seconds: float) -> None:
        self.pauses.append(seconds)
        self.while_settling()

    def send(self, *events: ObjectEvent) -> None:
        async def all_at_once() -> None:
            await asyncio.gather(*(self.judge.judge(one) for one in events))

        asyncio.run(all_at_once())


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
    caplog.set_level(logging.INFO, logger="publisher.function")
    return caplog


def line(log: pytest.LogCaptureFixture) -> tuple[str, dict[str, Any]]:
    (record,) = log.records
    assert record.getMessage().isprintable()
    return record.levelname, record.__dict__["members"]


@pytest.mark.parametrize("name", [JWKS, CONFIGURATION, MANIFEST])
def test_a_valid_publication_is_one_line_of_info_at_once(name: str, log: pytest.LogCaptureFixture) -> None:
    bench = Bench(published("a"))
    bench.send(event(name, number="42"))
    level, members = line(log)
    assert level == "INFO"
    assert members["valid"] is True
    assert members["findings"] == []
    assert members["object"] == f"'gs://my-bucket/{name}'"
    assert members["event"]["generation"] == "'42'"
    assert bench.pauses == []
    json.dumps(members)


@pytest.mark.parametrize(
    ("place", "other"),
    [
        (BUCKET, event("other-object")),
        (BUCKET, event(bucket="another-bucket")),
        (BUCKET, event("prefix/keys")),
        (BucketAddress(bucket="my-bucket", prefix="prefix"), event("keys")),
    ],
)
def test_foreign_objects_are_ignored(
    place: BucketAddress, other: ObjectEvent, log: pytest.LogCaptureFixture
) -> None:
    bench = Bench(published("a"), place)
    bench.send(other)
    assert (bench.store.reads, log.records) == (0, [])


def test_below_a_prefix_the_paths_are_below_it(log: pytest.LogCaptureFixture) -> None:
    Bench(published("a"), BucketAddress(bucket="my-bucket", prefix="p/q")).send(event("p/q/keys"))
    assert line(log)[0] == "INFO"


def test_a_publisher_between_two_writes_is_no_error(log: pytest.LogCaptureFixture) -> None:
    old, world = published("a"), published("a", "b")
    finished = world.sink.objects[MANIFEST]
    world.sink.objects[MANIFEST] = old.sink.objects[MANIFEST]
    bench = Bench(world)
    bench.while_settling = lambda: world.sink.objects.update({MANIFEST: finished})
    bench.send(event())
    assert line(log)[0] == "INFO"
    assert bench.pauses == [30]


@pytest.mark.parametrize("path", [JWKS, CONFIGURATION, MANIFEST])
def test_a_deletion_that_lasts_is_an_error(path: str, log: pytest.LogCaptureFixture) -> None:
    world = published("a")
    del world.sink.objects[path]
    bench = Bench(world)
    bench.send(event(path, kind=DELETED))
    level, members = line(log)
    assert (level, bench.pauses) == ("ERROR", [30])
    assert members["findings"][0]["code"] == "VAL001"


def test_tampering_that_lasts_is_an_error_and_its_repair_is_not(log: pytest.LogCaptureFixture) -> None:
    world = published("a")
    bench = Bench(world)
    bench.send(event())
    log.clear()
    world.sink.put(JWKS, b'{"keys":[]}')
    bench.send(event(number="2"))
    assert line(log)[0] == "ERROR"
    log.clear()
    world.publish(bundle("a"))
    bench.send(event(number="3"))
    assert line(log)[0] == "INFO"


def test_a_rollback_is_seen_by_an_instance_that_saw_what_was_before(log: pytest.LogCaptureFixture) -> None:
    world = published("a", "b", number=7)
    old = dict(world.sink.objects)
    bench = Bench(world)
    world.publish(bundle("b", sequence_number=8))
    bench.send(event())
    log.clear()
    world.sink.objects = old
    bench.send(event(number="2"))
    level, members = line(log)
    assert (level, members["findings"][0]["code"]) == ("ERROR", "VAL008")


def test_an_instance_that_saw_no_event_for_a_stale_period_holds_nothing_against_rotations(
    log: pytest.LogCaptureFixture,
) -> None:
    world = published("a", "b")
    bench = Bench(world)
    bench.send(event())
    world.clock.advance(hours=1)
    world.publish(bundle("b", "c"))
    world.clock.advance(minutes=2)
    world.publish(bundle("c", "d"))
    world.clock.advance(hours=1, minutes=2)  # as long as the manifest remembers what it replaced
    world.publish(bundle("c", "d"))
    bench.send(event(number="2"))
    assert [record.levelname for record in log.records] == ["INFO", "WARNING"]
    assert log.records[1].__dict__["members"]["findings"][0]["code"] == "VAL013"


def test_a_remark_has_its_severity(log: pytest.LogCaptureFixture) -> None:
    world = published("a", number=7)
    bench = Bench(world)
    bench.send(event())
    log.clear()
    world.publish(bundle("x", sequence_number=1), overrides=DISJOINT)
    bench.send(event(number="2"))
    level, members = line(log)
    assert (level, members["findings"][0]["code"]) == ("WARNING", "VAL011")


def test_a_store_that_cannot_be_read_is_asked_again_and_then_an_error(log: pytest.LogCaptureFixture) -> None:
    bench = Bench(published("a"))
    bench.store.error = SinkUnavailableError("gs://my-bucket", "is down", "wait")
    bench.send(event())
    level, members = line(log)
    assert (level, bench.store.reads, members["findings"][0]["code"]) == ("ERROR", 2, "SRV001")


def test_reads_that_hang_are_given_up_and_begun_no_more(log: pytest.LogCaptureFixture) -> None:
    bench = Bench(published("a"))
    bench.judge.patience = 0.05
    bench.store.gate.clear()
    try:
        for number in range(7):
            bench.send(event(number=str(number)))
        assert {record.levelname for record in log.records} == {"ERROR"}
        assert bench.store.reads == MOST_LOST
    finally:
        bench.store.gate.set()
    log.clear()
    wait_until(lambda: bench.judge._reads.hanging == 0)
    bench.judge.patience = 30
    bench.send(event(number="9"))
    assert line(log)[0] == "INFO"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_a_mistake_in_a_read_is_an_error_of_the_event(log: pytest.LogCaptureFixture) -> None:
    bench = Bench(published("a"))
    bench.store.error = RuntimeError("secret")
    bench.send(event())
    for thread in threading.enumerate():
        if thread.name == "refresh":
            thread.join(10)  # its last words belong to this test
    level, members = line(log)
    assert level == "ERROR"
    assert "secret" not in json.dumps(members)


def test_events_that_find_the_bucket_unreadable_are_looks_all_the_same(log: pytest.LogCaptureFixture) -> None:
    world = published("a")
    bench = Bench(world)
    bench.send(event(number="0"))
    bench.store.error = SinkUnavailableError("gs://my-bucket", "is down", "wait")
    for number in range(1, 8):
        world.clock.advance(minutes=10)
        bench.send(event(number=str(number)))
    bench.store.error = None
    world.sink.objects = published("thief", at=world.clock.now()).sink.objects
    log.clear()
    bench.send(event(number="9"))
    level, members = line(log)
    assert (level, members["findings"][0]["code"]) == ("ERROR", "VAL007")


def test_duplicates_at_once_are_one_line_and_later_ones_do_no_harm(log: pytest.LogCaptureFixture) -> None:
    bench = Bench(published("a"))
    bench.send(event(), event(), event())
    assert (bench.store.reads, len(log.records)) == (1, 1)
    bench.send(event())
    assert {record.levelname for record in log.records} == {"INFO"}


def test_events_out_of_order_judge_what_is_there_now(log: pytest.LogCaptureFixture) -> None:
    world = published("a")
    bench = Bench(world)
    bench.send(event(MANIFEST, number="9"), event(JWKS, number="3"), event(JWKS, kind=DELETED, number="2"))
    assert [record.levelname for record in log.records] == ["INFO"] * 3


def test_a_hostile_name_is_printed_escaped(log: pytest.LogCaptureFixture) -> None:
    hostile = ObjectEvent.of(
        {"type": FINALIZED, "id": "\x1b[2J\n"}, {"bucket": "my-bucket", "name": JWKS, "generation": "\r"}
    )
    assert hostile is not None
    Bench(published("a")).send(hostile)
    assert "\x1b" not in json.dumps(line(log)[1], ensure_ascii=False)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["bucket", "name", "x"]), inner)
    ),
    max_leaves=6,
)


@given(
    kind=st.one_of(st.sampled_from([FINALIZED, DELETED]), st.none(), st.text(max_size=8)),
    identity=st.one_of(st.none(), st.text(max_size=8)),
    data=st.one_of(JSON, st.binary(max_size=20)),
)
def test_no_event_is_too_strange_to_be_read(kind: object, identity: object, data: object) -> None:
    made = ObjectEvent.of({"type": kind, "id": identity}, data)
    assert made is None or made.type in (FINALIZED, DELETED)
