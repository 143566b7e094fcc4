"""The watch: what it serves, says and does next after each kind of read."""

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.bundle.fetched import Witness
from publisher.errors import BundleError, PublisherError, RefusedError, SinkUnavailableError
from publisher.findings import Finding, Severity
from publisher.publication import succession, validation
from publisher.serving import watch
from publisher.serving.policy import ServePolicy, StalePolicy
from publisher.serving.status import State, Status, to_json
from publisher.serving.status_page import render_page
from publisher.serving.watch import FIRST_PAUSE
from tests.doubles import ListedSource, codes
from tests.publications import Watched, published, rewrite_manifest
from tests.worlds import JWKS, MANIFEST, World, bundle

INTERVAL = timedelta(seconds=30)
DOWN = SinkUnavailableError("gs://bucket", "is down", "wait")


def status(watched: Watched, **later: float) -> Status:
    return watched.watch.status(watched.world.clock.now() + timedelta(**later))


def fail(watched: Watched, error: PublisherError) -> None:
    watched.watch = watched.watch.failed(error, watched.world.clock.now())


def test_before_the_first_read_nothing_is_known() -> None:
    shown = status(Watched.over(World()))
    assert (shown.state, shown.is_served, shown.serving, shown.findings) == (State.EMPTY, False, None, ())
    assert shown.last_try_at is shown.next_try_at is shown.last_good_read_at is None


def test_a_good_read_is_served_and_read_again_after_an_interval() -> None:
    watched = Watched.over(published("a", "b", number=7))
    watched.read()
    shown = status(watched)
    assert (shown.state, shown.is_served, shown.is_healthy) == (State.FRESH, True, True)
    assert shown.serving is not None
    assert [key.kid for key in shown.serving.keys] == ["a", "b"]
    assert shown.last_try_at == shown.last_good_read_at == watched.world.clock.now()
    assert watched.watch.pause == INTERVAL
    assert (shown.counters.reads, shown.counters.accepted, shown.counters.changed) == (1, 1, 0)


def test_time_alone_makes_it_due_stale_and_refused() -> None:
    watched = Watched.over(published("a"), ServePolicy(when_stale=StalePolicy.REFUSE))
    watched.read()
    for later, state, served in ((14, "fresh", True), (16, "due", True), (61, "stale", False)):
        shown = status(watched, minutes=later)
        assert (shown.state, shown.is_served) == (State(state), served)
        assert shown.is_healthy is (state != "stale")


def test_a_rotation_counts_as_changed_and_a_confirmation_does_not() -> None:
    watched = Watched.over(published("a", "b"))
    watched.read()
    watched.world.publish(bundle("a", "b"))
    watched.read(seconds=30)
    assert status(watched).counters.changed == 0
    watched.world.publish(bundle("b", "c"))
    watched.read(seconds=30)
    assert status(watched).counters.changed == 1


def test_a_refused_publication_leaves_the_last_good_one_up_and_alarms() -> None:
    watched = Watched.over(published("a"))
    watched.read()
    watched.world.sink.objects = published("thief").sink.objects
    watched.read(seconds=30)
    shown = status(watched)
    assert (shown.state, shown.is_served, shown.is_healthy) == (State.INVALID, True, False)
    assert shown.serving is not None
    assert [key.kid for key in shown.serving.keys] == ["a"]
    assert codes(shown.findings) == ["VAL007"]
    watched.world.sink.objects = published("a").sink.objects
    watched.read(seconds=1)
    assert status(watched).state is State.FRESH


def test_a_failed_read_keeps_state_and_snapshot_and_is_counted() -> None:
    watched = Watched.over(published("a"))
    watched.read()
    fail(watched, DOWN)
    shown = status(watched)
    assert (shown.state, shown.counters.failed, codes(shown.findings)) == (State.FRESH, 1, ["SRV001"])
    assert shown.findings[0].severity is Severity.WARNING
    watched.read(seconds=5)
    assert status(watched).findings == ()


def test_a_failed_read_forgets_no_refusal() -> None:
    watched = Watched.over(published("a"))
    watched.read()
    watched.world.sink.put(MANIFEST, b"{}")
    watched.read(seconds=30)
    fail(watched, DOWN)
    assert status(watched).state is State.INVALID
    assert codes(status(watched).findings) == ["VAL002", "SRV001"], "the gravest first"


FINDING = Finding(code="ROT001", severity=Severity.ERROR, where="w", what="x", remedy="r")


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (BundleError("endpoint", "is empty", "wait"), "SRV002"),
        (RefusedError("endpoint", "refused", "look", findings=(FINDING,)), "ROT001"),
    ],
)
def test_an_offer_that_is_refused_makes_the_state_invalid(error: PublisherError, expected: str) -> None:
    watched = Watched.over(published("a"))
    watched.read()
    fail(watched, error)
    shown = status(watched)
    assert (shown.state, codes(shown.findings)) == (State.INVALID, [expected])
    assert (shown.counters.refused, shown.counters.failed) == (1, 0)


