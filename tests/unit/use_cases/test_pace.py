import pytest

from publisher.errors import ExitStatus
from publisher.use_cases.pace import LONGEST_PAUSE, Pace

FAILED = (ExitStatus.TEMPORARY, ExitStatus.SETTINGS)


def test_a_good_round_is_confirmed_by_the_clock() -> None:
    assert Pace().after(ExitStatus.DONE, 0) == 300
    assert Pace(confirm_every=7).after(ExitStatus.DONE, 0) == 7


@pytest.mark.parametrize("status", FAILED)
@pytest.mark.parametrize(
    ("failures", "longest"), [(1, 1), (2, 2), (3, 4), (6, 32), (7, LONGEST_PAUSE), (10_000, LONGEST_PAUSE)]
)
def test_failed_rounds_are_tried_again_ever_later(status: ExitStatus, failures: int, longest: float) -> None:
    pauses = {Pace().after(status, failures) for _ in range(50)}
    assert longest / 2 <= min(pauses) <= max(pauses) <= longest
    assert len(pauses) > 1  # publishers that failed together do not return together


@pytest.mark.parametrize("failures", [1, 2, 100])
def test_what_is_refused_waits_for_a_person_or_for_news(failures: int) -> None:
    assert Pace().after(ExitStatus.UNSAFE, failures) == LONGEST_PAUSE


@pytest.mark.parametrize("status", [*FAILED, ExitStatus.UNSAFE])
def test_no_failure_is_looked_at_less_often_than_a_success(status: ExitStatus) -> None:
    assert all(Pace(confirm_every=5).after(status, failures) <= 5 for failures in range(1, 40))
