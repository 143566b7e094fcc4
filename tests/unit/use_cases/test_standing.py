from dataclasses import replace
from datetime import timedelta

import pytest

from publisher.errors import (
    BundleError,
    ExitStatus,
    PublisherError,
    RefusedError,
    SettingsError,
    SinkUnavailableError,
    SourceUnavailableError,
)
from publisher.use_cases.publish import Outcome
from publisher.use_cases.standing import Standing
from tests.doubles import NOON
from tests.worlds import World, bundle

LATER, LATEST = NOON + timedelta(minutes=5), NOON + timedelta(minutes=10)
FRESH = Standing(name="one", issuer="https://issuer.example", place="directory:/public", started_at=NOON)
AWAY = SourceUnavailableError("workload API", "is away", "wait")


def outcomes() -> tuple[Outcome, Outcome]:
    """Give the outcome of a first round, and of a second one that found nothing to do."""
    world = World()
    return world.publish(bundle("a")), world.publish(bundle("a"))


def test_nothing_has_happened_yet() -> None:
    assert (FRESH.rounds, FRESH.status, FRESH.last_round_at, FRESH.last_success_at) == (0, None, None, None)


def test_a_first_round() -> None:
    first, _ = outcomes()
    stands = FRESH.after(first, at=LATER, seconds=1.5)
    assert stands == replace(
        FRESH,
        rounds=1,
        changed=1,
        seconds=1.5,
        status=ExitStatus.DONE,
        last_round_at=LATER,
        last_success_at=LATER,
        last_change_at=LATER,
        manifest=first.manifest,
        bundle=first.bundle,
        findings=first.findings,
        lead_times=first.lead_times,
    )
    assert stands.manifest is not None
    assert stands.bundle == bundle("a")


def test_a_round_with_nothing_to_do_is_a_success_and_no_change() -> None:
    first, second = outcomes()
    stands = FRESH.after(first, at=NOON, seconds=1).after(second, at=LATER, seconds=0.5)
    assert (stands.rounds, stands.changed, stands.last_change_at) == (2, 1, NOON)
    assert (stands.last_success_at, stands.seconds) == (LATER, 0.5)


@pytest.mark.parametrize(
    ("error", "failed", "refused"),
    [
        (AWAY, 1, 0),
        (SinkUnavailableError("bucket", "is down", "wait"), 1, 0),
        (SettingsError("issuer", "is wrong", "mend it"), 1, 0),
        (BundleError("bundle", "is empty", "look"), 0, 1),
        (RefusedError("plan", "is refused", "look", findings=()), 0, 1),
    ],
)
def test_a_failure_takes_nothing_from_sight(error: PublisherError, failed: int, refused: int) -> None:
    good = FRESH.after(outcomes()[0], at=NOON, seconds=1)
    stands = good.after(error, at=LATER, seconds=2)
    assert stands == replace(
        good,
        rounds=2,
        failed=failed,
        refused=refused,
        retries=1,
        seconds=2,
        status=error.exit_status,
        last_round_at=LATER,
        error=error,
    )
    assert stands.last_success_at == NOON


def test_failures_in_a_row_are_counted_until_a_success() -> None:
    first, second = outcomes()
    stands = FRESH
    for count in (1, 2, 3):
        stands = stands.after(AWAY, at=LATER, seconds=1)
        assert (stands.retries, stands.failed, stands.last_success_at) == (count, count, None)
    stands = stands.after(second, at=LATEST, seconds=1)
    assert (stands.retries, stands.failed, stands.error) == (0, 3, None)
    assert (stands.rounds, stands.last_success_at, stands.last_change_at) == (4, LATEST, None)
    assert stands.manifest == first.manifest or stands.manifest is second.manifest


def test_what_was_written_but_not_found_at_its_public_url_is_no_success() -> None:
    unseen = replace(outcomes()[0], exit_status=ExitStatus.TEMPORARY)
    stands = FRESH.after(unseen, at=LATER, seconds=1)
    assert (stands.failed, stands.retries, stands.changed, stands.last_change_at) == (1, 1, 1, LATER)
    assert (stands.last_success_at, stands.error, stands.manifest) == (None, None, unseen.manifest)
