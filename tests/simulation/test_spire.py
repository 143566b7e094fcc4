"""The model keeps SPIRE's rules as they were seen and read."""

import pytest

from tests.simulation.spire import DAY, Authority, Birth, Cluster, Replica, activated_after, prepared_after
from tests.simulation.timeline import Timeline

HOUR = 3600.0


@pytest.mark.parametrize(
    ("life", "lead"), [(24 * HOUR, 8 * HOUR), (HOUR, 1200), (42 * DAY, 14 * DAY), (180 * DAY, 23 * DAY)]
)
def test_lead_time_is_a_third_of_the_life_up_to_the_caps(life: float, lead: float) -> None:
    assert activated_after(life) - prepared_after(life) == pytest.approx(lead)


def _live(seconds: float, *, keeps_keys: bool = True) -> tuple[Cluster, Replica, list[Authority]]:
    timeline = Timeline()
    activated: list[Authority] = []
    cluster = Cluster(timeline, 24 * HOUR, on_activate=activated.append)
    replica = Replica(cluster, keeps_keys=keeps_keys)
    cluster.start()
    replica.boot()
    timeline.wait(seconds)
    return cluster, replica, activated


def test_steps_come_at_the_next_tick_of_ten_seconds() -> None:
    _, _, activated = _live(40 * HOUR)
    first, second, *_ = activated
    assert (first.prepared_at, first.activated_at, first.birth) == (0, 0, Birth.FIRST_BOOT)
    assert (second.prepared_at, second.activated_at) == (12 * HOUR + 10, 20 * HOUR + 10)


def test_four_to_six_keys_are_normal_and_expired_ones_are_pruned() -> None:
    cluster, _, _ = _live(10 * DAY)
    assert 4 <= len(cluster.authorities) <= 6
    assert min(one.not_after for one in cluster.authorities) > cluster.timeline.now - 30 * HOUR


def test_preparing_raises_the_sequence_number_and_activating_does_not() -> None:
    cluster, replica, _ = _live(60)
    before = cluster.sequence_number
    replica.prepare()
    assert cluster.sequence_number == before + 1
    replica.activate()
    assert cluster.sequence_number == before + 1


def test_a_restart_without_keys_keeps_the_old_authority_in_the_bundle() -> None:
    cluster, replica, activated = _live(60, keeps_keys=False)
    replica.stop()
    replica.boot(Birth.KEYS_LOST)
    assert cluster.newest.kids == {one.kid for one in activated}
    assert activated[-1].spire_lead == 0


def test_a_lost_datastore_begins_its_numbers_anew_with_other_keys() -> None:
    cluster, replica, activated = _live(60)
    before = cluster.newest
    replica.stop(loses_all=True)
    cluster.lose()
    replica.boot(Birth.DATASTORE_LOST)
    assert not cluster.newest.kids & before.kids
    assert cluster.newest.sequence_number == 1
    assert activated[0].is_lost
