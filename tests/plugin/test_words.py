"""What people read: statuses, log lines, and the configuration to paste."""

import hashlib
import json
import logging
from pathlib import Path

import grpc
import pytest
from click.testing import CliRunner

from publisher.cli.root import root
from publisher.errors import (
    BundleError,
    PublisherError,
    RefusedError,
    SettingsError,
    SinkSettingsError,
    SinkUnavailableError,
    UsageError,
)
from publisher.logs import publication_name
from publisher.spire_plugin.configuration import configuration, find_program
from publisher.spire_plugin.hclog import HclogFormatter
from publisher.spire_plugin.statuses import LONGEST, status_of
from tests.plugin.test_process import HCLOG_TIME

Code = grpc.StatusCode
REFUSED = RefusedError("place", "refused", "do", findings=())


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (REFUSED, Code.FAILED_PRECONDITION),
        (BundleError("place", "unsafe", "do"), Code.INVALID_ARGUMENT),
        (SinkUnavailableError("place", "away", "do"), Code.UNAVAILABLE),
        (SinkSettingsError("place", "missing", "do"), Code.FAILED_PRECONDITION),
        (SettingsError("place", "wrong", "do"), Code.FAILED_PRECONDITION),
    ],
)
def test_a_status_has_place_rule_and_remedy(error: PublisherError, code: Code) -> None:
    found, text = status_of([(None, error)])
    assert found is code
    assert text.startswith(f"place: {error.what}; do")
    assert ("by a person, never here" in text) is (error is REFUSED)


def test_of_several_failures_the_gravest_counts_and_all_are_named() -> None:
    away = SinkUnavailableError("sink", "away", "wait")
    code, text = status_of([("one", away), ("two", REFUSED)])
    assert code is Code.FAILED_PRECONDITION
    assert text.startswith("publication one: sink: away; wait; and publication two: place: refused; do (")
    assert len(status_of([("x", SettingsError("p", "w" * 9999, ""))])[1]) <= LONGEST + 3


def test_settings_are_named_as_plugin_data_names_them() -> None:
    error = RefusedError("place", "is other", "correct --bucket-url, or --accept-disjoint-keys", findings=())
    assert "correct bucket_url, or --accept-disjoint-keys" in status_of([(None, error)])[1]


def record(level: int, message: str, **extra: object) -> logging.LogRecord:
    made = logging.LogRecord("publisher.x", level, __file__, 1, message, (), None)
    made.__dict__.update(extra)
    return made


@pytest.mark.parametrize(
    ("level", "word"),
    [(logging.DEBUG, "debug"), (logging.INFO, "info"), (logging.WARNING, "warn"), (logging.ERROR, "error")],
)
def test_levels_are_those_of_hclog(level: int, word: str) -> None:
    entry = json.loads(HclogFormatter().format(record(level, "a\nb")))
    assert (entry["@level"], entry["@message"], entry["@module"]) == (word, "a\\nb", "publisher.x")
    assert HCLOG_TIME.fullmatch(entry["@timestamp"])


def test_members_are_bounded_strings_beside_the_message() -> None:
    token = publication_name.set("one")
    try:
        members = {"code": "ROT002", "n": 7, "long": "y" * 9999}
        line = HclogFormatter().format(record(30, "x" * 9999, members=members))
    finally:
        publication_name.reset(token)
    entry = json.loads(line)
    assert (entry["publication"], entry["code"], entry["n"]) == ("one", "ROT002", "7")
    assert len(line) < 65536, "what the host reads as one line"


def test_a_traceback_stays_on_its_line() -> None:
    error = ValueError("a\nb")
    made = record(10, "m", exc_info=(ValueError, error, None))
    line = HclogFormatter().format(made)
    assert "\n" not in line
    assert "ValueError" in json.loads(line)["traceback"]


class TestConfiguration:
    @pytest.fixture
    def program(self, tmp_path: Path) -> Path:
        program = tmp_path / "spire-oidc-publisher"
        program.write_bytes(b"#!")
        return program

    def test_it_is_ready_to_paste(self, program: Path) -> None:
        text = configuration(program, sink="gs://my-bucket/prefix", issuer=None, name="oidc")
        assert f'plugin_cmd      = "{program}"' in text
        assert f'plugin_checksum = "{hashlib.sha256(b"#!").hexdigest()}"' in text
        assert 'issuer = "https://storage.googleapis.com/my-bucket/prefix"' in text
        assert "storage.objects.get,storage.objects.create,storage.objects.delete" in text
        assert "gs://my-bucket \\" in text

    @pytest.mark.parametrize("name", ["${x}", "", "a b", 'a"', "ä", "x" * 65])
    def test_a_name_that_means_more_in_hcl_is_refused(self, program: Path, name: str) -> None:
        with pytest.raises(UsageError, match="is no name"):
            configuration(program, sink="gs://my-bucket", issuer=None, name=name)

    def test_a_directory_needs_an_issuer_and_no_role(self, program: Path) -> None:
        with pytest.raises(SettingsError, match="--issuer"):
            configuration(program, sink="/srv/www", issuer=None, name="oidc")
        text = configuration(program, sink="/srv/www", issuer="https://x.example", name="oidc")
        assert "storage" not in text

    def test_bad_values_are_refused(self, program: Path) -> None:
        with pytest.raises(SettingsError, match="must be https"):
            configuration(program, sink="gs://my-bucket", issuer="http://x", name="oidc")
        with pytest.raises(SettingsError, match="cannot be read"):
            configuration(program / "no", sink="gs://my-bucket", issuer=None, name="oidc")

    def test_the_command_prints_it(self) -> None:
        ended = CliRunner().invoke(root, ["spire-plugin-config", "--sink", "gs://my-bucket"])
        assert ended.exit_code == 0, ended.output
        assert str(find_program()) in ended.output
