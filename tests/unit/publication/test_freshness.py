from datetime import timedelta

import pytest

from publisher.publication.freshness import Policy, assess
from publisher.publication.manifest import Manifest
from tests.doubles import NOON
from tests.worlds import World, bundle

MINUTE = timedelta(minutes=1)


@pytest.fixture(scope="module")
def manifest() -> Manifest:
    """Confirmed at noon, due 15 minutes later, stale after an hour."""
    world = World()
    world.publish(bundle("a"))
    return world.manifest()


@pytest.mark.parametrize(
    ("after", "policy", "judged"),
    [
        (0 * MINUTE, None, "fresh"),
        (15 * MINUTE - timedelta(seconds=1), None, "fresh"),
        (15 * MINUTE, None, "due"),
        (60 * MINUTE - timedelta(seconds=1), None, "due"),
        (60 * MINUTE, None, "stale"),
        (5 * MINUTE, Policy(due_after=5 * MINUTE), "due"),
        (10 * MINUTE, Policy(stale_after=10 * MINUTE), "stale"),
        (15 * MINUTE, Policy(due_after=60 * MINUTE), "due"),
        (60 * MINUTE, Policy(stale_after=120 * MINUTE), "stale"),
        (-5 * MINUTE, None, "fresh"),
        (-6 * MINUTE, None, "stale"),
    ],
)
def test_the_earlier_of_promise_and_policy_counts(
    manifest: Manifest, after: timedelta, policy: Policy | None, judged: str
) -> None:
    assert assess(manifest, now=NOON + after, policy=policy) == judged
