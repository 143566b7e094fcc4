"""One run of `publish`: order, read back, races, crashes, the public URL."""

import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.bundle.fetched import Witness
from publisher.errors import (
    BundleError,
    ExitStatus,
    RefusedError,
    SettingsError,
    SinkConflictError,
    SinkUnavailableError,
    SourceUnavailableError,
)
from publisher.findings import Finding, Severity
from publisher.oidc.issuer import Issuer
from publisher.ports import Deadline
from publisher.publication.document_set import Headers
from publisher.publication.rules import Overrides
from publisher.use_cases.render import render
from publisher.use_cases.run import MOST_ATTEMPTS
from tests import keys
from tests.doubles import Crashed, DictMemory, ListedSource, MemorySink, SinkWeb, StoppedClock, codes
from tests.worlds import CONFIGURATION, ISSUER, JWKS, MANIFEST, SETTINGS, World, bundle


def test_changed_documents_are_read_back_before_the_manifest() -> None:
    world = World()
    world.publish(bundle("a"))
    assert world.sink.log == [
        *(f"read {path}" for path in (MANIFEST, CONFIGURATION, JWKS)),
        f"write {JWKS}",
        f"read {JWKS}",
        f"write {CONFIGURATION}",
        f"read {CONFIGURATION}",
        f"write {MANIFEST}",
    ]


def test_nothing_to_do_is_three_reads_and_one_write() -> None:
    world = World()
    world.publish(bundle("a"))
    world.sink.log.clear()
    world.publish(bundle("a"))
    assert len(world.sink.log) == 4


def test_a_dry_run_says_what_would_be_and_touches_nothing() -> None:
    world = World(memory=DictMemory())
    outcome = world.publish(bundle("a"), dry_run=True)
    assert outcome.written == (JWKS, CONFIGURATION)
    assert outcome.changed
    assert outcome.verified == "off"
    assert world.sink.objects == {}
    assert world.memory is not None
    assert world.memory.manifest is None
    world.publish(bundle("a"))
    assert world.publish(bundle("a"), dry_run=True).written == ()


def test_the_manifest_is_not_for_caches() -> None:
    world = World()
    world.publish(bundle("a"))
    headers = {
        path: stored.headers and stored.headers.cache_control for path, stored in world.sink.objects.items()
    }
    assert headers == {JWKS: "public, max-age=60", CONFIGURATION: "public, max-age=300", MANIFEST: "no-store"}


class TestBucket:
    GOOGLE = ("https://storage.googleapis.com/my-bucket", "https://my-bucket.storage.googleapis.com")

    @pytest.mark.parametrize("url", [*GOOGLE, f"{GOOGLE[0]}/"])
    def test_both_forms_belong(self, url: str) -> None:
        world = World(sink=MemorySink(public_urls=self.GOOGLE))
        world.settings = replace(SETTINGS, issuer=Issuer.parse(url))
        assert world.publish(bundle("a")).changed

    def test_another_issuer_is_refused_before_anything_is_fetched_or_written(self) -> None:
        world = World(sink=MemorySink(public_urls=self.GOOGLE))
        world.settings = replace(SETTINGS, issuer=Issuer.parse("https://storage.googleapis.com/my-bucke"))
        with pytest.raises(SettingsError, match="does not belong") as caught:
            world.publish(bundle("a"))
        assert caught.value.exit_status == ExitStatus.SETTINGS
        assert world.source.fetches == 0
        assert world.sink.log == []

    def test_a_domain_in_front_of_the_bucket(self) -> None:
        world = World(sink=MemorySink(public_urls=self.GOOGLE))
        world.settings = replace(SETTINGS, issuer=Issuer.parse("https://id.example.com"))
        assert world.publish(bundle("a"), bucket_url="https://id.example.com/").changed


@pytest.mark.parametrize(
    "error", [BundleError("keys[0]", "weak", "mend"), SourceUnavailableError("socket", "silent", "wait")]
)
def test_a_source_that_gives_nothing_leaves_everything(error: BundleError) -> None:
    world = World()
    world.publish(bundle("a"))
    before = world.bodies()
    with pytest.raises(type(error)):
        world.publish(error)
    assert world.bodies() == before


