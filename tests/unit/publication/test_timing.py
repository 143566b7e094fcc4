from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.publication.spans import span, typed
from publisher.publication.timing import (
    LONGEST_LEAD,
    Timing,
    activated_before,
    lead_of,
    life_for,
    prepared_before,
    regular,
)

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
LIVES = st.timedeltas(MINUTE, 3650 * DAY)
DELAYS = ("source_delay", "interval", "run_time", "function_refresh", "relying_party_cache")
DELAY = st.timedeltas(timedelta(0), 7 * DAY)


@pytest.mark.parametrize(
    ("life", "prepared", "activated", "lead"),
    [
        (3 * MINUTE, 90 * SECOND, 30 * SECOND, MINUTE),
        (HOUR, 30 * MINUTE, 10 * MINUTE, 20 * MINUTE),
        (24 * HOUR, 12 * HOUR, 4 * HOUR, 8 * HOUR),
        (42 * DAY, 21 * DAY, 7 * DAY, 14 * DAY),
        (50 * DAY, 25 * DAY, 7 * DAY, 18 * DAY),
        (60 * DAY, 30 * DAY, 7 * DAY, 23 * DAY),
        (3650 * DAY, 30 * DAY, 7 * DAY, 23 * DAY),
    ],
)
def test_spires_rule_with_its_caps(
    life: timedelta, prepared: timedelta, activated: timedelta, lead: timedelta
) -> None:
    assert (prepared_before(life), activated_before(life), lead_of(life)) == (prepared, activated, lead)


def test_the_needed_time_at_the_defaults() -> None:
    assert Timing().needed(MINUTE) == 12 * MINUTE + 40 * SECOND
    assert regular(24 * HOUR, Timing().unseen) == 8 * HOUR - 80 * SECOND


@given(delay=DELAY, more=DELAY, max_age=DELAY)
@pytest.mark.parametrize("name", DELAYS)
def test_each_part_of_what_is_needed_counts_once(
    name: str, delay: timedelta, more: timedelta, max_age: timedelta
) -> None:
    one, other = Timing(**{name: delay}), Timing(**{name: delay + more})
    assert other.needed(max_age) - one.needed(max_age) == more
    assert one.needed(max_age + more) - one.needed(max_age) == more


@given(life=LIVES, longer=LIVES)
def test_a_longer_life_never_has_less_lead_and_none_has_more_than_23_days(
    life: timedelta, longer: timedelta
) -> None:
    assert lead_of(life) <= lead_of(life + longer) <= LONGEST_LEAD == 23 * DAY
    assert timedelta(0) < lead_of(life) < life


@given(lead=st.timedeltas(SECOND, 30 * DAY))
def test_the_life_for_a_lead_is_the_shortest(lead: timedelta) -> None:
    life = life_for(lead)
    if life is None:
        assert lead > LONGEST_LEAD
    else:
        assert abs(lead_of(life) - lead) <= timedelta(microseconds=1)
        assert lead_of(life - SECOND) < lead


@pytest.mark.parametrize(
    ("seconds", "said", "option"),
    [
        (0, "0 s", "0m"),
        (0.4, "0 s", "1m"),
        (-0.4, "0 s", "0m"),
        (59, "59 s", "1m"),
        (60, "1 min", "1m"),
        (-760, "-12 min 40 s", "-12m"),
        (3600, "1 h", "60m"),
        (7 * 3600 + 46 * 60 + 59, "7 h 46 min", "467m"),
        (86400, "24 h", "1440m"),
        (172799, "47 h 59 min", "48h"),
        (172800, "2 d", "48h"),
        (23 * 86400 + 3600, "23 d 1 h", "553h"),
    ],
)
def test_spans(seconds: float, said: str, option: str) -> None:
    assert (span(timedelta(seconds=seconds)), typed(timedelta(seconds=seconds))) == (said, option)
