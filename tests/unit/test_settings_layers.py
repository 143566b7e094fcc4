"""Which value holds, and whose fault it is when it is bad."""

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.errors import PublisherError, SettingsError, UsageError
from publisher.settings.check_target import CheckTarget
from publisher.settings.layers import Layers, Reader
from publisher.settings.options import OPTIONS, Scope
from publisher.settings.run import Selected, read_file, read_run, select, unknown_variables
from publisher.settings.settings_file import SettingsFile
from publisher.settings.targets import PublishTarget, RenderTarget, refuse_clashes

PREFIX = "SPIRE_OIDC_PUBLISHER_"
NEEDED = {"issuer": "https://a.example", "sink": "/srv/a"}


def layers(
    command_line: Mapping[str, object] | None = None,
    environment: Mapping[str, str] | None = None,
    toml: str | None = None,
    command: str = "publish",
) -> Layers:
    return Layers(
        command=command,
        command_line=command_line or {},
        environment={PREFIX + name.upper(): value for name, value in (environment or {}).items()},
        file=None if toml is None else SettingsFile.parse(Path("p.toml"), toml.encode()),
    )


def settings(given: Layers) -> PublishTarget:
    (one,) = select(given, PublishTarget.read)
    assert isinstance(one.settings, PublishTarget)
    return one.settings


TABLE = '[[publication]]\nname = "a"\n'
PRECEDENCE = [
    # command line, environment, table, top, what holds
    (None, None, None, None, 60),
    (None, None, None, "61s", 61),
    (None, None, "62s", "61s", 62),
    (None, "63", "62s", "61s", 63),
    ("64", "63", "62s", "61s", 64),
    ("64", None, None, "61s", 64),
    (None, "", "62s", None, 62),
    (None, "", None, None, 60),
]


@pytest.mark.parametrize(("typed", "variable", "table", "top", "seconds"), PRECEDENCE)
def test_precedence(
    typed: str | None, variable: str | None, table: str | None, top: str | None, seconds: int
) -> None:
    toml = f'jwks_max_age = "{top}"\n' if top else ""
    toml += TABLE + (f'jwks_max_age = "{table}"\n' if table else "")
    command_line = NEEDED | ({"jwks-max-age": typed} if typed else {})
    environment = {} if variable is None else {"jwks_max_age": variable}
    target = settings(layers(command_line, environment, toml))
    assert target.documents.jwks_max_age == timedelta(seconds=seconds)


def test_a_typed_false_is_stronger_than_a_true_elsewhere() -> None:
    given = layers(NEEDED | {"verify-url": False}, {"verify_url": "true"}, "verify_url = true")
    assert not settings(given).verify_url


def test_defaults_are_those_of_the_reference() -> None:
    target = settings(layers(NEEDED))
    documents = target.documents
    assert str(target.source) == "workload-api:unix:///tmp/spire-agent/public/api.sock"
    assert (target.trust_domain, target.bucket_url, target.state_file, target.ca_file) == (None,) * 4
    assert target.verify_url
    assert (target.overrides.accept_disjoint_keys, target.overrides.accept_lower_sequence) == (False, False)
    assert documents.jwks_path == "keys"
    assert (documents.jwks_max_age, documents.configuration_max_age) == (
        timedelta(seconds=60),
        timedelta(seconds=300),
    )
    assert (documents.due_after, documents.stale_after) == (timedelta(minutes=15), timedelta(hours=1))
    assert documents.authorization_endpoint == "https://a.example/authorize"
    assert documents.algorithms == ("RS256", "ES256", "ES384")
    run = read_run(layers(NEEDED))
    assert (run.timeout, run.dry_run, run.json, run.verbose, run.quiet) == (30, False, False, False, False)


