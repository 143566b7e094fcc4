"""What the age of a publication means: the earlier of its own times and the settings'."""

from datetime import timedelta

import pytest

from publisher.publication.freshness import Freshness
from publisher.serving.policy import ServePolicy, StalePolicy, Verdict, judge_age, next_change
from tests.doubles import NOON, codes
from tests.publications import published

MINUTE, HOUR = timedelta(minutes=1), timedelta(hours=1)
MANIFEST = published("a").manifest()  # confirmed at noon, due after 15 min, stale after 1 h
REFUSE = ServePolicy(when_stale=StalePolicy.REFUSE)


def verdict(age: timedelta, policy: ServePolicy | None = None) -> Verdict:
    return judge_age(MANIFEST, policy or ServePolicy(), seen_at=NOON, now=NOON + age)


@pytest.mark.parametrize(
    ("age", "policy", "freshness", "served", "expected"),
    [
        (MINUTE, ServePolicy(), "fresh", True, []),
        (15 * MINUTE, ServePolicy(), "due", True, ["FRE001"]),
        (HOUR, ServePolicy(), "stale", True, ["FRE002"]),
        (HOUR, REFUSE, "stale", False, ["FRE002", "SRV003"]),
        (59 * MINUTE, REFUSE, "due", True, ["FRE001"]),
        (24 * HOUR, ServePolicy(), "stale", False, ["FRE002", "SRV003"]),
        (5 * MINUTE, ServePolicy(refuse_after=5 * MINUTE), "fresh", False, ["SRV003"]),
        (5 * MINUTE, ServePolicy(due_after=5 * MINUTE), "due", True, ["FRE001"]),
        (5 * MINUTE, ServePolicy(stale_after=5 * MINUTE), "stale", True, ["FRE002"]),
        (2 * HOUR, ServePolicy(due_after=3 * HOUR, stale_after=4 * HOUR), "stale", True, ["FRE002"]),
        (-4 * MINUTE, ServePolicy(), "fresh", True, ["SRV004"]),
        (-6 * MINUTE, ServePolicy(), "stale", True, ["FRE003"]),
        (-6 * MINUTE, REFUSE, "stale", False, ["FRE003", "SRV003"]),
    ],
)
def test_age_and_policy_decide(
    age: timedelta, policy: ServePolicy, freshness: str, served: bool, expected: list[str]
) -> None:
    judged = verdict(age, policy)
    assert (judged.freshness, judged.may_be_served) == (Freshness(freshness), served)
    assert codes(judged.findings) == expected


def test_the_times_are_the_earlier_ones() -> None:
    judged = verdict(MINUTE, ServePolicy(stale_after=10 * MINUTE, when_stale=StalePolicy.REFUSE))
    assert judged.due_at == judged.stale_at == judged.refused_at == NOON + 10 * MINUTE
    assert verdict(MINUTE).refused_at == NOON + 24 * HOUR


def test_a_manifest_of_the_far_future_is_refused_some_day() -> None:
    year = timedelta(days=365)
    seen = NOON - year
    for later, served in ((23 * HOUR, True), (24 * HOUR, False)):
        judged = judge_age(MANIFEST, ServePolicy(), seen_at=seen, now=seen + later)
        assert judged.may_be_served is served
        assert "FRE003" in codes(judged.findings)


def test_the_next_change_is_known_and_the_last_one_too() -> None:
    ages = [-6 * MINUTE, MINUTE, 20 * MINUTE, 2 * HOUR]
    expected = [-5 * MINUTE, 15 * MINUTE, HOUR, 24 * HOUR]
    for age, change in zip(ages, expected, strict=True):
        assert next_change(MANIFEST, verdict(age), NOON + age) == NOON + change
    assert next_change(MANIFEST, verdict(24 * HOUR), NOON + 24 * HOUR) is None
