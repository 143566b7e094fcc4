"""How long a key travels when SPIRE pushes it: what lead times are judged by."""

from datetime import timedelta

import pytest

from publisher.publication.timing import Timing
from publisher.spire_plugin.settings import BadSettingsError, read

BASE = 'sink = "gs://my-bucket"\nissuer = "https://storage.googleapis.com/my-bucket"\n'


def timing(text: str) -> Timing:
    (one,) = read(BASE + text, "example.org").publications
    return one.target.documents.timing


def test_nothing_lies_between_the_server_and_its_plugin() -> None:
    found = timing("")
    assert found.unseen == timedelta(0)
    assert found.run_time == timedelta(seconds=20)


def test_a_relying_party_needs_what_runs_and_caches_take() -> None:
    found = timing('timeout = "10s"\nrelying_party_cache = "5m"\nfunction_refresh = "30s"\nca_ttl = "1h"')
    assert found.needed(timedelta(seconds=60)) == timedelta(seconds=10 + 60 + 30 + 300)
    assert found.ca_ttl == timedelta(hours=1)


@pytest.mark.parametrize("member", ["run_interval", "poll_every", "longest_refresh", "metrics_listen"])
def test_intervals_of_other_ways_mean_nothing_here(member: str) -> None:
    with pytest.raises(BadSettingsError, match=f"{member} means nothing to the plugin"):
        timing(f'{member} = "5m"')