@pytest.mark.parametrize(
    ("given", "endpoint"),
    [("none", None), ("https://b.example/auth?x=y", "https://b.example/auth?x=y")],
)
def test_authorization_endpoint(given: str, endpoint: str | None) -> None:
    target = settings(layers(NEEDED | {"authorization-endpoint": given}))
    assert target.documents.authorization_endpoint == endpoint


BAD: list[tuple[str, Any, str]] = [
    ("issuer", "http://a.example", "must be https"),
    ("issuer", "https://a.example?x", "no query"),
    ("issuer", "https://a.example/#f", "no fragment"),
    ("issuer", "https://u@a.example", "user or password"),
    ("source", "nope:", "is not a source"),
    ("source", "workload-api:tcp://localhost:1", "is not an IP address"),
    ("sink", "s3://b", "is no kind of sink"),
    ("trust-domain", "Example.org", "must be 1 to 255 of the characters"),
    ("jwks-path", "/keys", "JWKS path '/keys'"),
    ("jwks-path", ".well-known/openid-configuration", "JWKS path"),
    ("jwks-max-age", "9", "out of bounds"),
    ("due-after", "2h", "--due-after (7200 s) is not below --stale-after (3600 s)"),
    ("stale-after", "15m", "--due-after (900 s) is not below --stale-after (900 s)"),
    ("bucket-url", "http://a", "must be https"),
    ("authorization-endpoint", "http://a", "is not an https URL"),
    ("signing-algorithms", "HS256", "has the unknown name 'HS256'"),
    ("ca-file", "/nowhere/ca.pem", "is not a file"),
]


@pytest.mark.parametrize(("name", "value", "what"), BAD)
def test_a_bad_value_is_2_from_the_command_line_and_78_from_elsewhere(
    name: str, value: str, what: str
) -> None:
    needed = {key: text for key, text in NEEDED.items() if key != name}
    member = name.replace("-", "_")
    cases: list[tuple[Layers, type[PublisherError], str]] = [
        (layers(needed | {name: value}), UsageError, f"--{name}"),
        (layers(needed, {member: value}), SettingsError, PREFIX + member.upper()),
        (layers(needed, toml=f'\n{member} = "{value}"\n'), SettingsError, "'p.toml' line 2"),
        (layers(needed, toml=f'{TABLE}{member} = "{value}"\n'), SettingsError, "'p.toml' line 3"),
    ]
    for given, kind, where in cases:
        with pytest.raises(kind) as caught:
            select(given, PublishTarget.read)
        assert caught.value.where.startswith(where)
        assert what in caught.value.what
        assert caught.value.remedy


RUN_BAD = [("publish", "timeout", "0"), ("publish", "output", "xml"), ("check", "fail_on", "never"),
           ("render", "document", "all"), ("publish", "dry_run", "perhaps")]  # fmt: skip


@pytest.mark.parametrize(("command", "member", "value"), RUN_BAD)
def test_bad_values_of_the_run(command: str, member: str, value: str) -> None:
    with pytest.raises(SettingsError):
        read_run(layers(environment={member: value}, command=command))
    with pytest.raises(UsageError):
        read_run(layers({member.replace("_", "-"): value}, command=command))


def test_what_is_missing() -> None:
    for name in NEEDED:
        rest = {key: text for key, text in NEEDED.items() if key != name}
        with pytest.raises(UsageError, match=f"--{name}: is required"):
            select(layers(rest), PublishTarget.read)
        with pytest.raises(SettingsError, match=f"line 1: publication a: has no {name}"):
            select(layers(rest, toml=TABLE), PublishTarget.read)
    assert len(select(layers({"issuer": "https://a.example"}, command="render"), RenderTarget.read)) == 1
    assert len(select(layers({"issuer": "https://a.example"}, command="check"), CheckTarget.read)) == 1


def test_all_that_is_missing_is_said_at_once() -> None:
    with pytest.raises(UsageError, match=r"^--issuer and --sink: are required; give them, or set "):
        select(layers(), PublishTarget.read)
    with pytest.raises(
        SettingsError, match="publication a: has no issuer and no sink; add them to the table"
    ):
        select(layers(toml=TABLE), PublishTarget.read)