class TestCrashes:
    """Killed between any two steps; the next run repairs, and no reader misses a valid key."""

    @pytest.mark.parametrize("number", range(3))
    @pytest.mark.parametrize("when", ["before_write", "after_write"])
    @pytest.mark.parametrize("memory", [True, False])
    def test_the_next_run_finishes(self, number: int, when: str, memory: bool) -> None:
        world = World(memory=DictMemory() if memory else None)
        world.publish(bundle("a", "b", sequence_number=1))
        world.settings = replace(SETTINGS, configuration_max_age=timedelta(seconds=600))  # all three change

        def die(at: int, _path: str) -> None:
            if at == 3 + number:
                raise Crashed

        setattr(world.sink, when, die)
        with pytest.raises(Crashed):
            world.publish(bundle("b", "c", sequence_number=2))
        readable = json.loads(world.bodies()[JWKS])["keys"]
        assert "b" in [key["kid"] for key in readable], "the active key stays readable throughout"
        setattr(world.sink, when, lambda _number, _path: None)
        outcome = world.publish(bundle("b", "c", sequence_number=2))
        assert [key.kid for key in world.manifest().keys] == ["b", "c"]
        assert world.manifest().sequence_number == 2
        assert not {"ROT010", "ROT011"} & set(codes(outcome.findings)), "our own death is no tampering"
        assert world.publish(bundle("b", "c", sequence_number=2)).findings == ()

    @pytest.mark.parametrize("number", range(3))
    def test_an_override_that_was_killed_is_finished_without_it(self, number: int) -> None:
        world = World()
        world.publish(bundle("a", sequence_number=9))

        def die(at: int, _path: str) -> None:
            if at == 3 + number:
                raise Crashed

        world.sink.after_write = die
        world.settings = replace(SETTINGS, configuration_max_age=timedelta(seconds=600))
        overrides = Overrides(accept_disjoint_keys=True, accept_lower_sequence=True)
        with pytest.raises(Crashed):
            world.publish(bundle("x", sequence_number=1), overrides=overrides)
        world.sink.after_write = lambda _number, _path: None
        world.publish(bundle("x", sequence_number=1))
        manifest = world.manifest()
        assert [key.kid for key in manifest.keys] == ["x"]
        assert manifest.override is not None
        assert "accept-disjoint-keys" in manifest.override.accepted
        assert manifest.override.replaced_sha256 is not None


class TestRaces:
    def test_the_same_publication_by_somebody_else_is_success(self) -> None:
        world, other = World(), World()
        other.publish(bundle("a"))

        def race(number: int, _path: str) -> None:
            if number == 0:
                for path, body in other.bodies().items():
                    world.sink.put(path, body, other.sink.objects[path].headers)

        world.sink.before_write = race
        outcome = world.publish(bundle("a"))
        assert outcome.exit_status == ExitStatus.DONE
        assert world.sink.written == [], "the other one confirmed it meanwhile"

    def test_a_lost_reply_is_no_conflict(self) -> None:
        world = World()
        failed = iter([True])

        def lose(_number: int, path: str) -> None:
            if path == JWKS and next(failed, False):
                raise SinkConflictError(path, "412 on the retry of a write that happened", "")

        world.sink.after_write = lose
        assert world.publish(bundle("a")).changed
        assert world.sink.written == [JWKS, CONFIGURATION, MANIFEST]

    def test_a_newer_bundle_of_somebody_else_wins(self) -> None:
        world = World()
        world.publish(bundle("a", sequence_number=1))
        newer = World(sink=world.sink)

        def race(_number: int, path: str) -> None:
            if path == JWKS:
                world.sink.before_write = lambda _number, _path: None
                newer.publish(bundle("a", "c", sequence_number=3))

        world.sink.before_write = race
        outcome = world.publish(bundle("a", "b", sequence_number=2), bundle("a", "c", sequence_number=3))
        assert world.source.fetches == 2, "its own bundle was only behind"
        assert outcome.manifest.sequence_number == 3
        assert [key.kid for key in world.manifest().keys] == ["a", "c"]

    def test_another_publisher_between_its_jwks_and_its_manifest_is_no_thief(self) -> None:
        world = World()
        world.publish(bundle("a", sequence_number=1))
        other = World(sink=MemorySink())
        other.publish(bundle("a", "b", sequence_number=2))
        world.sink.put(JWKS, other.bodies()[JWKS])
        finished = other.sink.objects[MANIFEST]

        def finish() -> None:
            world.sink.put(MANIFEST, finished.body, finished.headers)

        world.clock.while_sleeping = finish
        with pytest.raises(RefusedError, match="sequence number 1, the published one 2"):
            world.publish(bundle("a", sequence_number=1))
        assert world.bodies()[JWKS] == other.bodies()[JWKS], "the new key stays"

    def test_a_sink_that_conflicts_for_ever_is_given_up(self) -> None:
        world = World()
        numbers = itertools.count()

        def race(_number: int, path: str) -> None:
            world.sink.put(path, str(next(numbers)).encode())

        world.publish(bundle("a"))
        world.sink.before_write = race
        with pytest.raises(SinkUnavailableError, match="in between") as caught:
            world.publish(bundle("a", "b"))
        assert caught.value.exit_status == ExitStatus.TEMPORARY
        assert len([line for line in world.sink.log if "conflict" in line]) == MOST_ATTEMPTS

    def test_a_document_that_changes_right_after_the_write_is_planned_again(self) -> None:
        world = World()
        tampered = iter([True])

        def overwrite(_number: int, path: str) -> None:
            if path == JWKS and next(tampered, False):
                world.sink.put(JWKS, keys.jwks("a", "b"))

        world.publish(bundle("a"))
        world.sink.after_write = overwrite
        world.publish(bundle("a", "c"))
        assert [key["kid"] for key in json.loads(world.bodies()[JWKS])["keys"]] == ["a", "c"]


