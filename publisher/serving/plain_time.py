"""Times as a person says them: "3 min ago", "in 18 h", and the exact moment in UTC."""

from datetime import UTC, datetime, timedelta

MINUTE = 60
HOUR = 60 * MINUTE
DAY = 24 * HOUR
_YEAR = 365 * DAY
_MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def duration(seconds: float) -> str:
    """Say a length of time, rounded down, in its one fitting unit: 59 s, 59 min, 47 h, 729 days, 12 years."""
    for unit, limit, name in ((1, MINUTE, "s"), (MINUTE, HOUR, "min"), (HOUR, 2 * DAY, "h")):
        if seconds < limit:
            return f"{int(seconds // unit)} {name}"
    return f"{int(seconds // DAY)} days" if seconds < 2 * _YEAR else f"{int(seconds // _YEAR)} years"


def relative(moment: datetime, now: datetime) -> str:
    """Say how far a moment is from now: "just now" within a second, else "5 s ago" or "in 5 s"."""
    seconds = (moment - now) / timedelta(seconds=1)
    if abs(seconds) < 1:
        return "just now"
    return f"in {duration(seconds)}" if seconds > 0 else f"{duration(-seconds)} ago"


def exact(moment: datetime) -> str:
    """Write a moment for a reader: `2026-07-31 14:03:22 UTC`, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def tick(moment: datetime, step: int) -> str:
    """Label a moment on an axis whose marks are `step` seconds apart: `14:00`, `31 Jul` or `Jul 2026`."""
    moment = moment.astimezone(UTC)
    month = _MONTHS[moment.month - 1]  # strftime's names would follow the process's locale
    if step >= 30 * DAY:
        return f"{month} {moment.year:04}"
    if step < DAY and (moment.hour or moment.minute):
        return f"{moment.hour:02}:{moment.minute:02}"
    return f"{moment.day} {month}"


def exact_element(moment: datetime | None) -> str:
    """Give the HTML of a moment as `exact` writes it; "unknown" for None."""
    return "unknown" if moment is None else f'<time datetime="{_machine(moment)}">{exact(moment)}</time>'


def relative_element(moment: datetime, now: datetime) -> str:
    """Give the HTML of a moment as `relative` says it, the exact one beside it for those who point there."""
    said = relative(moment, now)
    return f'<time datetime="{_machine(moment)}" title="{exact(moment)}">{said}</time>'


def _machine(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
