"""How long a new key travels, read from the settings of one publication."""

from datetime import timedelta

from publisher.bundle.fetched import SourceKind
from publisher.publication.timing import Timing
from publisher.settings.layers import Reader
from publisher.settings.options import WATCH

AGENT_DELAY = timedelta(seconds=10)
"""How long a new key takes to an agent: two of the 5 s in which it asks its server."""

_ZERO = timedelta(0)


def read_timing(reader: Reader, kind: SourceKind) -> Timing:
    """Read the delays of a publication whose source is of that kind.

    Raises:
        UsageError: a bad value on the command line.
        SettingsError: one in the environment or the file.

    """
    delay, ca_ttl = reader.value("source-delay"), reader.value("ca-ttl")
    if delay is not None:
        source_delay = timedelta(seconds=delay)
    else:
        source_delay = AGENT_DELAY if kind is SourceKind.WORKLOAD_API else _ZERO
    return Timing(
        source_delay=source_delay,
        interval=_interval(reader, kind),
        run_time=timedelta(seconds=reader.value("timeout")),
        function_refresh=timedelta(seconds=reader.value("function-refresh")),
        relying_party_cache=timedelta(seconds=reader.value("relying-party-cache")),
        ca_ttl=None if ca_ttl is None else timedelta(seconds=ca_ttl),
    )


def _interval(reader: Reader, kind: SourceKind) -> timedelta:
    """Give the longest time between two looks at the source; `watch` is told by the Workload API at once."""
    if reader.layers.command != WATCH:
        return timedelta(seconds=reader.value("run-interval"))
    match kind:
        case SourceKind.WORKLOAD_API | SourceKind.SPIRE_PLUGIN:
            return _ZERO
        case SourceKind.BUNDLE_ENDPOINT:
            return timedelta(seconds=reader.value("longest-refresh"))
        case _:
            return timedelta(seconds=reader.value("poll-every"))
