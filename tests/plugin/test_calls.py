"""What the plugin answers to SPIRE's calls."""

import json
from pathlib import Path

import grpc
import pytest

from tests.plugin.conftest import ISSUER, MakeHost
from tests.plugin.host import Host
from tests.plugin.messages import bundle

Code = grpc.StatusCode


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> object:
    host = Host(tmp_path_factory.mktemp("host"))
    try:
        host.shake_hands()
        yield host
    finally:
        host.close()


BAD = {
    "": "plugin_data: has no issuer and no sink; add issuer = ",
    'sink = "gs://bucket"': "has no issuer",
    'snk = "gs://bucket"': "line 1: unknown member 'snk'; did you mean sink?",
    'sink = "gs://bucket"\nissuer = "http://x.example"': "'http://x.example' must be https; set issuer to ",
    'sink = "s3://bucket"\nissuer = "https://x.example"': "is no kind of sink",
    'issuer = "https://x.example"\nsink = "here"': "line 2: sink: 'here' is relative",
    'issuer = 7\nsink = "gs://bucket"': "issuer: is an integer, not a string",
    'jwks_max_age = "1s"': "out of bounds",
    'timeout = "26s"': "write at most 25s",
    'source = "file:x"': "take it out: SPIRE's server itself pushes the bundle",
    "accept_disjoint_keys = true": "a person runs spire-oidc-publisher publish --accept-disjoint-keys once",
    'trust_domain = "other.org"\nissuer = "https://x.example"\nsink = "gs://bucket"': "not this server's",
    'config_file = "relative.toml"': "is no absolute path",
    'config_file = "/nowhere/x.toml"': "cannot be read",
    'config_file = "/nowhere/x.toml"\nsink = "x"': "line 2: 'sink' beside config_file",
    'sink = "a"\nsink = "b"': "line 2: sink is there already, at line 1",
    'state_file = "state"': "is relative",
    'confirm_every = "1h"\nissuer = "https://x.example"\nsink = "gs://bucket"': "not below due_after (900 s)",
    "sink": "has no value",
}


@pytest.mark.parametrize("text", BAD)
def test_bad_settings(running: Host, text: str) -> None:
    answer = running.configure(text)
    assert (answer.code, BAD[text] in answer.text) == (Code.INVALID_ARGUMENT, True), answer
    valid, notes = running.validate(text)
    assert not valid
    assert [BAD[text] in note for note in notes] == [True], notes


def test_good_settings_are_judged_without_a_look_at_the_world(running: Host) -> None:
    text = (
        'sink = "/nowhere/published"\nissuer = "https://issuer.example"\n'
        'ca_file = "/nowhere/ca.pem"\nstate_file = "/nowhere/state"\nmetrics_file = "/nowhere/metrics.prom"\n'
        'signing_algorithms = ["ES256", "RS256"]\ntimeout = 25\ndrift_every = "2m"\nconfirm_every = "1m"\n'
        'authorization_endpoint = "none"\nverify_url = true\ntrust_domain = "example.org"\nverbose = false'
    )
    assert running.validate(text) == (True, [])
    assert running.configure(text).ok
    answer = running.publish(bundle("a", number=1))
    assert answer.code is Code.FAILED_PRECONDITION
    assert "/nowhere" in answer.text, "it is told by the push, which does not stop the server"


def test_every_bad_publication_of_a_file_is_named(running: Host, tmp_path: Path) -> None:
    file = tmp_path / "publisher.toml"
    file.write_text(
        'sink = "gs://bucket"\n[[publication]]\nname = "one"\nissuer = "http://a.example"\n'
        '[[publication]]\nname = "two"\nissuer = "https://b.example"\nsink = "ftp://b"\n'
    )
    valid, notes = running.validate(f'config_file = "{file}"')
    assert not valid
    assert ["one" in notes[0], "line 4" in notes[0]] == [True, True]
    assert ["two" in notes[1], "line 8" in notes[1]] == [True, True]
    answer = running.configure(f'config_file = "{file}"')
    assert answer.code is Code.INVALID_ARGUMENT
    assert "line 4" in answer.text
    assert "line 8" in answer.text


def test_a_push_before_any_configure(make_host: MakeHost) -> None:
    host = make_host()
    host.shake_hands()
    answer = host.publish(bundle("a", number=1))
    assert (answer.code, "is not configured" in answer.text) == (Code.FAILED_PRECONDITION, True)