def test_bad_reads_are_repeated_with_growing_pauses_up_to_the_interval() -> None:
    watched = Watched.over(published("a"))
    watched.read()
    pauses = []
    for _ in range(8):
        fail(watched, DOWN)
        pauses.append(watched.watch.pause.total_seconds())
    assert pauses == [1, 2, 4, 8, 16, 30, 30, 30]


class TestMix:
    """Two publications met in one read."""

    def mixed(self) -> Watched:
        old, new = published("a", "b"), published("b", "c")
        new.sink.objects[MANIFEST] = old.sink.objects[MANIFEST]
        return Watched.over(new)

    def test_a_cold_instance_serves_nothing_reads_each_second_and_after_an_interval_accepts(self) -> None:
        watched = self.mixed()
        for _ in range(30):
            watched.read(seconds=1)
            shown = status(watched)
            assert (shown.state, shown.is_served) == (State.EMPTY, False)
            assert watched.watch.pause == FIRST_PAUSE
        watched.read(seconds=1)
        shown = status(watched)
        assert (shown.state, shown.is_served) == (State.FRESH, True)
        assert codes(shown.findings) == ["VAL004"]
        assert shown.counters.mixed == 31
        for _ in range(4):
            watched.read(seconds=30)
            assert status(watched).is_healthy, "the very same bytes stay accepted"
            assert codes(status(watched).findings) == ["VAL004"]
        watched.world.sink.put(JWKS, b'{"keys":[]}')
        watched.read(seconds=30)
        assert codes(status(watched).findings) == ["VAL003"], "other bytes do not"

    def test_a_warm_instance_keeps_the_last_good_one_and_alarms_after_an_interval(self) -> None:
        mixed = self.mixed().world
        watched = Watched.over(published("a", "b"))
        watched.read()
        watched.world.sink.objects = mixed.sink.objects
        watched.read(seconds=30)
        assert status(watched).state is State.FRESH
        assert codes(status(watched).findings) == ["VAL003"]
        watched.read(seconds=29)
        assert status(watched).state is State.FRESH
        watched.read(seconds=1)
        shown = status(watched)
        assert (shown.state, shown.is_served) == (State.INVALID, True)
        assert shown.serving is not None
        assert [key.kid for key in shown.serving.keys] == ["a", "b"]

    def test_a_mix_that_turns_into_something_else_is_counted_anew(self) -> None:
        watched = self.mixed()
        watched.read()
        watched.world.sink.objects.pop(JWKS)
        assert watched.read(seconds=20).mixed_since is None


def test_a_manifest_is_seen_when_it_is_read_first() -> None:
    watched = Watched.over(published("a"))
    first = watched.read().seen_at
    assert watched.read(seconds=30).seen_at == first
    rewrite_manifest(watched.world, refresh_hint=5)
    assert watched.read(seconds=30).seen_at == watched.world.clock.now()


def test_a_snapshot_of_unknown_age_is_judged_by_nobody() -> None:
    watched = Watched.over(published("a"))
    assert replace(watched.read(), seen_at=None).verdict(watched.world.clock.now()) is None


def rotate_twice(world: World) -> None:
    """Leave no key of before, in two steps so far apart that no cache excuses the first one any more."""
    world.publish(bundle("b", "c"))
    world.clock.advance(minutes=2)
    world.publish(bundle("c", "d"))


def test_what_is_too_old_to_be_served_is_stale_and_unhealthy_whatever_it_promises() -> None:
    watched = Watched.over(published("a"), ServePolicy(refuse_after=timedelta(minutes=5)))
    watched.read()
    shown = status(watched, minutes=5)
    assert (shown.state, shown.is_served, shown.is_healthy) == (State.STALE, False, False)
    assert codes(shown.findings) == ["SRV003"]
    assert b"Not confirmed for too long." in render_page(shown)
    watched.watch = replace(watched.watch, is_refused=True)
    assert status(watched, minutes=5).state is State.INVALID


def test_a_cold_instance_that_cannot_read_is_in_error() -> None:
    watched = Watched.over(World())
    fail(watched, DOWN)
    (finding,) = status(watched).findings
    assert (finding.code, finding.severity) == ("SRV001", Severity.ERROR)