class TestTimeout:
    def test_nothing_is_started_after_the_deadline(self) -> None:
        world = World()
        world.sink.after_read = lambda _path: world.clock.advance(seconds=31)
        with pytest.raises(SinkUnavailableError, match="time of this run is over"):
            world.publish(bundle("a"))
        assert world.sink.objects == {}

    def test_a_source_that_took_all_the_time(self) -> None:
        world = World()
        source = ListedSource(bundle("a"))
        fetch = source.fetch

        class Slow:
            fetches = 0

            def fetch(self, deadline: Deadline):  # type: ignore[no-untyped-def] # noqa: ANN202
                fetched = fetch(deadline)
                world.clock.advance(seconds=31)
                return fetched

        with pytest.raises(SinkUnavailableError, match="time of this run"):
            world.publish(source=Slow())  # type: ignore[arg-type]
        assert world.sink.log == []


class TestStateFile:
    def test_it_is_written_only_when_it_says_something_new(self) -> None:
        memory = DictMemory()
        world = World(memory=memory)
        world.publish(bundle("a"))
        world.publish(bundle("a"))
        assert memory.remembered == 1
        world.publish(bundle("a", "b"))
        assert memory.remembered == 3, "before the first write, and after the last: no more to replace"
        world.publish(bundle("a", "b"))
        assert memory.remembered == 3

    def test_a_broken_one_is_an_error_of_its_own(self) -> None:
        world = World(memory=DictMemory(b"{"))
        with pytest.raises(SettingsError, match="state file"):
            world.publish(bundle("a"))
        assert world.sink.objects == {}

    def test_a_run_killed_before_it_remembers_is_caught_up(self) -> None:
        memory = DictMemory()
        world = World(memory=memory)
        world.publish(bundle("a"))
        old = memory.manifest
        world.publish(bundle("a", "b"))
        memory.manifest = old
        assert world.publish(bundle("a", "b")).findings == ()
        assert memory.remembered == 4

    def test_one_that_cannot_be_written_stops_no_rotation_but_is_no_success(self) -> None:
        memory = DictMemory()
        world = World(memory=memory)
        memory.full = SinkUnavailableError("state file", "no space left", "make room")
        outcome = world.publish(bundle("a"))
        assert codes(outcome.findings) == ["MEM001"]
        assert outcome.exit_status == ExitStatus.TEMPORARY
        assert outcome.written == (JWKS, CONFIGURATION)
        with pytest.raises(SinkUnavailableError):
            world.publish(bundle("a"), dry_run=True)
        memory.full = None
        assert world.publish(bundle("a")).exit_status == ExitStatus.DONE

    def test_an_override_that_was_killed_at_any_write_is_finished_and_no_tampering(self) -> None:
        for number in range(3):
            for when in ("before_write", "after_write"):
                world = World(memory=DictMemory())
                world.publish(bundle("a", sequence_number=9))
                world.settings = replace(SETTINGS, configuration_max_age=timedelta(seconds=600))

                def die(at: int, _path: str, last: int = 3 + number) -> None:
                    if at == last:
                        raise Crashed

                setattr(world.sink, when, die)
                overrides = Overrides(accept_disjoint_keys=True, accept_lower_sequence=True)
                with pytest.raises(Crashed):
                    world.publish(bundle("x", sequence_number=1), overrides=overrides)
                setattr(world.sink, when, lambda _number, _path: None)
                outcome = world.publish(bundle("x", sequence_number=1))
                assert not {"ROT010", "ROT011", "ROT018"} & set(codes(outcome.findings))
                override = world.manifest().override
                assert override is not None
                assert override.accepted == ("accept-disjoint-keys", "accept-lower-sequence")

    def test_a_key_that_was_revoked_after_our_own_death_is_no_stranger(self) -> None:
        world = World(memory=DictMemory())
        world.publish(bundle("a"))

        def die(_number: int, path: str) -> None:
            if path == JWKS:
                raise Crashed

        world.sink.after_write = die
        with pytest.raises(Crashed):
            world.publish(bundle("a", "b"))
        world.sink.after_write = lambda _number, _path: None
        assert codes(world.publish(bundle("a")).findings) == ["ROT012"]


