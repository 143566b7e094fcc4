from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from publisher.errors import ExitStatus, PublisherError, RefusedError, SourceUnavailableError
from publisher.findings import Finding, Severity
from publisher.publication.lead_time import KeyLeadTime
from publisher.serving.exposition import read_samples
from publisher.use_cases.look import Sight
from publisher.use_cases.metric_table import BY_NAME, METRICS, PREFIX
from publisher.use_cases.metrics import Samplings, render_metrics, sample
from publisher.use_cases.standing import Standing
from tests import keys
from tests.doubles import NOON
from tests.worlds import World

UNAVAILABLE = SourceUnavailableError("workload API", "is away", "wait")
TAMPERED = Finding(code="ROT010", severity=Severity.ERROR, where="w", what="h", remedy="r")
WARNED = Finding(code="GCS001", severity=Severity.WARNING, where="w", what="h", remedy="r")
AT = int(NOON.timestamp())


def fresh(name: str | None = None, issuer: str = "https://issuer.example") -> Standing:
    return Standing(name=name, issuer=issuer, place="directory:/public", started_at=NOON)


def published(name: str | None = None, **changes: Any) -> Standing:
    """Give how it stands after one good round at noon, of 1.25 s."""
    bundle = keys.bundle(
        keys.authority("good", expires_at=NOON + timedelta(hours=20), tainted=False),
        keys.authority("bad", expires_at=NOON + timedelta(hours=2), tainted=True),
        sequence_number=7,
    )
    return replace(fresh(name).after(World().publish(bundle), at=NOON, seconds=1.25), **changes)


def refused(*findings: Finding) -> RefusedError:
    return RefusedError("plan", "is refused", "look", findings=findings)


def failed(error: PublisherError, before: Standing | None = None, minutes: int = 1) -> Standing:
    return (before or fresh()).after(error, at=NOON + timedelta(minutes=minutes), seconds=0.5)


def told(*standings: Standing, watching: bool = True, **more: Any) -> Samplings:
    return sample(standings, version="1.2.3", watching=watching, **{"earlier": {}, **more})


def value(samplings: Samplings, name: str, **labels: str) -> float | None:
    """Give the one sample of these labels; names without the prefix, the publication may be left out."""
    found = [number for own, number in samplings[PREFIX + name] if labels.items() <= dict(own).items()]
    assert len(found) <= 1
    return found[0] if found else None


@pytest.mark.parametrize(
    "standing", [fresh(), published(), failed(UNAVAILABLE), failed(refused(TAMPERED), published())]
)
@pytest.mark.parametrize("watching", [True, False])
def test_prometheus_reads_every_text_with_the_names_of_the_table(standing: Standing, watching: bool) -> None:
    text = render_metrics(told(standing, watching=watching)).decode()
    families = list(text_string_to_metric_families(text))
    assert families
    names = {sample.name for family in families for sample in family.samples}
    assert names <= BY_NAME.keys()
    for family in families:
        for one in family.samples:
            metric = BY_NAME[one.name]
            assert set(one.labels) == set(metric.labels)
            assert family.documentation == metric.text
            assert watching or not metric.watching
    series = [(one.name, *sorted(one.labels.items())) for family in families for one in family.samples]
    assert len(series) == len(set(series))


def test_a_round_that_told_all_has_a_sample_of_every_metric() -> None:
    lead = KeyLeadTime(
        kid="good", thumbprint="t", needed=timedelta(minutes=12), available=timedelta(hours=8), in_use=False
    )
    standing = published(findings=(TAMPERED,), lead_times=(lead,))
    samplings = told(standing)
    assert {name for name, samples in samplings.items() if not samples} == set()
    assert value(samplings, "key_lead_time_needed_seconds") == 720
    assert value(samplings, "key_lead_time_available_seconds") == 8 * 3600
    assert value(samplings, "key_lead_time_margin_seconds") == 8 * 3600 - 720


def test_a_lead_time_that_is_not_known_has_no_sample() -> None:
    lead = KeyLeadTime(kid="k", thumbprint="t", needed=timedelta(minutes=12), available=None, in_use=False)
    samplings = told(published(lead_times=(lead,)))
    assert value(samplings, "key_lead_time_needed_seconds", kid="k") == 720
    assert samplings[PREFIX + "key_lead_time_margin_seconds"] == []
    assert samplings[PREFIX + "key_lead_time_available_seconds"] == []