MASKED = [
    ("jwks_max_age = 5", "jwks_max_age"),
    ('signing_algorithms = ["RS256", 3]', "signing_algorithms"),
    ('sink = "s3://b"', "sink"),
    ('ca_file = "/nowhere/ca.pem"', "ca_file"),
    ('source = "nope:"', "source"),
    ('due_after = "2h"', "due_after"),
]


@pytest.mark.parametrize(("line", "member"), MASKED)
def test_a_bad_value_is_said_before_what_is_missing(line: str, member: str) -> None:
    for toml in (f"\n\n{line}\n", f"{TABLE}{line}\n"):
        with pytest.raises(SettingsError) as caught:
            select(layers(toml=toml), PublishTarget.read)
        assert caught.value.where == f"'p.toml' line 3: {member}"


def test_a_bundle_endpoint_needs_its_trust_domain() -> None:
    source = {"source": "bundle-endpoint:https://b.example"}
    with pytest.raises(UsageError, match="does not tell its trust domain; set --trust-domain"):
        select(layers(NEEDED | source), PublishTarget.read)
    assert settings(layers(NEEDED | source, {"trust_domain": "example.org"})).trust_domain is not None


def test_overrides_count_on_the_command_line_only() -> None:
    target = settings(layers(NEEDED | {"accept-disjoint-keys": True}))
    assert target.overrides.accept_disjoint_keys
    assert not target.overrides.accept_lower_sequence
    for option in OPTIONS:
        if option.scope is Scope.OVERRIDE:
            with pytest.raises(SettingsError, match="an override counts on the command line only"):
                read_run(layers(NEEDED, {option.member: "true"}))


BOTH = (
    'source = "file:x"\n[[publication]]\nname = "a"\nissuer = "https://a.example"\nsink = "/srv/a"\n'
    '[[publication]]\nname = "b"\nissuer = "https://b.example"\nsink = "/srv/b"\n'
)


def test_several_publications_share_the_top() -> None:
    selected = select(layers(toml=BOTH), PublishTarget.read)
    assert [one.name for one in selected] == ["a", "b"]
    assert [str(one.settings.source) for one in selected if isinstance(one.settings, PublishTarget)] == [
        "file:x",
        "file:x",
    ]


def test_options_of_one_publication_beside_several_are_a_usage_error() -> None:
    for given in (
        layers({"jwks-path": "k"}, toml=BOTH),
        layers({"verify-url": False}, toml=BOTH),
        layers({"accept-lower-sequence": True}, toml=BOTH),
        layers(environment={"state_file": "/x"}, toml=BOTH),
    ):
        with pytest.raises(UsageError, match="is about one publication, and the file has 2"):
            select(given, PublishTarget.read)
    # Options of the run, and variables of other commands, are no such thing.
    assert len(select(layers({"timeout": "5", "dry-run": True}, toml=BOTH), PublishTarget.read)) == 2
    assert len(select(layers(environment={"sink": "/x"}, toml=BOTH, command="check"), CheckTarget.read)) == 2


def test_one_of_several_takes_them_for_itself() -> None:
    (one,) = select(
        layers({"publication": "b", "jwks-path": "k", "accept-disjoint-keys": True}, toml=BOTH),
        PublishTarget.read,
    )
    assert one.name == "b"
    assert isinstance(one.settings, PublishTarget)
    assert one.settings.documents.jwks_path == "k"
    assert one.settings.overrides.accept_disjoint_keys
    (other,) = select(layers(environment={"publication": "a"}, toml=BOTH), PublishTarget.read)
    assert other.name == "a"


