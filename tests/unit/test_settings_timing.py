from datetime import timedelta

import pytest

from publisher.bundle.fetched import SourceKind
from publisher.publication.timing import Timing
from publisher.settings.explain_target import ExplainTarget
from publisher.settings.layers import Layers, Reader
from publisher.settings.options import EXPLAIN, PUBLISH, WATCH
from publisher.settings.timing import read_timing

SECOND = timedelta(seconds=1)


def reader(command: str, **typed: str) -> Reader:
    named = {name.replace("_", "-"): value for name, value in typed.items()}
    return Reader(layers=Layers(command=command, command_line=named, environment={}))


@pytest.mark.parametrize("kind", SourceKind)
def test_the_agent_alone_delays(kind: SourceKind) -> None:
    delay = 10 * SECOND if kind is SourceKind.WORKLOAD_API else 0 * SECOND
    assert read_timing(reader(PUBLISH), kind) == Timing(source_delay=delay)


def test_everything_can_be_said() -> None:
    said = {
        "source_delay": "1s",
        "run_interval": "2s",
        "timeout": "3s",
        "function_refresh": "4s",
        "relying_party_cache": "5s",
        "ca_ttl": "1h",
    }
    assert read_timing(reader(PUBLISH, **said), SourceKind.FILE) == Timing(
        source_delay=SECOND,
        interval=2 * SECOND,
        run_time=3 * SECOND,
        function_refresh=4 * SECOND,
        relying_party_cache=5 * SECOND,
        ca_ttl=3600 * SECOND,
    )
    assert read_timing(reader(PUBLISH, source_delay="0s"), SourceKind.WORKLOAD_API).source_delay == 0 * SECOND


@pytest.mark.parametrize(
    ("kind", "seconds"),
    [
        (SourceKind.WORKLOAD_API, 0),
        (SourceKind.SPIRE_PLUGIN, 0),
        (SourceKind.SERVER_API, 7),
        (SourceKind.FILE, 7),
        (SourceKind.BUNDLE_ENDPOINT, 90),
    ],
)
def test_watch_waits_as_long_as_its_source_makes_it(kind: SourceKind, seconds: int) -> None:
    timing = read_timing(reader(WATCH, poll_every="7s", longest_refresh="90s"), kind)
    assert timing.interval == seconds * SECOND


def test_explain_takes_the_kind_of_a_source_and_asks_for_no_trust_domain() -> None:
    target = ExplainTarget.read(reader(EXPLAIN, source="bundle-endpoint:https://spire.example"))
    assert target == ExplainTarget(
        timing=Timing(source_delay=0 * SECOND), jwks_max_age=60 * SECOND, picture=None
    )
