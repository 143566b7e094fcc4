"""Stories of keys that arrive: what they need, what they have, and what is said of it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.bundle.fetched import SourceKind, Witness
from publisher.publication import lead_time
from publisher.publication.document_set import Headers
from publisher.publication.lead_rules import Outlook, cure, judge_keys, judge_settings
from publisher.publication.lead_time import Evidence, KeyLeadTime, Life, Look, Origin, Verdict, judge, life_of
from publisher.publication.manifest import KeyLead, Manifest, PublishedKey
from publisher.publication.rules import Overrides
from publisher.publication.timing import Timing
from publisher.use_cases.publish import Outcome
from tests import keys
from tests.doubles import NOON, DictMemory, ListedSource, MemorySink
from tests.worlds import JWKS, MANIFEST, SETTINGS, World, bundle

ZERO, SECOND, MINUTE, HOUR, DAY = timedelta(0), *(timedelta(seconds=n) for n in (1, 60, 3600, 86400))
NEEDED = 760 * SECOND
REGULAR = 8 * HOUR - 80 * SECOND


def world(**timing: Any) -> World:
    there = World(settings=replace(SETTINGS, timing=Timing(**timing)))
    there.publish(bundle("first"), kind=SourceKind.WORKLOAD_API)
    there.clock.advance(minutes=1)
    return there


def arrive(
    there: World, *kids: str, used: str | None = None, ago: timedelta | None = None, **lives: timedelta
) -> Outcome:
    """Publish these keys; `used` signed the publisher's own JWT-SVID, so long `ago`.

    `lives` is what is left of some.
    """
    authorities = [
        keys.authority(kid, expires_at=there.clock.now() + lives[kid] if kid in lives else None)
        for kid in kids
    ]
    issued_at = None if ago is None else there.clock.now() - ago
    witness = Witness(iss=None, kid=used, issued_at=issued_at) if used else None
    return there.publish(source=ListedSource(keys.bundle(*authorities), witness=witness))


def lead(outcome: Outcome, kid: str) -> KeyLeadTime:
    (found,) = (one for one in outcome.lead_times if one.kid == kid)
    return found


def codes(outcome: Outcome) -> list[tuple[str, str]]:
    return [
        (finding.code, finding.severity.value)
        for finding in outcome.findings
        if finding.code.startswith("LED")
    ]


class TestOneKey:
    def test_the_keys_of_a_first_publication_have_no_margin_even_when_in_use(self) -> None:
        there = World()
        outcome = arrive(there, "a", used="a", a=24 * HOUR)
        assert outcome.lead_times == (
            KeyLeadTime(
                kid="a",
                thumbprint=keys.authority("a").key.thumbprint,
                needed=NEEDED,
                available=None,
                in_use=True,
            ),
        )
        assert lead(outcome, "a").margin is None
        there.clock.advance(minutes=1)
        assert codes(arrive(there, "a", used="a")) == []

    def test_a_taken_over_publication_is_a_first_one(self) -> None:
        there = world()
        del there.sink.objects[MANIFEST]
        outcome = arrive(there, "first", "new")
        assert [one.available for one in outcome.lead_times] == [None, None]

    def test_a_key_without_expiry_was_prepared_a_delay_and_an_interval_ago(self) -> None:
        outcome = arrive(world(), "first", "new")
        assert lead(outcome, "new").available == REGULAR
        assert lead(outcome, "new").margin == REGULAR - NEEDED
        assert lead(outcome, "first").margin is None
        assert codes(outcome) == []

    def test_a_key_with_expiry_tells_its_own_life(self) -> None:
        """It was prepared 30 s ago, but nobody knows that: its life is taken for up to 70 s longer."""
        outcome = arrive(world(), "first", "new", new=HOUR - 30 * SECOND)
        longest = HOUR + 40 * SECOND
        assert lead(outcome, "new").available == (longest / 3 - 80 * SECOND) // SECOND * SECOND
        assert outcome.manifest.lead_time is not None
        assert outcome.manifest.lead_time.ca_ttl == longest

    @pytest.mark.parametrize(
        ("left", "available"),
        [
            (24 * HOUR - 30 * SECOND, 8 * HOUR - 40 * SECOND),  # it was prepared 30 s ago
            (24 * HOUR + 5 * SECOND, 8 * HOUR - 10 * SECOND),  # the clocks differ
            (23 * HOUR, REGULAR),  # it lives for less than --ca-ttl says
            (-HOUR, REGULAR),  # it has expired, so its expiry tells nothing
        ],
    )
    def test_expiry_and_ca_ttl_tell_when_it_was_prepared(self, left: timedelta, available: timedelta) -> None:
        outcome = arrive(world(ca_ttl=24 * HOUR), "first", "new", new=left)
        assert lead(outcome, "new").available == available

    def test_what_is_known_stays_known(self) -> None:
        there = world()
        first = arrive(there, "first", "new")
        there.clock.advance(hours=5)
        assert arrive(there, "first", "new").lead_times == first.lead_times

    def test_todays_settings_count_for_yesterdays_keys(self) -> None:
        there = world()
        arrive(there, "first", "new")
        timing = Timing(ca_ttl=2 * HOUR, relying_party_cache=ZERO)
        there.settings = replace(there.settings, timing=timing)
        outcome = arrive(there, "first", "new")
        assert (lead(outcome, "new").needed, lead(outcome, "new").available) == (
            160 * SECOND,
            40 * MINUTE - 80 * SECOND,
        )

    def test_keys_of_an_older_release_have_none(self) -> None:
        there = world()
        stored = there.sink.objects[MANIFEST]
        manifest = there.manifest()
        old = replace(manifest, lead_time=None, keys=tuple(replace(key, lead=None) for key in manifest.keys))
        assert b"lead_time" not in old.dumps()
        assert lead_time.lead_times(old, function_refresh=ZERO) == ()
        assert manifest.says_the_same(old)
        there.sink.put(MANIFEST, old.dumps(), stored.headers)
        outcome = arrive(there, "first", "new", used="first")
        assert [one.available is None for one in outcome.lead_times] == [True, False]

    def test_a_function_of_its_own_counts_in_the_report_and_not_in_the_manifest(self) -> None:
        there = world(function_refresh=5 * MINUTE)
        outcome = arrive(there, "first", "new")
        assert lead(outcome, "new").needed == NEEDED + 5 * MINUTE
        assert there.manifest().lead_time == outcome.manifest.lead_time
        assert outcome.manifest.lead_time is not None
        assert outcome.manifest.lead_time.needed == NEEDED
        shown = lead_time.lead_times(there.manifest(), function_refresh=MINUTE)
        assert {one.needed for one in shown} == {NEEDED + MINUTE}


class TestEvidence:
    def test_a_server_that_lost_its_keys_is_found(self) -> None:
        """KeyManager memory: prepared and activated at once, and a token of it is seen in the same run."""
        there = world()
        outcome = arrive(there, "first", "new", used="new")
        assert lead(outcome, "new").available == ZERO
        assert lead(outcome, "new").margin == -NEEDED
        assert lead(outcome, "new").in_use
        assert codes(outcome) == [("LED002", "error")]
        assert outcome.exit_status == 0

    def test_evidence_stays_and_is_not_said_for_ever(self) -> None:
        there = world()
        arrive(there, "first", "new", used="new")
        there.clock.advance(minutes=5)
        later = arrive(there, "first", "new", used="new")
        assert (lead(later, "new").available, codes(later)) == (ZERO, [("LED002", "error")])
        there.clock.advance(minutes=10)
        done = arrive(there, "first", "new", used="new")
        assert (lead(done, "new").available, codes(done)) == (ZERO, [])

    def test_a_key_that_somebody_activated_early(self) -> None:
        there = world()
        arrive(there, "first", "new")
        there.clock.advance(minutes=10)
        outcome = arrive(there, "first", "new", used="new")
        assert lead(outcome, "new").available == 10 * MINUTE
        (finding,) = (one for one in outcome.findings if one.code == "LED002")
        assert "signed a token 10 min after its first publication" in finding.what

    def test_a_key_that_signs_in_good_time_is_no_evidence(self) -> None:
        there = world()
        arrive(there, "first", "new")
        there.clock.advance(seconds=NEEDED.total_seconds())
        outcome = arrive(there, "first", "new", used="new")
        assert (lead(outcome, "new").available, codes(outcome)) == (REGULAR, [])

    def test_the_token_itself_tells_when_it_was_signed(self) -> None:
        there = world()
        arrive(there, "first", "new")
        there.clock.advance(minutes=4)
        outcome = arrive(there, "first", "new", used="new", ago=3 * MINUTE + 59 * SECOND)
        assert lead(outcome, "new").available == SECOND
        assert lead(outcome, "new").evidence is Evidence.SEEN

    def test_a_token_that_is_seen_too_late_to_warn_is_said_once(self) -> None:
        there = world(relying_party_cache=ZERO)  # 160 s are needed
        arrive(there, "first", "new")
        there.clock.advance(minutes=4)
        outcome = arrive(there, "first", "new", used="new", ago=3 * MINUTE)
        assert (lead(outcome, "new").available, codes(outcome)) == (MINUTE, [("LED002", "error")])
        (finding,) = (one for one in outcome.findings if one.code == "LED002")
        assert "signed a token 1 min after its first publication" in finding.what
        assert "every relying party knows it since 2026-11-22T12:03:40Z" in finding.remedy
        there.clock.advance(minutes=5)
        later = arrive(there, "first", "new", used="new", ago=MINUTE)
        assert (lead(later, "new").available, codes(later)) == (MINUTE, [])

    def test_a_token_from_before_the_first_publication(self) -> None:
        outcome = arrive(world(), "first", "new", used="new", ago=2 * MINUTE)
        assert lead(outcome, "new").available == -2 * MINUTE
        (finding,) = (one for one in outcome.findings if one.code == "LED002")
        assert "signed a token 2 min before its first publication" in finding.what
        assert Manifest.parse(outcome.manifest.dumps(), where="test") == outcome.manifest

    def test_what_the_margin_rests_on(self) -> None:
        outcome = arrive(world(), "first", "new", "other", used="new")
        assert {one.kid: one.evidence for one in outcome.lead_times} == {
            "first": None,
            "new": Evidence.SEEN,
            "other": Evidence.RULE,
        }

    def test_an_accepted_reset_is_no_first_publication(self) -> None:
        there = world()
        source = ListedSource(bundle("other"), witness=Witness(iss=None, kid="other"))
        outcome = there.publish(source=source, overrides=Overrides(accept_disjoint_keys=True))
        assert codes(outcome) == [("LED002", "error")]


class TestLateness:
    def test_a_publisher_that_was_away_may_have_missed_the_lead_time(self) -> None:
        there = world()
        there.clock.advance(hours=8)
        outcome = arrive(there, "first", "new")
        assert lead(outcome, "new").available == -(MINUTE + 20 * SECOND)
        assert codes(outcome) == [("LED002", "warning")]
        (finding,) = (one for one in outcome.findings if one.code == "LED002")
        assert "since before its first publication" in finding.what

    def test_some_hours_away_make_it_thin(self) -> None:
        there = world()
        there.clock.advance(hours=7, minutes=42)
        outcome = arrive(there, "first", "new")
        assert codes(outcome) == [("LED003", "warning")]
        assert "publisher away" in "".join(one.remedy for one in outcome.findings)

    def test_a_confirmation_that_is_not_due_is_no_absence(self) -> None:
        there = world(interval=ZERO)
        there.clock.advance(minutes=10)
        assert lead(arrive(there, "first", "new"), "new").available == 8 * HOUR - 20 * SECOND

    def test_a_state_file_alone_does_not_tell_when_somebody_looked(self) -> None:
        there = World(memory=DictMemory())
        there.publish(bundle("first"))
        there.clock.advance(days=7)
        del there.sink.objects[MANIFEST]
        assert lead(arrive(there, "first", "new"), "new").available == REGULAR

    def test_older_documents_of_a_long_max_age_are_waited_for(self) -> None:
        there = world()
        there.settings = replace(there.settings, jwks_max_age=HOUR)
        arrive(there, "first", "second")
        there.settings = replace(there.settings, jwks_max_age=MINUTE)
        there.clock.advance(minutes=1)
        outcome = arrive(there, "first", "second", "third")
        assert lead(outcome, "third").needed == NEEDED + 59 * MINUTE
        assert lead(outcome, "second").needed == NEEDED
        there.clock.advance(minutes=1)
        assert lead(arrive(there, "first", "second", "third"), "third").needed == NEEDED + 59 * MINUTE

    def test_a_sink_without_headers_has_the_max_age_of_its_web_server(self) -> None:
        there = World(sink=MemorySink(keeps_headers=False))
        arrive(there, "first")
        assert lead(arrive(there, "first", "new"), "new").needed == NEEDED

    def test_documents_without_max_age_are_waited_for(self) -> None:
        there = world()
        there.sink.put(JWKS, there.bodies()[JWKS], Headers(content_type=None, cache_control=None))
        assert lead(arrive(there, "first", "new"), "new").needed == NEEDED + 59 * MINUTE


class TestSettings:
    def test_settings_that_can_never_be_safe_are_said_once(self) -> None:
        there = world(ca_ttl=10 * MINUTE)
        outcome = arrive(there, "first", "new")
        assert codes(outcome) == [("LED001", "warning")]
        (finding,) = (one for one in outcome.findings if one.code == "LED001")
        assert "ca_ttl 10 min (as set by --ca-ttl)" in finding.what
        assert "relying party's cache 10 min" in finding.what
        assert "61m or more" in finding.remedy
        used = arrive(there, "first", "new", used="new")
        assert codes(used) == [("LED001", "warning"), ("LED002", "error")]

    def test_thin_settings_point_to_explain(self) -> None:
        outcome = arrive(world(ca_ttl=HOUR), "first", "new")
        assert codes(outcome) == [("LED003", "warning")]
        assert "explain says" in "".join(one.remedy for one in outcome.findings)

    def test_no_lead_time_at_all_is_no_negative_time(self) -> None:
        timing = Timing(ca_ttl=3 * MINUTE, interval=HOUR)
        outlook = Outlook.of(timing, life_of((), timing), max_age=MINUTE)
        (finding,) = judge_settings(outlook, timing, max_age=MINUTE, where="here")
        assert "has 0 s from its publication" in finding.what

    @pytest.mark.parametrize(
        ("changes", "max_age", "longer", "shorter"),
        [
            ({"interval": 15 * MINUTE}, MINUTE, "166m", "the interval between runs from 15 min down to 52 s"),
            ({"ca_ttl": 2 * HOUR}, HOUR, "327m", "--jwks-max-age from 1 h down to 14 min 6 s"),
            (
                {"ca_ttl": 2 * HOUR, "function_refresh": HOUR},
                MINUTE,
                "331m",
                "the function's refresh interval from 1 h down to 13 min 6 s",
            ),
        ],
    )
    def test_the_cure_has_numbers(
        self, changes: dict[str, timedelta], max_age: timedelta, longer: str, shorter: str
    ) -> None:
        timing = Timing(**{"ca_ttl": HOUR, **changes})
        outlook = Outlook.of(timing, life_of((), timing), max_age=max_age)
        assert outlook.verdict is not Verdict.SAFE
        advice = f"set ca_ttl in SPIRE's server.conf to {longer} or more, or bring {shorter}"
        assert cure(outlook, timing, max_age=max_age) == advice

    def test_what_no_ca_ttl_cures(self) -> None:
        timing = Timing(ca_ttl=HOUR, relying_party_cache=20 * DAY)
        outlook = Outlook.of(timing, life_of((), timing), max_age=MINUTE)
        parts = "source delay 10 s, interval 1 min, run 30 s, max-age 1 min, relying party's cache 20 d"
        assert cure(outlook, timing, max_age=MINUTE) == f"shorten {parts}"

    @given(interval=st.integers(0, 86400), cache=st.integers(0, 86400), max_age=st.integers(10, 86400))
    def test_a_longer_ca_ttl_as_advised_is_safe(self, interval: int, cache: int, max_age: int) -> None:
        timing = Timing(ca_ttl=MINUTE, interval=interval * SECOND, relying_party_cache=cache * SECOND)
        outlook = Outlook.of(timing, life_of((), timing), max_age=max_age * SECOND)
        said = cure(outlook, timing, max_age=max_age * SECOND).split(" or more")[0].split()[-1]
        period = int(said[:-1]) * (HOUR if said.endswith("h") else MINUTE)
        longer = Outlook.of(timing, Life(ca_ttl=period, origin=Origin.SETTING), max_age=max_age * SECOND)
        assert longer.verdict is Verdict.SAFE


class TestLife:
    @staticmethod
    def key(kid: str, first: float | None, left: float | None, unseen: float | None) -> PublishedKey:
        """Make a key that was published `first` hours after noon with `left` hours to live."""
        first_at = None if first is None else NOON + first * HOUR
        return PublishedKey(
            kid=kid,
            alg="ES256",
            thumbprint=kid,
            first_published_at=first_at,
            expires_at=None if left is None or first_at is None else first_at + left * HOUR,
            lead=KeyLead(unseen=None if unseen is None else unseen * SECOND),
        )

    @pytest.mark.parametrize(
        ("known", "life", "origin"),
        [
            ([], 24, Origin.ASSUMED),
            ([(0, None, 70)], 24, Origin.ASSUMED),
            ([(None, None, None)], 24, Origin.ASSUMED),
            ([(0, -1, 70)], 24, Origin.ASSUMED),
            ([(0, 13, None)], 24, Origin.ASSUMED),
            ([(0, 0.75, None), (0, 0.25, None)], 1.5, Origin.BUNDLE),
            ([(0, 100, None)], 100, Origin.BUNDLE),
            ([(0, 1, 3600), (1, 3, 3600), (2, None, 3600), (3, 9, None)], 4, Origin.BUNDLE),
        ],
    )
    def test_how_long_authorities_live(
        self, known: list[tuple[float | None, float | None, float | None]], life: float, origin: Origin
    ) -> None:
        listed = [self.key(str(number), *one) for number, one in enumerate(known)]
        assert life_of(listed, Timing()) == Life(ca_ttl=life * HOUR, origin=origin)
        assert life_of(listed, Timing(ca_ttl=HOUR)) == Life(ca_ttl=HOUR, origin=Origin.SETTING)

    @given(
        ca_ttl=st.integers(3600, 40 * 86400),
        servers=st.lists(st.integers(0, 86400), min_size=1, max_size=4),
        unseen=st.integers(0, 600),
    )
    def test_replicas_that_interleave_do_not_shorten_a_life(
        self, ca_ttl: int, servers: list[int], unseen: int
    ) -> None:
        """Each server prepares a key every half life, at a time of its own; each was seen within `unseen`."""
        known = [
            self.key(
                f"{server} {number}",
                (offset + number * ca_ttl / 2) / 3600,
                (ca_ttl - unseen) / 3600,
                unseen,
            )
            for server, offset in enumerate(servers)
            for number in range(3)
        ]
        told = life_of(known, Timing()).ca_ttl
        assert abs(told - ca_ttl * SECOND) <= SECOND


def judged(timing: Timing, unseen: int, left: int | None, max_age: int, used: int | None) -> KeyLeadTime:
    first = NOON
    now: datetime = first + (used or 0) * SECOND
    key = PublishedKey(
        kid="k",
        alg="ES256",
        thumbprint="k",
        first_published_at=first,
        expires_at=None if left is None else first + left * SECOND,
        lead=KeyLead(unseen=unseen * SECOND),
    )
    look = Look(now=now, used=None if used is None else "k")
    (done,), record = judge([key], [key], timing, max_age=max_age * SECOND, look=look)
    assert done.lead is not None
    return KeyLeadTime(
        kid="k",
        thumbprint="k",
        needed=record.needed + timing.function_refresh,
        available=done.lead.available,
    )


PERIOD = st.integers(0, 86400)


@given(
    values=st.fixed_dictionaries(
        dict.fromkeys(("source_delay", "interval", "run_time", "function_refresh"), PERIOD)
    ),
    name=st.sampled_from(("source_delay", "interval", "run_time", "function_refresh")),
    more=PERIOD,
    unseen=PERIOD,
    later=PERIOD,
    left=st.none() | st.integers(1, 10**7),
    ca_ttl=st.none() | st.integers(60, 10**7),
    used=st.none() | PERIOD,
    max_age=st.integers(10, 86400),
)
def test_no_delay_ever_makes_a_margin_larger(  # noqa: PLR0917
    values: dict[str, int],
    name: str,
    more: int,
    unseen: int,
    later: int,
    left: int | None,
    ca_ttl: int | None,
    used: int | None,
    max_age: int,
) -> None:
    def margin(delays: dict[str, int], unseen: int, max_age: int, used: int | None) -> timedelta:
        timing = Timing(
            **{each: seconds * SECOND for each, seconds in delays.items()},
            ca_ttl=None if ca_ttl is None else ca_ttl * SECOND,
        )
        found = judged(timing, unseen, left, max_age, used).margin
        assert found is not None
        return found

    before = margin(values, unseen, max_age, None)
    assert margin({**values, name: values[name] + more}, unseen, max_age, None) == before - more * SECOND
    assert margin(values, unseen, max_age + more, None) == before - more * SECOND
    assert margin(values, unseen + later, max_age, None) <= before
    if used is not None:
        assert margin(values, unseen, max_age, used) <= before


@given(unseen=PERIOD, left=st.none() | st.integers(1, 10**9), ca_ttl=st.none() | st.integers(60, 10**9))
def test_no_key_has_more_than_23_days(unseen: int, left: int | None, ca_ttl: int | None) -> None:
    timing = Timing(ca_ttl=None if ca_ttl is None else ca_ttl * SECOND)
    available = judged(timing, unseen, left, 60, None).available
    assert available is not None
    assert available <= 23 * DAY - 10 * SECOND


def test_a_key_of_the_future_counts_as_published_now() -> None:
    key = PublishedKey(
        kid="k", alg="ES256", thumbprint="k", first_published_at=NOON + HOUR, lead=KeyLead(unseen=ZERO)
    )
    (done,), _ = judge([key], [key], Timing(), max_age=MINUTE, look=Look(now=NOON, used="k"))
    assert done.lead is not None
    assert done.lead.used_after == ZERO


def test_a_key_that_was_only_found_is_not_judged() -> None:
    there = world()
    manifest = arrive(there, "first", "new").manifest
    times = lead_time.lead_times(manifest, function_refresh=ZERO)
    found = replace(manifest, keys=tuple(replace(key, first_published_at=None) for key in manifest.keys))
    assert list(judge_keys(found, times, now=NOON, outlook=Verdict.THIN)) == []
    bare = replace(manifest, keys=tuple(replace(key, lead=None) for key in manifest.keys))
    assert [one.available for one in lead_time.lead_times(bare, function_refresh=ZERO)] == [None, None]
    hurried = [replace(one, available=ZERO) for one in times]
    assert {one.code for one in judge_keys(bare, hurried, now=NOON)} == {"LED002"}