class TestSleep:
    """An instance without requests has no CPU, and misses what is published."""

    def rotated(self, **later: float) -> Watched:
        watched = Watched.over(published("a", "b"))
        watched.read()
        rotate_twice(watched.world)
        # The manifest remembers what it replaced for an hour; only after that does nothing tell the descent.
        watched.world.clock.advance(hours=1, minutes=2)
        watched.world.publish(bundle("c", "d"))
        watched.read(**later)
        return watched

    def test_who_missed_two_rotations_learns_from_the_manifest_how_one_followed_the_other(self) -> None:
        watched = Watched.over(published("a", "b"))
        watched.read()
        rotate_twice(watched.world)
        watched.world.publish(bundle("c", "d"))
        watched.read(minutes=57)
        assert watched.watch.snapshot is not None
        assert [key.kid for key in watched.watch.snapshot.keys] == ["c", "d"]
        assert not {"VAL007", "VAL013"} & set(codes(status(watched).findings))

    def test_a_watch_that_slept_for_a_stale_period_accepts_what_validates(self) -> None:
        watched = self.rotated(hours=1)
        assert watched.watch.snapshot is not None
        assert [key.kid for key in watched.watch.snapshot.keys] == ["c", "d"]
        assert "VAL013" in codes(status(watched).findings), "and says so"

    def test_who_was_asked_and_could_not_read_did_not_sleep(self) -> None:
        watched = Watched.over(published("a"))
        watched.read()
        for _ in range(70):
            watched.world.clock.advance(minutes=1)
            fail(watched, DOWN)
        watched.world.sink.objects = published("thief", at=watched.world.clock.now()).sink.objects
        watched.read(seconds=30)
        assert "VAL007" in codes(status(watched).findings)

    def test_a_sleep_is_over_with_a_good_read_not_with_a_bad_one(self) -> None:
        watched = Watched.over(published("a", "b"))
        watched.read()
        watched.world.clock.advance(hours=1)
        fail(watched, DOWN)
        rotate_twice(watched.world)
        good = dict(watched.world.sink.objects)
        watched.world.sink.put(MANIFEST, b"{}")
        watched.read(seconds=1)
        watched.world.sink.objects = good
        watched.read(seconds=1)
        assert status(watched).state is State.FRESH
        watched.world.sink.objects = published("thief", at=watched.world.clock.now()).sink.objects
        watched.read(seconds=30)
        assert codes(status(watched).findings) == ["VAL007"], "awake again"

    def test_a_manifest_of_a_short_promise_makes_nobody_a_sleeper(self) -> None:
        world = published("a")
        rewrite_manifest(world, stale_at="2026-11-22T12:00:10Z", due_at="2026-11-22T12:00:05Z")
        watched = Watched.over(world)
        watched.read()
        watched.world.sink.objects = published("thief").sink.objects
        watched.read(seconds=30)
        assert "VAL007" in codes(status(watched).findings)

    def test_what_is_too_old_to_be_served_guards_nothing_any_more(self) -> None:
        watched = Watched.over(published("a", "b"))
        watched.read()
        watched.world.sink.objects = published("c", "d", at=watched.world.clock.now()).sink.objects
        for _ in range(46):
            watched.world.publish(bundle("c", "d"))
            watched.read(minutes=30)
            assert status(watched).state is State.INVALID
        for _ in range(2):
            watched.world.publish(bundle("c", "d"))
            watched.read(minutes=30)
        shown = status(watched)
        assert shown.is_served
        assert "VAL013" in codes(shown.findings)
        assert shown.serving is not None
        assert [key.kid for key in shown.serving.keys] == ["c", "d"]

    def test_a_watch_that_was_awake_does_not_however_long_it_lasts(self) -> None:
        watched = Watched.over(published("a", "b"))
        watched.read()
        watched.world.sink.objects = published("thief", at=watched.world.clock.now()).sink.objects
        for _ in range(70):
            watched.read(minutes=1)
        assert status(watched).state is State.INVALID
        assert status(watched).findings[0].code == "VAL007"


def test_the_codes_of_serving_are_its_own() -> None:
    assert not set(watch.CODES) & (set(validation.CODES) | set(succession.CODES))


def test_margins_count_the_interval_of_this_function_and_a_key_in_a_hurry_is_found() -> None:
    watched = Watched.over(published("a"))
    watched.world.clock.advance(minutes=1)
    watched.world.publish(source=ListedSource(bundle("a", "b"), witness=Witness(iss=None, kid="b")))
    watched.read(seconds=30)
    shown = status(watched)
    assert shown.serving is not None
    assert [key.margin for key in shown.serving.keys] == [None, -timedelta(seconds=760) - INTERVAL]
    assert "LED002" in codes(shown.findings)
    members = json.loads(to_json(shown))["publication"]["keys"]
    assert [key["margin_seconds"] for key in members] == [None, -790]
    assert [key["evidence"] for key in members] == [None, "seen"]
    assert [key["needed_seconds"] for key in members] == [790, 790]
    assert [key["available_seconds"] for key in members] == [None, 0]
    assert "LED002" not in codes(status(watched, minutes=20).findings)


def test_a_manifest_of_an_older_release_tells_no_margins() -> None:
    world = published("a")
    rewrite_manifest(world, lead_time=None)
    watched = Watched.over(world)
    watched.read()
    shown = status(watched)
    assert shown.serving is not None
    assert [key.lead_time for key in shown.serving.keys] == [None]
    assert json.loads(to_json(shown))["publication"]["keys"][0]["margin_seconds"] is None
