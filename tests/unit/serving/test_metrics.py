from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import Metric
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from publisher.publication.lead_time import KeyLeadTime
from publisher.serving.metrics import CONTENT_TYPE, render_metrics
from publisher.serving.status import Counters, State, Status
from tests.statuses import KEYS, NOW, STATUSES, key, serving, status


def parse(given: Status) -> dict[str, Metric]:
    """Read with an independent parser; names come back without the prefix."""
    text = render_metrics(given).decode()
    families: list[Metric] = list(text_string_to_metric_families(text))  # type: ignore[no-untyped-call]
    assert len({family.name for family in families}) == len(families)
    assert all(family.documentation.endswith(".") for family in families)
    assert all(family.name.startswith("spire_oidc_") for family in families)
    return {family.name.removeprefix("spire_oidc_"): family for family in families}


def value(families: dict[str, Metric], name: str) -> float:
    (sample,) = families[name].samples
    return float(sample.value)


@pytest.mark.parametrize("name", STATUSES)
def test_every_status_parses_and_has_exactly_one_state(name: str) -> None:
    families = parse(STATUSES[name])
    assert families["state"].type == "stateset"
    states = {sample.labels["spire_oidc_state"]: sample.value for sample in families["state"].samples}
    assert states == {state.value: float(state is STATUSES[name].state) for state in State}
    assert value(families, "is_healthy") == STATUSES[name].is_healthy
    assert value(families, "is_served") == STATUSES[name].is_served


@pytest.mark.parametrize("name", STATUSES)
def test_every_series_is_there_once(name: str) -> None:
    samples = [sample for family in parse(STATUSES[name]).values() for sample in family.samples]
    series = [(sample.name, *sorted(sample.labels.items())) for sample in samples]
    assert len(set(series)) == len(series)


def test_the_text_ends_as_openmetrics_asks() -> None:
    text = render_metrics(STATUSES["fresh"])
    assert text.endswith(b"\n# EOF\n")
    assert text.count(b"# EOF") == 1
    assert CONTENT_TYPE == "application/openmetrics-text; version=1.0.0; charset=utf-8"


def test_times_are_seconds_since_1970_with_their_unit() -> None:
    families = parse(STATUSES["fresh"])
    now = int(NOW.timestamp())
    for name, expected in {
        "observed": now, "started": now - 5 * 3600, "last_good_read": now - 12, "last_try": now - 12,
        "next_try": now + 18, "modified": now - 180 - 6 * 3600, "confirmed": now - 180,
        "due": now - 180 + 900, "stale": now - 180 + 3600, "refused": now - 180 + 24 * 3600,
    }.items():  # fmt: skip
        family = families[f"{name}_timestamp_seconds"]
        assert (family.type, family.unit) == ("gauge", "seconds")
        assert value(families, f"{name}_timestamp_seconds") == expected
    assert value(families, "sequence_number") == 42


def test_parts_of_a_second_are_kept_to_the_millisecond() -> None:
    families = parse(status(State.FRESH, at=NOW.replace(microsecond=123456)))
    assert value(families, "observed_timestamp_seconds") == NOW.timestamp() + 0.123


def test_each_key_has_its_times_and_what_is_unknown_has_no_sample() -> None:
    families = parse(status(State.FRESH, serving=serving(keys=(*KEYS, key("new", None, None)))))
    assert value(families, "keys") == 5
    assert {sample.labels["kid"] for sample in families["key"].samples} == {*(k.kid for k in KEYS), "new"}
    for name, times in {
        "key_first_published_timestamp_seconds": {k.kid: k.first_published_at for k in KEYS},
        "key_expiry_timestamp_seconds": {k.kid: k.expires_at for k in KEYS},
    }.items():
        found = {sample.labels["kid"]: sample.value for sample in families[name].samples}
        assert found == {kid: time.timestamp() for kid, time in times.items() if time}


def test_nothing_read_yet_has_neither_publication_nor_times() -> None:
    families = parse(STATUSES["empty"])
    assert not families.keys() & {"publication", "keys", "confirmed_timestamp_seconds"}
    assert families["last_good_read_timestamp_seconds"].samples == []
    assert families["findings"].samples == []


def test_a_sequence_number_that_nobody_told_has_no_sample() -> None:
    families = parse(status(State.FRESH, serving=replace(serving(), sequence_number=None)))
    assert families["sequence_number"].samples == []


def test_findings_are_counted_by_code_and_severity() -> None:
    twice = status(State.INVALID, findings=STATUSES["invalid"].findings * 2)
    found = {
        (sample.labels["code"], sample.labels["severity"]): sample.value
        for sample in parse(twice)["findings"].samples
    }
    assert found == {("ROT002", "error"): 2, ("FRE003", "warning"): 2, ("FRE004", "info"): 2}


def test_every_counter_is_there() -> None:
    counters = Counters(**{name: number for number, name in enumerate(Counters.__slots__, start=10)})
    families = parse(status(State.FRESH, counters=counters))
    totals = {name: family.samples for name, family in families.items() if family.type == "counter"}
    assert all(samples[0].name == f"spire_oidc_{name}_total" for name, samples in totals.items())
    values = {name.removeprefix("reads_"): samples[0].value for name, samples in totals.items()}
    assert values == {name: getattr(counters, name) for name in Counters.__slots__}


@given(st.text(alphabet=st.characters(), max_size=300), st.text('"\\\n{}=, n', max_size=20))
def test_no_outside_text_breaks_a_line(one: str, other: str) -> None:
    keys = (key(one, -1, 1), key(f"2{one}{other}", -1, 1))
    families = parse(status(State.FRESH, issuer=one, place=other, serving=serving(keys=keys)))
    assert value(families, "keys") == len(families["key"].samples) == 2


@given(st.text(st.characters(min_codepoint=32, max_codepoint=126), max_size=256))
def test_a_printable_kid_comes_back_as_it_is(kid: str) -> None:
    (sample,) = parse(status(State.FRESH, serving=serving(keys=(key(kid, -1, 1),))))["key"].samples
    assert sample.labels["kid"] == kid


def test_a_margin_is_told_where_it_is_known() -> None:
    lead = KeyLeadTime(
        kid="a", thumbprint="t", needed=timedelta(seconds=760), available=timedelta(seconds=60)
    )
    known, unknown = replace(key("a", -1, 1), lead_time=lead), key("b", -1, 1)
    families = parse(status(State.FRESH, serving=serving(keys=(known, unknown))))
    (sample,) = families["key_lead_time_margin_seconds"].samples
    assert (sample.labels["kid"], sample.value) == ("a", -700)