def test_unknown_methods_and_services(running: Host) -> None:
    assert running.call("/spire.service.common.config.v1.Config/Other").code is Code.UNIMPLEMENTED
    assert running.call("/grpc.health.v1.Health/Check", b"\x0a\x03any").code is Code.NOT_FOUND


class TestUnsafeBundles:
    @pytest.mark.parametrize(
        ("message", "said"),
        [
            (bundle(number=1), "has no JWT authorities yet"),
            (bundle("a", "a", number=1), "two keys of kid"),
            (bundle("a", number=1, trust_domain="other.org"), "other.org"),
            (b"\xff\xff", "no PublishBundleRequest"),
            (bundle("a", number=1) + b"\x28" + b"\xff" * 9 + b"\x01", "sequence_number"),
        ],
    )
    def test_are_refused_and_stop_nothing(self, host: Host, message: bytes, said: str) -> None:
        answer = host.publish(message)
        assert (answer.code, said in answer.text) == (Code.INVALID_ARGUMENT, True), answer
        assert host.publish(bundle("a", number=1)).ok


class TestRefusals:
    def test_disjoint_keys(self, host: Host) -> None:
        assert host.publish(bundle("a", number=1)).ok
        answer = host.publish(bundle("z", number=2))
        assert answer.code is Code.FAILED_PRECONDITION
        assert "--accept-disjoint-keys" in answer.text
        assert "by a person, never here" in answer.text
        assert host.publish(bundle("z", number=2)).code is Code.FAILED_PRECONDITION, "at every tick"
        assert host.publish(bundle("a", "z", number=3)).ok, "a refusal never stops later updates"

    def test_a_server_that_lags_behind_is_no_error_at_first(self, host: Host, make_host: MakeHost) -> None:
        assert host.publish(bundle("a", "b", number=5)).ok
        assert host.publish(bundle("a", number=4)).ok
        said = [line for line in host.log() if "ROT002" in json.dumps(line)]
        assert {line["@level"] for line in said} == {"info"}
        assert host.publish(bundle("a", "b", number=5)).ok


def test_a_missing_sink_fails_the_push_not_the_settings(host: Host, folder: Path) -> None:
    elsewhere = f'sink = "{folder}/missing"\nissuer = "{ISSUER}"\nverify_url = false'
    assert host.configure(elsewhere).ok
    answer = host.publish(bundle("a", number=1))
    assert answer.code is Code.FAILED_PRECONDITION
    assert "missing" in answer.text
    (folder / "missing").mkdir()
    assert host.publish(bundle("a", number=1)).ok


def test_publications_of_a_file_are_published_side_by_side(make_host: MakeHost, folder: Path) -> None:
    (folder / "other").mkdir()
    file = folder / "publisher.toml"
    file.write_text(
        'verify_url = false\n[[publication]]\nname = "good"\nissuer = "https://a.example"\n'
        f'sink = "{folder}/other"\n[[publication]]\nname = "bad"\nissuer = "https://b.example"\n'
        f'sink = "{folder}/missing"\n[[publication]]\nname = "worse"\nissuer = "https://c.example"\n'
        f'sink = "{folder}/absent"\n'
    )
    host = make_host()
    host.start(f'config_file = "{file}"')
    answer = host.publish(bundle("a", number=1))
    assert answer.code is Code.FAILED_PRECONDITION
    assert "publication bad:" in answer.text
    assert "publication worse:" in answer.text
    assert "publication good" not in answer.text
    assert (folder / "other/keys").exists()
    (folder / "missing").mkdir()
    (folder / "absent").mkdir()
    assert host.publish(bundle("a", number=1)).ok


def test_metrics_are_written(make_host: MakeHost, folder: Path, plugin_data: str) -> None:
    host = make_host()
    host.start(f'{plugin_data}\nmetrics_file = "{folder}/publisher.prom"')
    assert host.publish(bundle("a", number=7)).ok
    text = (folder / "publisher.prom").read_text()
    assert f'spire_oidc_publisher_sequence_number{{publication="{ISSUER}"}} 7' in text


def test_the_environment_of_the_server_is_none_of_our_settings(
    make_host: MakeHost, folder: Path, plugin_data: str
) -> None:
    host = make_host(environment={"SPIRE_OIDC_PUBLISHER_JWKS_PATH": "elsewhere"})
    host.start(plugin_data)
    assert host.publish(bundle("a", number=1)).ok
    assert (folder / "published/keys").exists()
