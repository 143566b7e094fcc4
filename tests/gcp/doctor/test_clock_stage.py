"""The times of an SVID, held to this machine's clock and to Google's: a table."""

from datetime import UTC, datetime, timedelta

import pytest

from publisher.gcp.doctor.clock import look_at_clock
from publisher.gcp.doctor.stage import Result
from publisher.gcp.doctor.token import LONGEST_LIFE

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
AT = NOW.timestamp()
MINUTE = timedelta(minutes=1)


@pytest.mark.parametrize(
    ("issued", "ends", "google", "said"),
    [
        (AT - 10, AT + 290, NOW, None),
        (AT - 10, AT + 290, None, None),
        (AT + 59, AT + 300, NOW, None),
        (AT + 61, AT + 300, NOW, "61 s ahead of this machine's clock"),
        (AT, AT + 300, NOW - 5 * MINUTE, "300 s ahead of Google's clock; this machine's clock is 300 s off"),
        (AT - 300, AT, NOW, "ran out 0 s before this machine's clock"),
        (AT - 10, AT + 290, NOW + 5 * MINUTE, "ran out 10 s before Google's clock; this machine's clock"),
        (AT - LONGEST_LIFE - 1, AT + 10, NOW, "more than a day before"),
    ],
)
def test_times_that_fit_and_times_that_do_not(
    issued: float, ends: float, google: datetime | None, said: str | None
) -> None:
    seen = look_at_clock(issued, ends, NOW, google, oldest=LONGEST_LIFE)
    if said is None:
        assert seen.result is Result.OK
        assert seen.notes == ()
        return
    assert seen.result is Result.BROKEN
    assert said in seen.said
    assert seen.finding is not None
    assert seen.finding.code == "GCP013"


def test_a_clock_that_is_off_is_a_note_while_the_svid_fits_both() -> None:
    seen = look_at_clock(AT - 100, AT + 3600, NOW, NOW + MINUTE)
    assert seen.result is Result.OK
    assert [note.code for note in seen.notes] == ["GCP013"]
    assert "60 s off" in seen.notes[0].what
