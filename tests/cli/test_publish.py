"""`publish`, from what is typed to exit status, files and both outputs."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.cli.publishing import _expiry
from publisher.publication.manifest import PublishedKey
from tests import keys
from tests.cli.running import ISSUER, Place, execute, invoke
from tests.unit.sources.unprivileged import unprivileged


def test_a_first_publish_says_what_is_new(place: Place) -> None:
    ran = execute("publish", *place.options)
    assert (ran.status, ran.err) == (0, "")
    assert ran.out.splitlines()[:2] == ["+ one ES256", "+ two ES256"]
    assert ran.out.splitlines()[2].startswith("published keys, .well-known/openid-configuration: ")
    assert place.written == ["keys", "openid-configuration", "spire-oidc-publication.json"]


def test_nothing_to_do_and_a_rotation(place: Place) -> None:
    invoke("publish", *place.options)
    again = invoke("publish", *place.options)
    assert again.status == 0
    assert again.out.splitlines()[:2] == ["= one ES256", "= two ES256"]
    assert "nothing to do, confirmed" in again.out
    place.has("two", "three")
    rotated = invoke("publish", *place.options)
    assert rotated.out.splitlines()[:3] == ["+ three ES256", "- one ES256", "= two ES256"]
    assert place.kids == ["three", "two"]


def test_a_dry_run_writes_nothing_and_exits_as_the_run_would(place: Place) -> None:
    ran = invoke("publish", *place.options, "--dry-run")
    assert (ran.status, place.written) == (0, [])
    assert "would publish keys, .well-known/openid-configuration" in ran.out
    invoke("publish", *place.options)
    assert "would confirm" in invoke("publish", *place.options, "--dry-run").out
    place.has("nine")
    assert invoke("publish", *place.options, "--dry-run").status == 65
    assert invoke("publish", *place.options, "--dry-run", "--accept-disjoint-keys").status == 0
    assert place.kids == ["one", "two"]


def test_a_disjoint_set_is_refused_until_it_is_accepted_on_the_command_line(place: Place) -> None:
    invoke("publish", *place.options)
    place.has("nine")
    refused = execute("publish", *place.options)
    assert (refused.status, refused.out) == (65, "")
    assert "--accept-disjoint-keys" in refused.messages
    assert "correct --source" in refused.messages
    (entry,) = refused.log
    assert entry["exit_status"] == 65
    assert [finding["code"] for finding in entry["findings"]] == ["ROT001"]
    smuggled = invoke("publish", *place.options, SPIRE_OIDC_PUBLISHER_ACCEPT_DISJOINT_KEYS="true")
    assert smuggled.status == 78
    assert place.kids == ["one", "two"]
    accepted = invoke("publish", *place.options, "--accept-disjoint-keys")
    assert accepted.status == 0
    assert place.kids == ["nine"]
    assert invoke("publish", *place.options).status == 0


def test_a_lower_sequence_number_is_refused_until_it_is_accepted(place: Place) -> None:
    place.has("one", spiffe_sequence=5)
    assert invoke("publish", *place.options).status == 0
    place.has("one", "two", spiffe_sequence=4)
    refused = invoke("publish", *place.options)
    assert refused.status == 65
    assert "--accept-lower-sequence" in refused.messages
    piped = tuple("file:-" if word.startswith("file:") else word for word in place.options)
    from_pipe = invoke("publish", *piped, stdin=place.bundle.read_bytes())
    assert "--accept-lower-sequence" in from_pipe.messages  # and not: the second reading was empty
    assert invoke("publish", *place.options, "--accept-lower-sequence").status == 0


def test_drift_is_repaired_with_an_error_line_and_exit_0(place: Place) -> None:
    invoke("publish", *place.options)
    (place.sink / "keys").write_bytes(keys.jwks("thief"))
    ran = execute("publish", *place.options, "--output", "json")
    assert ran.status == 0
    assert place.kids == ["one", "two"]
    assert "error" in {finding["severity"] for finding in ran.json["publications"][0]["findings"]}
    assert [entry for entry in ran.log if entry["severity"] == "ERROR" and entry["code"]]


def test_another_jwks_path_is_refused(place: Place) -> None:
    invoke("publish", *place.options)
    ran = invoke("publish", *place.options, "--jwks-path", "other")
    assert ran.status == 65
    assert "other" in ran.messages


def test_the_state_file_is_kept(place: Place) -> None:
    state = place.folder / "state.json"
    assert invoke("publish", *place.options, "--state-file", str(state)).status == 0
    for path in place.sink.rglob("*"):
        if path.is_file():
            path.unlink()
    place.has("nine")
    assert invoke("publish", *place.options, "--state-file", str(state)).status == 65


def test_standard_input(place: Place) -> None:
    options = (*place.options[2:], "--source", "file:-")
    assert execute("publish", *options, stdin=place.bundle.read_bytes()).status == 0
    assert place.kids == ["one", "two"]


CASES: list[tuple[str, list[str], int, str]] = [
    ("an unknown option", ["--sinck", "x"], 2, "--sinck"),
    ("an unknown choice", ["--output", "xml"], 2, "xml"),
    ("an argument too many", ["now"], 2, "now"),
    ("a bad issuer", ["--issuer", "http://issuer.example"], 2, "must be https"),
    ("a max-age below 10 s", ["--jwks-max-age", "9"], 2, "between 10s and 7d"),
    ("no such file", ["--source", "file:/nowhere/bundle.json"], 78, "/nowhere/bundle.json"),
    ("no such directory", ["--sink", "/nowhere/public"], 78, "/nowhere/public"),
    ("another trust domain", ["--source", "file:AGENT"], 65, "other.example"),
    ("a malformed bundle", ["--source", "file:MALFORMED"], 65, "not JSON"),
    ("no agent", ["--source", "workload-api:unix:///nowhere/a", "--timeout", "2s"], 75, "/nowhere/a"),
    ("no bundle endpoint", ["--source", "bundle-endpoint:https://127.0.0.1:1", "--timeout", "2"], 75, ":1"),
    ("no public URL", ["--verify-url", "--issuer", "https://127.0.0.1:1", "--timeout", "5"], 75, ":1"),
    ("no such CA file", ["--ca-file", "/nowhere/ca.pem"], 2, "is not a file"),
    ("no settings file", ["--config", "/nowhere/p.toml"], 2, "/nowhere/p.toml"),
    ("a hostile option", ["--trust-domain", "\x1b[2J\nERROR"], 2, "\\x1b[2J\\nERROR"),
]  # fmt: skip


@pytest.mark.parametrize(
    ("more", "status", "said"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_exit_statuses(place: Place, more: list[str], status: int, said: str) -> None:
    agent, malformed = place.folder / "agent.json", place.folder / "malformed.json"
    agent.write_bytes(keys.agent_output({"other.example": keys.jwks("one")}))
    malformed.write_bytes(b"{")
    more = [word.replace("AGENT", str(agent)).replace("MALFORMED", str(malformed)) for word in more]
    ran = execute("publish", *place.options, *more)
    assert ran.status == status, ran.err
    assert said in ran.messages
    assert all(len(message) <= 80 * 24 for message in ran.messages.splitlines())
    assert place.written == ([] if "--verify-url" not in more else place.written)


ENVIRONMENT = [
    ("ISSUER", "http://issuer.example"), ("SINK", "s3://x"), ("SOURCE", "x"), ("TIMEOUT", "0"),
    ("OUTPUT", "xml"),    ("VERIFY_URL", "perhaps"), ("CONFIG", "/nowhere/p.toml"), ("PUBLICATION", "x"),
    ("CA_FILE", "/nowhere/ca.pem"),    ("ACCEPT_LOWER_SEQUENCE", "true"), ("QUIET", "2"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "value"), ENVIRONMENT)
def test_a_bad_environment_is_78(place: Place, name: str, value: str) -> None:
    options = [word for word in place.options if word != "--no-verify-url"]
    for flag in ("--issuer", "--sink", "--source"):
        if flag == f"--{name.lower()}":
            at = options.index(flag)
            del options[at : at + 2]
    environment: dict[str, Any] = {f"SPIRE_OIDC_PUBLISHER_{name}": value}
    ran = invoke("publish", *options, **environment)
    assert ran.status == 78
    assert f"SPIRE_OIDC_PUBLISHER_{name}" in ran.messages or "/nowhere" in ran.messages


def test_everything_from_the_environment(place: Place) -> None:
    ran = execute(
        "publish",
        SPIRE_OIDC_PUBLISHER_SOURCE=f"file:{place.bundle}",
        SPIRE_OIDC_PUBLISHER_SINK=str(place.sink),
        SPIRE_OIDC_PUBLISHER_ISSUER=ISSUER,
        SPIRE_OIDC_PUBLISHER_TRUST_DOMAIN="example.org",
        SPIRE_OIDC_PUBLISHER_VERIFY_URL="false",
        SPIRE_OIDC_PUBLISHER_OUTPUT="json",
        SPIRE_OIDC_PUBLISHER_SINCK="misspelt",
    )
    assert ran.status == 0
    assert ran.json["publications"][0]["changed"] is True
    assert "SPIRE_OIDC_PUBLISHER_SINCK names no option" in ran.messages


def test_quiet_and_verbose(place: Place) -> None:
    assert invoke("publish", *place.options, "-q").out == ""
    assert invoke("publish", *place.options, "-q", "--signing-algorithms", "ES256").err == ""
    loud = invoke("publish", *place.options, "-v", "-q")
    assert "DEBUG fetched 2 JWT authorities of example.org" in loud.messages
    assert "nothing to do" in loud.out or "published" in loud.out
    place.has("nine")
    failed = invoke("publish", *place.options, "-q")
    assert failed.status == 65
    assert "ROT001" in failed.messages


def test_a_hostile_kid_cannot_leave_its_line(place: Place) -> None:
    place.has("one", "two words", "ключ")
    ran = execute("publish", *place.options)
    assert ran.status == 0
    assert "+ 'two words' ES256" in ran.out
    assert ran.out.isascii()


def test_a_forbidden_directory_is_78(readable: Place) -> None:
    readable.sink.chmod(0o555)
    with unprivileged():
        ran = invoke("publish", *readable.options)
    assert ran.status == 78
    assert ran.log[-1]["where"].startswith(f"directory {str(readable.sink)!r}")
    assert readable.written == []


def test_expiry_is_said_in_a_persons_unit() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    spans = {
        timedelta(hours=23, minutes=59): " expires in 23 h",
        timedelta(days=3): " expires in 3 d",
        timedelta(minutes=20): " expires in 20 min",
        timedelta(seconds=59): " expires in 59 s",
        timedelta(0): " expired 0 s ago",
        timedelta(hours=-3): " expired 3 h ago",
    }
    for span, said in spans.items():
        key = PublishedKey(
            kid="k", alg="ES256", thumbprint="t", first_published_at=None, expires_at=now + span
        )
        assert _expiry(key, now) == said


def test_many_keys_are_summed_up_for_a_person(place: Place) -> None:
    place.has(*[f"kid-{number:03}" for number in range(60)])
    ran = invoke("publish", *place.options)
    assert ran.out.count("+ kid-") == 50
    assert "+ and 10 more" in ran.out


def test_the_sink_may_be_relative(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(place.folder)
    options = [*place.source, "--issuer", ISSUER, "--no-verify-url", "--sink", "directory:public"]
    ran = invoke("publish", *options, "--output", "json")
    assert ran.json["publications"][0]["sink"] == "directory:public"
    assert Path("public/keys").is_file()


def test_a_bad_socket_variable_is_78(place: Place) -> None:
    options = (*place.options[2:], "--source", "workload-api:")
    ran = invoke("publish", *options, SPIFFE_ENDPOINT_SOCKET="/run/agent.sock")
    assert ran.status == 78
    assert "SPIFFE_ENDPOINT_SOCKET: '/run/agent.sock' is not the absolute path" in ran.messages


def test_no_server_at_the_usual_socket(place: Place) -> None:
    ran = invoke("publish", *place.options, "--source", "server-api:unix:///nowhere/s", "--timeout", "2s")
    assert ran.status == 75
    assert "/nowhere/s" in ran.messages


def test_many_findings_are_logged_as_a_few(place: Place) -> None:
    ignored = [keys.jwk(f"kid-{number}", use="other") for number in range(30)]
    place.bundle.write_bytes(keys.spiffe_bundle("one", *ignored))
    ran = invoke("publish", *place.options, "--output", "json")
    assert ran.status == 0
    assert len(ran.json["publications"][0]["findings"]) == 30
    assert ran.messages.count("BUN001") == 20
    assert "10 more findings" in ran.messages