def test_the_values_of_a_good_round() -> None:
    samplings = told(published())
    issuer = "https://issuer.example"
    assert value(samplings, "build_info", publication=issuer, version="1.2.3", place="directory:/public") == 1
    assert value(samplings, "bundle_info", trust_domain="example.org", source="server-api") == 1
    at = {"started", "last_round", "last_change", "last_success", "confirmed", "modified"}
    for name, expected in {
        "rounds_total": 1, "rounds_changed_total": 1, "rounds_failed_total": 0, "rounds_refused_total": 0,
        "retries": 0, "last_exit_status": 0, "is_refused": 0, "last_round_duration_seconds": 1.25,
        "due_timestamp_seconds": AT + 900, "stale_timestamp_seconds": AT + 3600, "sequence_number": 7,
        "keys": 2, **{f"{name}_timestamp_seconds": AT for name in at},
    }.items():  # fmt: skip
        assert value(samplings, name) == expected, name
    assert value(samplings, "key_is_tainted", kid="good") == 0
    assert value(samplings, "key_is_tainted", kid="bad") == 1
    assert value(samplings, "key_expiry_timestamp_seconds", kid="bad") == AT + 7200
    assert value(samplings, "key_first_published_timestamp_seconds", kid="bad") == AT
    assert value(samplings, "key_info", kid="bad", alg="ES256") == 1


def test_what_a_source_does_not_tell_has_no_sample() -> None:
    standing = fresh().after(World().publish(keys.bundle("one")), at=NOON, seconds=1)
    samplings = told(standing)
    for name in ("key_is_tainted", "key_expiry_timestamp_seconds", "sequence_number", "findings"):
        assert samplings[PREFIX + name] == []


def test_before_the_first_round_there_is_no_outcome() -> None:
    samplings = told(fresh())
    assert value(samplings, "rounds_total") == 0
    for name in (
        "last_exit_status",
        "is_refused",
        "last_round_timestamp_seconds",
        "keys",
        "stale_timestamp_seconds",
    ):
        assert samplings[PREFIX + name] == []


def test_a_refused_round_keeps_the_publication_in_sight() -> None:
    standing = failed(refused(TAMPERED), published(findings=(WARNED,)))
    samplings = told(standing)
    assert value(samplings, "is_refused") == 1
    assert value(samplings, "last_exit_status") == ExitStatus.UNSAFE
    assert value(samplings, "rounds_refused_total") == 1
    assert value(samplings, "retries") == 1
    assert value(samplings, "keys") == 2
    assert value(samplings, "last_success_timestamp_seconds") == AT
    assert value(samplings, "findings", code="GCS001", severity="warning") == 1
    assert value(samplings, "findings", code="ROT010", severity="error") == 1


def test_the_same_finding_before_and_in_a_failure_counts_once_and_others_each() -> None:
    other = replace(TAMPERED, where="elsewhere")
    samplings = told(failed(refused(TAMPERED, other), published(findings=(TAMPERED,))))
    assert value(samplings, "findings", code="ROT010") == 2


def test_a_run_that_fails_repeats_what_the_file_said() -> None:
    before = told(published(findings=(TAMPERED,)), watching=False)
    text = render_metrics(before)
    after = told(failed(UNAVAILABLE), watching=False, earlier=read_samples(text))
    changed = {"last_exit_status", "last_round_timestamp_seconds", "last_round_duration_seconds", "findings"}
    for metric in METRICS:
        if not metric.watching and metric.name not in changed:
            assert after[metric.sample_name] == before[metric.sample_name], metric.name
    assert value(after, "last_exit_status") == 75
    assert value(after, "last_round_timestamp_seconds") == AT + 60
    # And again from the file of a failing run, as often as it takes.
    again = told(failed(UNAVAILABLE, minutes=2), watching=False, earlier=read_samples(render_metrics(after)))
    assert value(again, "last_success_timestamp_seconds") == AT