class TestAlarm:
    """What tells of a stranger's hand must be heard even if the run dies right after the repair."""

    def test_it_is_given_before_the_first_write(self) -> None:
        world = World()
        world.publish(bundle("a"))
        world.sink.put(JWKS, keys.jwks("a", "thief"))

        def die(_number: int, _path: str) -> None:
            raise Crashed

        world.sink.before_write = die
        with pytest.raises(Crashed):
            world.publish(bundle("a"))
        assert codes(world.noticed) == ["ROT010"]

    def test_an_error_that_ends_the_run_carries_it(self) -> None:
        world = World()
        world.publish(bundle("a"))
        world.sink.put(JWKS, keys.jwks("a", "thief"))

        def fail(_number: int, path: str) -> None:
            if path == MANIFEST:
                raise SinkUnavailableError(path, "answered 503", "run again")

        world.sink.before_write = fail
        with pytest.raises(SinkUnavailableError) as caught:
            world.publish(bundle("a"))
        assert codes(caught.value.findings) == ["ROT010"]


class TestSecondLook:
    def test_a_bundle_that_is_old_after_the_settling_is_fetched_again_after_a_pause(self) -> None:
        world = World()
        world.publish(bundle("a", sequence_number=1))
        other = World(sink=MemorySink())
        other.publish(bundle("a", "b", sequence_number=2))
        world.sink.put(JWKS, other.bodies()[JWKS])
        finished = other.sink.objects[MANIFEST]

        def finish() -> None:
            world.sink.put(MANIFEST, finished.body, finished.headers)

        world.clock.while_sleeping = finish
        lagging = bundle("a", sequence_number=1)
        outcome = world.publish(lagging, lagging, bundle("a", "b", sequence_number=2))
        assert outcome.manifest.sequence_number == 2
        assert world.clock.slept[:2] == [1.0, 1.0], "once for the stranger, once for the lag"

    def test_a_short_run_still_repairs(self) -> None:
        world = World()
        world.publish(bundle("a"))
        world.sink.put(JWKS, keys.jwks("thief"))
        world.timeout = 1
        assert codes(world.publish(bundle("a")).findings) == ["ROT010"]
        assert b"thief" not in world.bodies()[JWKS]


def test_a_dry_run_fails_as_the_run_would() -> None:
    world = World()
    world.sink.read_only = SinkUnavailableError("folder", "read-only", "remount it")
    with pytest.raises(SinkUnavailableError):
        world.publish(bundle("a"), dry_run=True)


