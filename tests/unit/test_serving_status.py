"""The status as JSON: stable names, whole seconds, unknown is null."""

import json
from dataclasses import replace
from datetime import timedelta

from publisher.findings import Finding, Severity
from publisher.serving.status import Counters, State, to_json
from tests.doubles import NOON
from tests.publications import Watched, published
from tests.worlds import World


def test_an_empty_status_has_every_member() -> None:
    shown = json.loads(to_json(Watched.over(World()).watch.status(NOON)))
    assert shown == {
        "at": "2026-11-22T12:00:00Z",
        "state": "empty",
        "healthy": False,
        "served": False,
        "issuer": "https://storage.googleapis.com/my-bucket",
        "place": "memory:sink",
        "version": "1.2.3",
        "started_at": "2026-11-22T12:00:00Z",
        "last_good_read_at": None,
        "last_good_read_age": None,
        "last_try_at": None,
        "last_try_age": None,
        "next_try_at": None,
        "findings": [],
        "publication": None,
        "counters": {"reads": 0, "failed": 0, "refused": 0, "mixed": 0, "accepted": 0, "changed": 0},
    }


def test_a_full_status_shows_publication_keys_ages_and_findings() -> None:
    watched = Watched.over(published("a", number=7))
    watched.read()
    status = watched.watch.status(NOON + timedelta(minutes=20))
    shown = json.loads(to_json(status))
    assert (shown["state"], shown["healthy"], shown["served"]) == ("due", True, True)
    assert (shown["last_good_read_age"], shown["next_try_at"]) == (1200, "2026-11-22T12:00:30Z")
    assert shown["findings"][0].keys() == {"code", "severity", "where", "what", "remedy"}
    assert shown["findings"][0]["code"] == "FRE001"
    publication = shown["publication"]
    assert publication["confirmed_age"] == publication["modified_age"] == 1200
    assert publication["sequence_number"] == 7
    assert publication["due_at"] == "2026-11-22T12:15:00Z"
    assert publication["stale_at"] == "2026-11-22T13:00:00Z"
    assert publication["refused_at"] == "2026-11-23T12:00:00Z"
    (key,) = publication["keys"]
    assert key["kid"] == "a"
    assert key["first_published_at"] == "2026-11-22T12:00:00Z"
    assert key["expires_at"] is None


def test_an_age_is_never_negative_and_hostile_text_stays_json() -> None:
    finding = Finding(code="X", severity=Severity.INFO, where="\x1b\ud7ff</script>", what="", remedy="")
    status = replace(
        Watched.over(World()).watch.status(NOON),
        last_try_at=NOON + timedelta(hours=1),
        findings=(finding,),
        state=State.STALE,
        counters=Counters(reads=3),
    )
    shown = json.loads(to_json(status))
    assert shown["last_try_age"] == 0
    assert shown["findings"][0]["where"] == finding.where
    assert shown["counters"]["reads"] == 3