def test_a_run_that_changes_nothing_repeats_when_something_changed_and_no_key_that_is_gone() -> None:
    before = told(published(), watching=False)
    world = World()
    world.publish(keys.bundle("one"))
    world.clock.advance(minutes=5)
    quiet = fresh().after(world.publish(keys.bundle("one")), at=NOON + timedelta(minutes=5), seconds=1)
    after = told(quiet, watching=False, earlier=before)
    assert value(after, "last_change_timestamp_seconds") == AT
    assert value(after, "last_success_timestamp_seconds") == AT + 300
    assert {labels["kid"] for labels, _ in after[PREFIX + "key_info"]} == {"one"}
    # The key has no expiry now: the old keys' must not stay for want of a new one.
    assert after[PREFIX + "key_expiry_timestamp_seconds"] == []


def test_a_finding_is_remembered_for_a_week() -> None:
    seen = told(published(findings=(TAMPERED, WARNED)))
    after_an_hour = told(published(last_round_at=NOON + timedelta(hours=1), findings=(WARNED,)), earlier=seen)
    name = "finding_last_seen_timestamp_seconds"
    assert value(after_an_hour, name, code="ROT010") == AT
    assert value(after_an_hour, name, code="GCS001") == AT + 3600
    assert value(after_an_hour, "findings", code="ROT010") is None
    later = told(published(last_round_at=NOON + timedelta(days=7, minutes=1)), earlier=after_an_hour)
    assert value(later, name, code="ROT010") is None
    assert value(later, name, code="GCS001") == AT + 3600


def test_a_new_process_takes_over_what_was_remembered_before_its_first_round() -> None:
    seen = told(published(findings=(TAMPERED,)))
    new = told(fresh(), earlier=seen)
    assert value(new, "finding_last_seen_timestamp_seconds", code="ROT010") == AT
    assert value(new, "last_success_timestamp_seconds") == AT
    assert value(new, "rounds_total") == 0


def test_publications_do_not_mix_and_go_when_they_are_gone() -> None:
    before = told(published("a"), published("b"))
    both = told(failed(UNAVAILABLE, fresh("a")), published("b"), earlier=before)
    assert value(both, "keys", publication="a") == value(both, "keys", publication="b") == 2
    assert value(both, "last_exit_status", publication="a") == 75
    one = told(published("b"), earlier=before)
    assert {labels["publication"] for samples in one.values() for labels, _ in samples} == {"b"}


def test_a_run_of_one_publication_leaves_the_others_in_the_file() -> None:
    before = told(published("a"), published("b"), watching=False)
    after = told(
        failed(UNAVAILABLE, fresh("a")),
        watching=False,
        earlier={**before, "stranger": [({}, 1)]},
        others=True,
    )
    assert value(after, "last_exit_status", publication="b") == 0
    assert value(after, "last_exit_status", publication="a") == 75
    assert after.keys() == BY_NAME.keys()


def test_outside_text_is_shown_harmlessly() -> None:
    standing = fresh("a", issuer='https://x"\n\x1b')
    text = render_metrics(told(standing)).decode()
    assert text.isascii()
    assert text.replace("\n", "").isprintable()


def test_what_was_seen_at_the_sink_is_told_before_the_first_success() -> None:
    good = published()
    assert good.manifest is not None
    sight = Sight(manifest=good.manifest, lead_times=good.lead_times)
    samplings = told(failed(UNAVAILABLE).having_seen(sight))
    assert value(samplings, "stale_timestamp_seconds") == AT + 3600
    assert value(samplings, "confirmed_timestamp_seconds") == AT
    assert value(samplings, "keys") == 2
    assert value(samplings, "last_success_timestamp_seconds") is None
    assert samplings[PREFIX + "key_is_tainted"] == []


def test_what_was_seen_at_the_sink_takes_nothing_from_the_file() -> None:
    before = told(published())
    good = published()
    assert good.manifest is not None
    manifest = replace(good.manifest, stale_at=NOON + timedelta(hours=9))
    seen = failed(UNAVAILABLE).having_seen(Sight(manifest=manifest, lead_times=good.lead_times))
    after = told(seen, earlier=before)
    assert value(after, "stale_timestamp_seconds") == AT + 9 * 3600, "the sink knows better"
    assert value(after, "key_is_tainted", kid="bad") == 1
    assert value(after, "last_success_timestamp_seconds") == AT