class TestPublicUrl:
    @pytest.fixture
    def world(self) -> World:
        world = World()
        world.web = SinkWeb(world.sink, str(ISSUER))
        return world

    def test_it_is_read_as_a_relying_party_does(self, world: World) -> None:
        outcome = world.publish(bundle("a"))
        assert (outcome.verified, outcome.exit_status, outcome.findings) == ("verified", 0, ())

    def test_the_replaced_body_is_propagating_until_its_own_max_age(self, world: World) -> None:
        assert world.web is not None
        world.publish(bundle("a"))
        world.web.cached[JWKS] = world.bodies()[JWKS]
        outcome = world.publish(bundle("a", "b"))
        assert (outcome.verified, outcome.exit_status) == ("propagating", 0)
        assert codes(outcome.findings) == ["PUB002"]
        world.clock.advance(seconds=59)
        assert world.publish(bundle("a", "b")).verified == "propagating"
        world.clock.advance(seconds=1)
        outcome = world.publish(bundle("a", "b"))
        assert (outcome.verified, outcome.exit_status) == ("failed", 75)
        assert codes(outcome.findings) == ["PUB001"]

    def test_an_object_uploaded_by_hand_may_be_served_for_an_hour(self, world: World) -> None:
        assert world.web is not None
        by_hand = world.sink.put(JWKS, keys.jwks("a"), Headers(content_type="text/plain", cache_control=None))
        world.web.cached[JWKS] = by_hand.body
        world.publish(bundle("a", "b"))
        world.clock.advance(seconds=3599)
        assert world.publish(bundle("a", "b")).verified == "propagating"
        world.clock.advance(seconds=1)
        assert world.publish(bundle("a", "b")).verified == "failed"

    def test_a_dry_run_reads_it_where_nothing_would_be_written(self, world: World) -> None:
        assert world.web is not None
        world.web.status = 403
        assert world.publish(bundle("a"), dry_run=True).verified == "off"
        world.publish(bundle("a"))
        assert world.publish(bundle("a"), dry_run=True).exit_status == 75

    def test_what_a_lost_reply_replaced_is_propagating(self, world: World) -> None:
        assert world.web is not None
        world.publish(bundle("a"))
        world.web.cached[JWKS] = world.bodies()[JWKS]
        failed = iter([True])

        def lose(_number: int, path: str) -> None:
            if path == JWKS and next(failed, False):
                raise SinkConflictError(path, "412 on the retry of a write that happened", "")

        world.sink.after_write = lose
        assert world.publish(bundle("a", "b")).verified == "propagating"

    def test_what_a_killed_run_replaced_is_propagating(self, world: World) -> None:
        assert world.web is not None
        world.publish(bundle("a"))
        world.web.cached[JWKS] = world.bodies()[JWKS]

        def die(_number: int, path: str) -> None:
            if path == JWKS:
                raise Crashed

        world.sink.after_write = die
        with pytest.raises(Crashed):
            world.publish(bundle("a", "b"))
        world.sink.after_write = lambda _number, _path: None
        assert world.publish(bundle("a", "b")).verified == "propagating"

    def test_only_the_older_of_two_documents_in_a_cache(self, world: World) -> None:
        assert world.web is not None
        world.publish(bundle("a"))
        world.web.cached[CONFIGURATION] = world.bodies()[CONFIGURATION]
        world.settings = replace(SETTINGS, authorization_endpoint=None)
        outcome = world.publish(bundle("a", "b"))
        assert (outcome.verified, codes(outcome.findings)) == ("propagating", ["ROT019", "PUB002"])

    def test_headers_that_a_cache_still_has_are_propagating(self, world: World) -> None:
        assert world.web is not None
        world.publish(bundle("a"))
        by_hand = Headers(content_type="application/octet-stream", cache_control=None)
        for path in (JWKS, CONFIGURATION):
            world.sink.put(path, world.bodies()[path], by_hand)
        world.web.content_type = "application/octet-stream"
        assert world.publish(bundle("a")).verified == "propagating"
        world.clock.advance(hours=1)
        assert world.publish(bundle("a")).verified == "failed"

    def test_a_stranger_s_document_in_a_cache_is_never_excused(self, world: World) -> None:
        assert world.web is not None
        world.publish(bundle("a"))
        thief = Headers(content_type="application/json", cache_control="public, max-age=31536000")
        world.web.cached[JWKS] = world.sink.put(JWKS, keys.jwks("thief"), thief).body
        outcome = world.publish(bundle("a"))
        assert (outcome.verified, codes(outcome.findings)) == ("failed", ["ROT010", "PUB001"])

    def test_no_excuse_lasts_longer_than_a_week(self, world: World) -> None:
        assert world.web is not None
        by_hand = Headers(content_type="application/json", cache_control="public, max-age=31536000")
        world.web.cached[JWKS] = world.sink.put(JWKS, keys.jwks("a"), by_hand).body
        world.publish(bundle("a", "b"))
        world.clock.advance(days=7, seconds=-1)
        assert world.publish(bundle("a", "b")).verified == "propagating"
        world.clock.advance(seconds=1)
        assert world.publish(bundle("a", "b")).verified == "failed"

    def test_a_newer_publisher_in_between_is_no_failure(self, world: World) -> None:
        assert world.web is not None
        newer = World()
        newer.publish(bundle("a", "b"))

        def overtake(_number: int, path: str) -> None:
            if path == MANIFEST:
                world.sink.put(JWKS, newer.bodies()[JWKS])

        world.sink.after_write = overtake
        outcome = world.publish(bundle("a"))
        assert (outcome.verified, outcome.exit_status, outcome.findings) == ("propagating", 0, ())

    @pytest.mark.parametrize(
        ("trouble", "said"),
        [
            ({"down": "certificate not trusted"}, "certificate not trusted"),
            ({"status": 403}, "status 403"),
            ({"content_type": "text/plain"}, "application/json"),
            ({"content_type": ""}, "application/json"),
            ({"cached": {CONFIGURATION: b"<html>"}}, "another body"),
        ],
    )
    def test_anything_else_is_a_finding_and_75(
        self, world: World, trouble: dict[str, object], said: str
    ) -> None:
        for name, value in trouble.items():
            setattr(world.web, name, value)
        outcome = world.publish(bundle("a"))
        assert (outcome.verified, outcome.exit_status) == ("failed", 75)
        assert set(codes(outcome.findings)) == {"PUB001"}
        assert said in outcome.findings[0].what
        assert world.sink.written == [JWKS, CONFIGURATION, MANIFEST], "the publication stands"


