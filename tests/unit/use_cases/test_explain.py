import xml.etree.ElementTree as ET
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.publication.lead_time import Origin, Verdict
from publisher.publication.timing import Timing
from publisher.use_cases.explain import Step, explain
from publisher.use_cases.rotation_picture import HEIGHT, WIDTH, draw

SECOND, MINUTE, HOUR, DAY = timedelta(seconds=1), timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SVG = "{http://www.w3.org/2000/svg}"


def test_a_rotation_at_the_defaults() -> None:
    explained = explain(Timing(), max_age=MINUTE)
    assert {moment.step: (moment.at, moment.until) for moment in explained.moments} == {
        Step.PREPARED: (timedelta(0), None),
        Step.AT_SOURCE: (10 * SECOND, None),
        Step.PUBLISHED: (100 * SECOND, None),
        Step.READABLE: (760 * SECOND, None),
        Step.ACTIVATED: (8 * HOUR, None),
        Step.OLD_EXPIRES: (12 * HOUR, None),
        Step.OLD_LEAVES: (36 * HOUR, 42 * HOUR),
        Step.OLD_GONE: (36 * HOUR + 760 * SECOND, 42 * HOUR + 760 * SECOND),
    }
    assert explained.exposure == 760 * SECOND
    assert (explained.life.origin, explained.lead, explained.advice) == (Origin.ASSUMED, 8 * HOUR, None)
    assert explained.verdict == "safe: every key has 7 h 46 min to spare"


@pytest.mark.parametrize(
    ("ca_ttl", "verdict", "said"),
    [
        (2 * HOUR, Verdict.SAFE, "safe: every key has 26 min to spare"),
        (HOUR, Verdict.THIN, "thin: every key has only 6 min to spare"),
        (
            10 * MINUTE,
            Verdict.NEVER,
            "never safe: a key may sign up to 10 min 40 s before every relying party has it",
        ),
    ],
)
def test_verdicts(ca_ttl: timedelta, verdict: Verdict, said: str) -> None:
    explained = explain(Timing(ca_ttl=ca_ttl), max_age=MINUTE)
    assert (explained.outlook.verdict, explained.verdict) == (verdict, said)
    assert (explained.advice is None) == (verdict is Verdict.SAFE)


PERIOD = st.timedeltas(timedelta(0), 7 * DAY)
TIMINGS = st.builds(
    Timing,
    source_delay=PERIOD,
    interval=PERIOD,
    run_time=PERIOD,
    function_refresh=PERIOD,
    relying_party_cache=PERIOD,
    ca_ttl=st.none() | st.timedeltas(MINUTE, 3650 * DAY),
)


@given(timing=TIMINGS, max_age=PERIOD)
def test_whatever_the_settings_time_goes_on_and_the_sum_is_right(timing: Timing, max_age: timedelta) -> None:
    explained = explain(timing, max_age=max_age)
    times = [moment.at for moment in explained.moments]
    assert times == sorted(times)
    assert sum((part.period for part in explained.parts), timedelta(0)) == explained.outlook.needed
    assert all(moment.said and (moment.until or moment.at) >= moment.at for moment in explained.moments)


@given(timing=TIMINGS, max_age=PERIOD)
def test_whatever_the_settings_the_picture_is_one(timing: Timing, max_age: timedelta) -> None:
    drawn = draw(explain(timing, max_age=max_age))
    root = ET.fromstring(drawn)
    assert root.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    assert root[0].tag == f"{SVG}title"
    for rect in root.iter(f"{SVG}rect"):
        x, y, width, height = (float(rect.get(name, "0")) for name in ("x", "y", "width", "height"))
        assert x >= 0 <= width
        assert x + width <= WIDTH + 0.2
        assert y + height <= HEIGHT
    assert not any(name in drawn for name in (b"<script", b"href", b"url(", b"@import"))


def test_a_picture_of_nothing_needed() -> None:
    zero = timedelta(0)
    timing = Timing(
        source_delay=zero, interval=zero, run_time=zero, function_refresh=zero, relying_party_cache=zero
    )
    assert b"at the worst: 0 s" in draw(explain(timing, max_age=zero))
