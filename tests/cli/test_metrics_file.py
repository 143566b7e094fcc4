"""`publish --metrics-file`: what a one-shot run leaves for the node exporter."""

import re
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from publisher.use_cases.metric_table import PREFIX
from tests.cli.running import ISSUER, Place, execute, invoke


@pytest.fixture
def file(place: Place) -> Path:
    return place.folder / "publisher.prom"


def samples(file: Path) -> dict[str, float]:
    """Give every sample as `name{label}`; of the labels, those that tell publications and codes apart."""
    found = {}
    for family in text_string_to_metric_families(file.read_text()):
        for one in family.samples:
            told = [one.labels[name] for name in ("publication", "code", "kid") if name in one.labels]
            found[f"{one.name.removeprefix(PREFIX)} {' '.join(told)}"] = float(one.value)
    return found


def test_a_run_writes_what_it_came_to(place: Place, file: Path) -> None:
    ran = execute("publish", *place.options, "--metrics-file", str(file))
    assert (ran.status, ran.err) == (0, "")
    told = samples(file)
    assert told[f"last_exit_status {ISSUER}"] == 0
    assert told[f"keys {ISSUER}"] == 2
    assert told[f"last_success_timestamp_seconds {ISSUER}"] == told[f"last_change_timestamp_seconds {ISSUER}"]
    assert 0 < told[f"last_round_duration_seconds {ISSUER}"] < 60
    assert f"key_info {ISSUER} one" in told
    assert not [name for name in told if name.startswith(("rounds", "retries", "started"))]
    assert file.read_text().isascii()
    assert file.stat().st_mode & 0o777 == 0o644


def test_a_failing_run_leaves_when_it_last_worked(place: Place, file: Path) -> None:
    options = (*place.options, "--metrics-file", str(file))
    assert invoke("publish", *options).status == 0
    before = samples(file)
    place.bundle.unlink()
    assert invoke("publish", *options).status != 0
    after = samples(file)
    for name in ("last_success", "last_change", "confirmed", "stale"):
        series = f"{name}_timestamp_seconds {ISSUER}"
        assert after[series] == before[series]
    assert after[f"last_exit_status {ISSUER}"] == 78
    assert after[f"is_refused {ISSUER}"] == 0
    assert after[f"keys {ISSUER}"] == 2


def test_a_refusal_shows_with_its_findings_and_goes_when_it_is_accepted(place: Place, file: Path) -> None:
    options = (*place.options, "--metrics-file", str(file))
    assert invoke("publish", *options).status == 0
    place.has("stranger")
    assert invoke("publish", *options).status == 65
    refused = samples(file)
    assert refused[f"is_refused {ISSUER}"] == 1
    assert refused[f"findings {ISSUER} ROT001"] == 1
    assert f"key_info {ISSUER} one" in refused
    assert invoke("publish", *options, "--accept-disjoint-keys").status == 0
    accepted = samples(file)
    assert accepted[f"is_refused {ISSUER}"] == 0
    assert f"findings {ISSUER} ROT001" not in accepted
    assert f"finding_last_seen_timestamp_seconds {ISSUER} ROT001" in accepted
    assert f"key_info {ISSUER} one" not in accepted


def test_a_file_that_cannot_be_written_is_a_warning_and_no_failure(place: Place) -> None:
    ran = execute("publish", *place.options, "--metrics-file", str(place.folder / "gone" / "x.prom"))
    assert ran.status == 0
    (line,) = ran.log
    assert line["severity"] == "WARNING"
    assert re.search(
        r"metrics file '.*x.prom': no such file or directory; .*; metrics were not written", line["message"]
    )
    assert place.kids == ["one", "two"]


def test_a_dry_run_and_bad_settings_write_nothing(place: Place, file: Path) -> None:
    options = (*place.options, "--metrics-file", str(file))
    assert invoke("publish", *options, "--dry-run").status == 0
    assert invoke("publish", *options, "--timeout", "soon").status == 2
    assert not file.exists()


def test_several_publications_share_the_file_and_one_alone_leaves_the_others(
    place: Place, file: Path
) -> None:
    settings = place.folder / "publications.toml"
    tables = []
    for name in ("a", "b", "bad"):
        (place.folder / name).mkdir()
        issuer = f"https://{name}.example" if name != "bad" else "http://bad.example"
        tables.append(
            f'[[publication]]\nname = "{name}"\nissuer = "{issuer}"\nsink = "{place.folder / name}"\n'
        )
    top = f'metrics_file = "{file}"\nsource = "file:{place.bundle}"\ntrust_domain = "example.org"\n'
    top += "verify_url = false\n"
    settings.write_text("\n".join([top, *tables]))
    assert invoke("publish", "--config", str(settings)).status == 78
    first = samples(file)
    assert {name: first[f"last_exit_status {name}"] for name in ("a", "b", "bad")} == {
        "a": 0,
        "b": 0,
        "bad": 78,
    }
    place.has("one", "two", "three")
    assert invoke("publish", "--config", str(settings), "--publication", "b").status == 0
    second = samples(file)
    assert (second["keys a"], second["keys b"], second["last_exit_status bad"]) == (2, 3, 78)
    settings.write_text("\n".join([top, *tables[1:2]]))
    assert invoke("publish", "--config", str(settings)).status == 0
    third = samples(file)
    assert "keys b" in third
    assert not [name for name in third if name.split()[1] in {"a", "bad"}]