class TestJudgement:
    @pytest.mark.parametrize(
        ("iss", "found"), [(str(ISSUER), []), (None, ["ISS001"]), (f"{ISSUER}/", ["ISS002"])]
    )
    def test_the_iss_of_tokens_is_compared_byte_for_byte(self, iss: str | None, found: list[str]) -> None:
        outcome = World().publish(source=ListedSource(bundle("a"), witness=Witness(iss=iss, kid="a")))
        assert codes(outcome.findings) == found
        assert all("jwt_issuer" in finding.remedy for finding in outcome.findings)

    def test_a_list_without_rs256_is_a_finding(self) -> None:
        world = World(settings=replace(SETTINGS, algorithms=("ES256",)))
        assert codes(world.publish(bundle("a")).findings) == ["SET001"]

    def test_a_key_that_was_narrowed_away_is_refused(self) -> None:
        world = World(settings=replace(SETTINGS, algorithms=("RS256",)))
        with pytest.raises(BundleError, match="--signing-algorithms"):
            world.publish(bundle("a"))

    def test_findings_of_source_and_sink_are_passed_on(self) -> None:
        world = World()
        one = Finding(code="SRC002", severity=Severity.WARNING, where="w", what="w", remedy="r")
        two = replace(one, code="GCS001")
        world.sink.reported = (two,)
        outcome = world.publish(source=ListedSource(bundle("a"), findings=[one]))
        assert codes(outcome.findings) == ["SRC002", "GCS001"]


def test_render_builds_what_publish_writes() -> None:
    world = World()
    world.publish(bundle("a", "b"))
    documents, findings = render(
        ListedSource(bundle("b", "a")), SETTINGS, deadline=Deadline(StoppedClock(), 1)
    )
    assert findings == ()
    assert documents.jwks.body == world.bodies()[JWKS]
    assert documents.configuration.body == world.bodies()[CONFIGURATION]
