"""Lengths of time as a person says them in a message."""

from datetime import timedelta

_UNITS = ((86400, "d", 2 * 86400), (3600, "h", 3600), (60, "min", 60), (1, "s", 0))  # and from when on
_ONE = timedelta(seconds=1)


def span(period: timedelta) -> str:
    """Say a period in its two largest units, rounded down: `12 min 40 s`, `36 h`, `-5 s`, `0 s`."""
    seconds = abs(period) // _ONE
    for number, (size, unit, least) in enumerate(_UNITS[:-1]):
        if seconds >= least:
            below, smaller, _ = _UNITS[number + 1]
            rest = seconds % size // below
            said = f"{seconds // size} {unit}" + (f" {rest} {smaller}" if rest else "")
            break
    else:
        said = f"{seconds} s"
    return f"-{said}" if period < timedelta(0) and seconds else said


def typed(period: timedelta) -> str:
    """Write a period as an option or `ca_ttl` takes it, in whole minutes or, from 2 d, hours, rounded up."""
    minutes = -(-period // timedelta(minutes=1))
    return f"{minutes}m" if minutes < 48 * 60 else f"{-(-minutes // 60)}h"