def test_a_name_that_is_not_there() -> None:
    with pytest.raises(UsageError, match="known are: a, b"):
        select(layers({"publication": "c"}, toml=BOTH), PublishTarget.read)
    with pytest.raises(SettingsError, match="known are: a, b"):
        select(layers(environment={"publication": "c"}, toml=BOTH), PublishTarget.read)
    with pytest.raises(UsageError, match="for want of a --config"):
        select(layers(NEEDED | {"publication": "c"}), PublishTarget.read)


def test_bad_settings_of_one_of_several_are_its_own_failure() -> None:
    good, bad = select(layers(toml=BOTH.replace("https://b", "http://b")), PublishTarget.read)
    assert isinstance(good.settings, PublishTarget)
    assert isinstance(bad.settings, SettingsError)
    refuse_clashes((good, bad))


def clash(toml: str) -> tuple[Selected[PublishTarget], ...]:
    selected = select(layers(toml=toml), PublishTarget.read)
    refuse_clashes(selected)
    return selected


@pytest.mark.parametrize(
    ("first", "second", "what"),
    [
        ('sink = "/srv/a"', 'sink = "directory:/srv/x/../a/"', "same sink '/srv/x/../a' as publication a"),
        ('sink = "gs://bucket"', 'sink = "gs://bucket/"', "same sink gs://bucket as publication a"),
        ('sink = "gs://bucket"\njwks_path = "p/keys"', 'sink = "gs://bucket/p"', "same sink gs://bucket/p"),
        ('sink = "a"\nstate_file = "s"', 'sink = "b"\nstate_file = "./s"', "same state file"),
        (
            'sink = "a"\nsource = "file:-"\ntrust_domain = "a"',
            'sink = "b"\nsource = "file:-"\ntrust_domain = "b"',
            "another trust domain of standard input",
        ),
    ],
)
def test_two_publications_that_would_undo_each_other(first: str, second: str, what: str) -> None:
    toml = f'issuer = "https://a.example"\n{TABLE}{first}\n[[publication]]\nname = "b"\n{second}\n'
    with pytest.raises(SettingsError) as caught:
        clash(toml)
    assert what in str(caught.value)
    assert caught.value.where == "publication b"


def test_publications_that_do_not_clash() -> None:
    assert len(clash(BOTH)) == 2
    apart = BOTH.replace("/srv/a", "gs://bucket").replace("/srv/b", "gs://bucket/b")
    assert len(clash(apart.replace("file:x", "file:-"))) == 2


def test_the_file_itself(tmp_path: Path) -> None:
    path = tmp_path / "p.toml"
    for given, kind in (({"config": str(path)}, UsageError), ({"config": str(tmp_path)}, UsageError)):
        with pytest.raises(kind, match="cannot be read"):
            read_file(layers(given))
    with pytest.raises(SettingsError, match="cannot be read"):
        read_file(layers(environment={"config": str(path)}))
    path.write_text("nope = 1\n")
    with pytest.raises(SettingsError, match="line 1: unknown member"):
        read_file(layers({"config": str(path)}))
    path.write_text(BOTH)
    file = read_file(layers({"config": str(path)}))
    assert file is not None
    assert [table.name for table in file.tables] == ["a", "b"]
    assert read_file(layers()) is None


def test_misspelt_variables_are_found() -> None:
    names = [
        "SINK",
        "SINCK",
        "PROVIDER",
        "IDENTITIES",
        "SERVICE_HOST",
        "PORT_80_TCP",
        "ACCEPT_DISJOINT_KEYS",
        "PUBLICATION",
    ]
    assert unknown_variables({PREFIX + name: "x" for name in names} | {"SINK": "x"}) == (PREFIX + "SINCK",)


def test_every_option_but_the_overrides_has_all_its_places() -> None:
    reader = Reader(layers=layers(NEEDED))
    for option in OPTIONS:
        given = layers(environment={option.member: "x"}, command=option.commands[0]).given(option)
        assert (given is not None and given.value == "x") is (option.scope is not Scope.OVERRIDE)
    assert reader.value("sink") == "/srv/a"
