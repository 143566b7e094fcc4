"""What a run says about lead times."""

from collections.abc import Iterator, Sequence
from typing import Any

from publisher.cli.printing import bare
from publisher.publication.lead_time import KeyLeadTime
from publisher.publication.manifest import seconds_of
from publisher.publication.spans import span


def lead_members(times: Sequence[KeyLeadTime]) -> list[dict[str, Any]]:
    """Give lead times as JSON, in whole seconds; what is unknown is null."""
    return [
        {
            "kid": time.kid,
            "thumbprint": time.thumbprint,
            "needed_seconds": seconds_of(time.needed),
            "available_seconds": seconds_of(time.available),
            "margin_seconds": seconds_of(time.margin),
            "evidence": time.evidence and time.evidence.value,
            "in_use": time.in_use,
        }
        for time in times
    ]


def margin_lines(times: Sequence[KeyLeadTime]) -> Iterator[str]:
    """Give one line about the shortest margin; none while no margin is known."""
    known = [(time.margin, time) for time in times if time.margin is not None]
    if known:
        margin, time = min(known, key=lambda one: one[0])
        yield f"shortest margin: {span(margin)} of kid {bare(time.kid)} ({span(time.needed)} needed)"
