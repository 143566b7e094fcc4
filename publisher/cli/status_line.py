"""One line for a person: how the publications of a service stand."""

from collections.abc import Sequence
from datetime import datetime

from publisher.errors import ExitStatus
from publisher.use_cases.standing import Standing

MOST_NAMED = 5
"""The most publications that are named because they are not well."""

_LONGEST_ERROR = 160


def status_line(standings: Sequence[Standing]) -> str:
    """Say it: of one publication what there is to say, of several how many are well and which are not."""
    if len(standings) == 1:
        return _alone(standings[0])
    begun = [standing for standing in standings if standing.status is not None]
    bad = [standing for standing in begun if standing.status is not ExitStatus.DONE]
    line = f"{len(begun) - len(bad)} of {len(standings)} publications are well"
    if len(begun) < len(standings):
        line += f", {len(standings) - len(begun)} in their first round"
    if bad:
        named = ", ".join(f"{one.name} ({_verdict(one)})" for one in bad[:MOST_NAMED])
        line += f"; not well: {named}" + (", ..." if len(bad) > MOST_NAMED else "")
    return line


def _alone(standing: Standing) -> str:
    if standing.status is None:
        return f"first round of {standing.issuer}"
    if standing.status is not ExitStatus.DONE:
        since = f", last success {_time(standing.last_success_at)}" if standing.last_success_at else ""
        error = str(standing.error)[:_LONGEST_ERROR] if standing.error else "see the log"
        return f"{_verdict(standing)} for {standing.retries} rounds{since}: {error}"
    manifest = standing.manifest
    assert manifest is not None  # a round that ended well has one
    number = "" if manifest.sequence_number is None else f" of sequence number {manifest.sequence_number}"
    return (
        f"published: {len(manifest.keys)} keys{number} at {standing.place},"
        f" changed {_time(manifest.modified_at)}, confirmed {_time(manifest.confirmed_at)}"
    )


def _verdict(standing: Standing) -> str:
    return "refused" if standing.status is ExitStatus.UNSAFE else "failing"


def _time(time: datetime) -> str:
    return f"{time:%Y-%m-%d %H:%M:%SZ}"
