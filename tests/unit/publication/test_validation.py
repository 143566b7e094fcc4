"""What may be served: named cases, each one thing wrong with what was found at the sink."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.findings import Severity
from publisher.oidc.issuer import Issuer
from publisher.publication import succession, validation
from publisher.publication.validation import validate
from tests import keys
from tests.doubles import NOON, codes
from tests.publications import (
    DISJOINT,
    LOWER,
    TERMS,
    found,
    judged,
    published,
    rewrite,
    rewrite_manifest,
    snapshot,
)
from tests.worlds import CONFIGURATION, JWKS, MANIFEST, World, bundle

HOUR = timedelta(hours=1)


def test_a_publication_of_the_publisher_is_valid_and_served_byte_for_byte() -> None:
    world = published("a", "b", number=7)
    judgement = judged(world)
    assert judgement.findings == ()
    assert not judgement.is_mixed
    assert judgement.snapshot is not None
    assert judgement.snapshot.jwks == world.bodies()[JWKS]
    assert judgement.snapshot.configuration == world.bodies()[CONFIGURATION]
    assert judgement.snapshot.manifest_body == world.bodies()[MANIFEST]
    assert [key.kid for key in judgement.snapshot.keys] == ["a", "b"]
    assert {key.first_published_at for key in judgement.snapshot.keys} == {NOON}


def test_a_trust_domain_need_not_be_given() -> None:
    terms = replace(TERMS, trust_domain=None)
    assert validate(found(published("a")), terms, serving=None, now=NOON).snapshot is not None


@pytest.mark.parametrize("path", [JWKS, CONFIGURATION, MANIFEST])
def test_a_missing_object_is_named(path: str) -> None:
    world = published("a")
    del world.sink.objects[path]
    judgement = judged(world)
    assert judgement.snapshot is None
    assert [(one.code, one.where) for one in judgement.findings] == [("VAL001", path)]


def test_an_empty_sink_misses_everything() -> None:
    assert codes(judged(World()).findings) == ["VAL001"] * 3


def add_key(document: dict[str, object]) -> object:
    return {"keys": [*document["keys"], {**keys.jwk("thief"), "use": "sig", "alg": "ES256"}]}  # type: ignore[misc]


BENT: dict[str, tuple[Callable[[World], object], list[str]]] = {
    "manifest is no manifest": (lambda w: w.sink.put(MANIFEST, b"{}"), ["VAL002"]),
    "manifest is cut off": (lambda w: w.sink.put(MANIFEST, b'{"schema_ver'), ["VAL002"]),
    "another issuer": (lambda w: rewrite_manifest(w, issuer="https://other.example"), ["VAL005"]),
    "another trust domain": (lambda w: rewrite_manifest(w, trust_domain="other.example"), ["VAL005"]),
    "another JWKS path": (
        lambda w: rewrite_manifest(w, documents=[{"path": "jwks", "size": 1, "sha256": "00"}]),
        ["VAL005"],
    ),
    "JWKS replaced": (lambda w: w.sink.put(JWKS, b'{"keys":[]}'), ["VAL003"]),
    "configuration replaced": (lambda w: w.sink.put(CONFIGURATION, b"{}"), ["VAL003"]),
    "JWKS emptied, digest forged": (lambda w: rewrite(w, JWKS, lambda _: {"keys": []}), ["JWK002"]),
    "key added, digest forged": (lambda w: rewrite(w, JWKS, add_key), ["VAL006"]),
    "key removed, digest forged": (
        lambda w: rewrite(w, JWKS, lambda d: {"keys": d["keys"][:1]}),  # type: ignore[index]
        ["VAL006"],
    ),
    "kid changed, digest forged": (
        lambda w: rewrite(w, JWKS, lambda d: {"keys": [{**k, "kid": "x" + k["kid"]} for k in d["keys"]]}),  # type: ignore[attr-defined]
        ["VAL006"],
    ),
    "key of an unknown kind, digest forged": (
        lambda w: rewrite(w, JWKS, lambda d: {"keys": [*d["keys"], {"kty": "OKP", "kid": "o"}]}),  # type: ignore[misc]
        ["VAL006"],
    ),
    "private key, digest forged": (
        lambda w: rewrite(w, JWKS, lambda d: {"keys": [{**k, "d": "AA"} for k in d["keys"]]}),  # type: ignore[attr-defined]
        ["JWK003", "VAL006"],
    ),
    "issuer changed, digest forged": (
        lambda w: rewrite(w, CONFIGURATION, lambda d: {**d, "issuer": "https://other.example"}),
        ["CFG002"],
    ),
    "jwks_uri changed, digest forged": (
        lambda w: rewrite(w, CONFIGURATION, lambda d: {**d, "jwks_uri": "https://other.example/keys"}),
        ["VAL012"],
    ),
    "configuration is an array, digest forged": (
        lambda w: rewrite(w, CONFIGURATION, lambda _: []),
        ["CFG001"],
    ),
}


@pytest.mark.parametrize("case", BENT)
def test_what_is_bent_is_refused(case: str) -> None:
    bend, expected = BENT[case]
    world = published("a", "b")
    bend(world)
    judgement = judged(world)
    assert judgement.snapshot is None
    errors = [one for one in judgement.findings if one.severity is Severity.ERROR]
    assert set(codes(errors)) == set(expected)


def test_only_documents_unlike_the_manifest_are_a_mix() -> None:
    world = published("a", "b")
    world.sink.put(JWKS, b'{"keys":[]}')
    assert judged(world).is_mixed
    rewrite_manifest(world, issuer="https://other.example")
    assert not judged(world).is_mixed


def test_remarks_of_the_documents_are_kept_with_them() -> None:
    world = published("a")
    rewrite(world, CONFIGURATION, lambda document: {**document, "authorization_endpoint": "none"})
    first = judged(world)
    assert codes(first.findings) == ["CFG005"]
    again = judged(world, first.snapshot)
    assert codes(again.findings) == ["CFG005"], "read without being parsed a second time"


def test_a_manifest_that_promises_more_than_seven_days_is_a_finding() -> None:
    world = World(settings=replace(World().settings, stale_after=timedelta(days=8)))
    world.publish(bundle("a"))
    judgement = judged(world)
    assert codes(judgement.findings) == ["VAL010"]
    assert judgement.snapshot is not None


class TestUnfinished:
    """A publisher was killed between two writes."""

    def test_documents_that_validate_and_share_a_key_are_accepted_when_asked_for(self) -> None:
        old, new = published("a", "b"), published("b", "c")
        new.sink.objects[MANIFEST] = old.sink.objects[MANIFEST]
        assert judged(new).snapshot is None
        judgement = judged(new, unfinished=True)
        assert judgement.snapshot is not None
        assert judgement.is_mixed
        assert judgement.snapshot.is_unfinished
        assert codes(judgement.findings) == ["VAL004"]
        assert [(key.kid, key.first_published_at) for key in judgement.snapshot.keys] == [
            ("b", NOON),
            ("c", None),
        ]

    def test_documents_that_share_no_key_are_not(self) -> None:
        old, new = published("a"), published("c")
        new.sink.objects[MANIFEST] = old.sink.objects[MANIFEST]
        judgement = judged(new, unfinished=True)
        assert judgement.snapshot is None
        assert codes(judgement.findings) == ["VAL003", "VAL006"]

    def test_documents_that_break_a_rule_are_not(self) -> None:
        world = published("a")
        world.sink.put(JWKS, b'{"keys":[]}')
        judgement = judged(world, unfinished=True)
        assert judgement.snapshot is None
        assert codes(judgement.findings) == ["VAL003", "JWK002"]


class TestSuccession:
    """What may follow what is served."""

    def test_rotation_follows(self) -> None:
        world = published("a", "b", number=7)
        before = snapshot(world)
        world.publish(bundle("b", "c", sequence_number=8))
        judgement = judged(world, before)
        assert judgement.findings == ()
        assert judgement.snapshot is not None

    def test_a_confirmation_follows_with_its_own_manifest(self) -> None:
        world = published("a", number=7)
        before = snapshot(world)
        world.clock.advance(minutes=5)
        world.publish(bundle("a", sequence_number=7))
        after = judged(world, before, now=world.clock.now()).snapshot
        assert after is not None
        assert after.manifest.confirmed_at > before.manifest.confirmed_at
        assert after.has_documents_of(before)

    def test_a_disjoint_set_is_refused(self) -> None:
        judgement = judged(published("x", "y"), snapshot(published("a", "b")))
        assert judgement.snapshot is None
        assert codes(judgement.findings) == ["VAL007"]

    def test_a_lower_sequence_number_is_refused(self) -> None:
        judgement = judged(published("a", number=6), snapshot(published("a", "b", number=7)))
        assert codes(judgement.findings) == ["VAL008"]

    def test_a_lower_number_over_the_same_documents_is_refused(self) -> None:
        judgement = judged(published("a", number=6), snapshot(published("a", number=7)))
        assert codes(judgement.findings) == ["VAL008"]

    @pytest.mark.parametrize(("number", "served"), [(None, 7), (7, None), (7, 7), (8, 7)])
    def test_numbers_that_say_nothing_or_rise_are_no_matter(self, number: int, served: int) -> None:
        judgement = judged(published("a", number=number), snapshot(published("a", "b", number=served)))
        assert judgement.snapshot is not None

    def test_an_older_publication_is_refused_where_no_number_tells(self) -> None:
        old = published("a", "revoked", at=NOON - HOUR)
        judgement = judged(old, snapshot(published("a")))
        assert codes(judgement.findings) == ["VAL009"]

    def test_a_rollback_of_a_moment_is_refused_too(self) -> None:
        other = published("a", "revoked", at=NOON - timedelta(seconds=1))
        assert codes(judged(other, snapshot(published("a"))).findings) == ["VAL009"]

    def test_publishers_whose_clocks_differ_a_little_follow_each_other(self) -> None:
        world = published("a")
        before = snapshot(world)
        world.clock.advance(minutes=-4)
        world.publish(bundle("a", "b"))
        assert judged(world, before).snapshot is not None

    def test_a_publisher_whose_clock_ran_ahead_locks_nobody_out(self) -> None:
        ahead = snapshot(published("a", at=NOON + timedelta(days=365)))
        assert judged(published("a", "b"), ahead).snapshot is not None

    def test_an_override_over_exactly_the_served_set_is_accepted_and_said(self) -> None:
        world = published("a", number=7)
        before = snapshot(world)
        world.publish(bundle("x", sequence_number=1), overrides=DISJOINT)
        judgement = judged(world, before)
        assert judgement.snapshot is not None
        assert codes(judgement.findings) == ["VAL011"]
        assert judgement.findings[0].severity is Severity.WARNING

    def test_an_override_stays_accepted_after_further_publications(self) -> None:
        world = published("a")
        before = snapshot(world)
        world.publish(bundle("x"), overrides=DISJOINT)
        world.publish(bundle("x", "y"))
        assert judged(world, before).snapshot is not None

    def test_a_lower_number_is_accepted_with_its_own_override(self) -> None:
        world = published("a", "b", number=7)
        before = snapshot(world)
        world.publish(bundle("a", sequence_number=2), overrides=LOWER)
        judgement = judged(world, before)
        assert codes(judgement.findings) == ["VAL011"]
        assert judgement.snapshot is not None

    def test_the_override_of_the_other_guard_is_none(self) -> None:
        world = published("a", number=7)
        before = snapshot(world)
        world.publish(bundle("x", sequence_number=9), overrides=DISJOINT)
        rewrite_manifest(
            world,
            override={"accepted": ["accept-lower-sequence"], "at": "2026-11-22T12:00:00Z"},
            replaced=[],
        )
        assert codes(judged(world, before).findings) == ["VAL007"]

    def test_two_rotations_within_the_cache_time_are_told_by_what_was_replaced(self) -> None:
        world = published("a", "b")
        before = snapshot(world)
        world.clock.advance(seconds=10)
        world.publish(bundle("a", "b", "c"))
        world.clock.advance(seconds=10)
        world.publish(bundle("c"))
        assert judged(world, before, now=world.clock.now()).findings == ()
        rewrite_manifest(world, replaced=[])
        assert codes(judged(world, before, now=world.clock.now()).findings) == ["VAL007"]

    def test_a_rule_that_is_waived_gives_a_warning_with_the_reason(self) -> None:
        judgement = validate(
            found(published("x")), TERMS, serving=snapshot(published("a")), now=NOON, waived="nobody looked"
        )
        assert judgement.snapshot is not None
        (finding,) = judgement.findings
        assert (finding.code, finding.severity) == ("VAL013", Severity.WARNING)
        assert "VAL007" in finding.what
        assert "nobody looked" in finding.what

    def test_what_an_override_accepted_is_said_as_such_though_rules_are_waived(self) -> None:
        world = published("a", number=7)
        before = snapshot(world)
        world.publish(bundle("x", sequence_number=1), overrides=DISJOINT)
        judgement = validate(found(world), TERMS, serving=before, now=NOON, waived="nobody looked")
        assert codes(judgement.findings) == ["VAL011"]

    def test_an_override_over_another_set_is_refused_while_the_served_one_is_fresh(self) -> None:
        world = published("other")
        world.publish(bundle("x"), overrides=DISJOINT)
        serving = snapshot(published("a", at=NOON - timedelta(minutes=1)))
        assert codes(judged(world, serving).findings) == ["VAL007"]

    def test_an_instance_that_slept_accepts_an_override_that_came_after_what_it_serves(self) -> None:
        world = published("other", at=NOON - 2 * HOUR)
        world.clock.time = NOON - HOUR
        world.publish(bundle("x"), overrides=DISJOINT)
        slept = snapshot(published("a", at=NOON - 3 * HOUR))
        assert judged(world, slept).snapshot is not None

    def test_an_instance_that_slept_refuses_an_override_of_before(self) -> None:
        world = published("other", at=NOON - 4 * HOUR)
        world.publish(bundle("x"), overrides=DISJOINT)
        slept = snapshot(published("a", at=NOON - 3 * HOUR))
        assert "VAL007" in codes(judged(world, slept).findings)


def test_every_code_has_one_title() -> None:
    assert not set(validation.CODES) & set(succession.CODES)
    assert sorted([*validation.CODES, *succession.CODES]) == [f"VAL{number:03}" for number in range(1, 14)]


def test_an_issuer_with_a_path_and_slash_is_compared_byte_for_byte() -> None:
    terms = replace(TERMS, issuer=Issuer.parse(f"{TERMS.issuer}/"))
    assert "VAL005" in codes(validate(found(published("a")), terms, serving=None, now=NOON).findings)
