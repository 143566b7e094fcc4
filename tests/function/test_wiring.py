"""What an environment makes: the targets of main.py, loaded as the functions framework loads them."""

import asyncio
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from functions_framework.aio import create_asgi_app
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import SettingsError, SinkError, SourceError
from publisher.ports import Deadline
from publisher.sinks.directory import DirectorySink
from spire_oidc_function.application import Application, BrokenApplication
from spire_oidc_function.clock import SystemClock
from spire_oidc_function.settings import Settings
from spire_oidc_function.wiring import make_application, make_judge, make_serve, make_store, read_settings
from tests.doubles import ListedSource
from tests.function.asgi_client import Answer, get
from tests.function.processes import PREFIX, ROOT
from tests.publications import published, snapshot
from tests.worlds import SETTINGS, World, bundle

ISSUER = {"ISSUER": str(SETTINGS.issuer)}
KEYS = "/my-bucket/keys"


def environment(**values: str) -> dict[str, str]:
    return {PREFIX + name: value for name, value in (ISSUER | values).items()}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A directory that was published to a moment ago."""
    world = World(sink=DirectorySink(tmp_path), clock=SystemClock())  # type: ignore[arg-type]  # the real ones
    world.publish(source=ListedSource(bundle("a")))
    return tmp_path


def targets(monkeypatch: pytest.MonkeyPatch, target: str, **values: str) -> Any:
    for name, value in environment(**values).items():
        monkeypatch.setenv(name, value)
    create: Any = create_asgi_app  # the framework has no annotations
    return create(target, str(ROOT / "function" / "main.py"))


def test_serve_answers_from_a_directory(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    application = targets(monkeypatch, "serve", SINK=str(folder))
    assert get(application, KEYS).json["keys"][0]["kid"] == "a"
    assert get(application, "/status").json["state"] == "fresh"
    assert get(application, KEYS, method="POST").status == 405


@pytest.mark.parametrize("values", [{"SINK": "s3://secret-place"}, {}])
def test_wrong_settings_are_one_line_and_503(
    values: dict[str, str], monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    application = targets(monkeypatch, "serve", **values)
    (line,) = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert line["severity"] == "CRITICAL"
    assert "SPIRE_OIDC_PUBLISHER_SINK" in line["message"]
    for path in (KEYS, "/status", "/"):
        answer = get(application, path)
        assert (answer.status, answer.json) == (503, {"error": "service unavailable"})


CLOUD_EVENT = (
    (b"ce-specversion", b"1.0"),
    (b"ce-id", b"1"),
    (b"ce-source", b"//storage.googleapis.com/projects/_/buckets/my-bucket"),
    (b"ce-type", b"google.cloud.storage.object.v1.finalized"),
    (b"content-type", b"application/json"),
)


def post(application: Any, body: bytes, headers: Iterable[tuple[bytes, bytes]] = CLOUD_EVENT) -> Answer:
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "POST", "path": "/", "headers": list(headers), "query_string": b""}
    asyncio.run(application(scope, receive, send))
    start, content = sent
    return Answer(status=start["status"], headers=dict(start["headers"]), body=content["body"])


def test_validate_needs_a_bucket_and_says_so(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    application = targets(monkeypatch, "validate", SINK=str(folder))
    assert post(application, b'{"bucket": "my-bucket", "name": "keys"}').status == 503
    assert "sends no events" in capfd.readouterr().err


def test_validate_with_wrong_settings_is_503(monkeypatch: pytest.MonkeyPatch) -> None:
    assert post(targets(monkeypatch, "validate"), b"{}").status == 503


def test_validate_ignores_what_is_foreign(monkeypatch: pytest.MonkeyPatch) -> None:
    application = targets(monkeypatch, "validate", SINK="gs://my-bucket")
    for body in (b'{"bucket": "other", "name": "keys"}', b'{"x": 1}', b"[]"):
        assert post(application, body).status == 200


HEADERS = st.lists(
    st.one_of(
        st.sampled_from([*CLOUD_EVENT, (b"content-type", b"application/cloudevents+json")]),
        st.tuples(
            st.one_of(st.sampled_from([name for name, _ in CLOUD_EVENT]), st.binary(max_size=10)),
            st.binary(max_size=40),
        ),
    ),
    max_size=10,
)
BODIES = st.one_of(
    st.binary(max_size=80),
    st.sampled_from([b"{}", b'{"specversion":"1.0"', b'{"bucket":"x","name":"tell-nobody"}']),
    st.dictionaries(
        st.sampled_from(["specversion", "id", "source", "type", "data"]), st.text(max_size=9)
    ).map(lambda value: json.dumps(value).encode()),
)


def test_no_event_is_an_internal_error_or_comes_back(monkeypatch: pytest.MonkeyPatch) -> None:
    application = targets(monkeypatch, "validate", SINK="gs://my-bucket")

    @hypothesis.settings(max_examples=300, deadline=None)
    @given(headers=HEADERS, body=BODIES)
    def judged(headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        answer = post(application, body, headers)
        assert (answer.status, answer.body) in ((200, b"{}"), (400, b'{"error":"bad request"}'))

    judged()


@pytest.mark.parametrize(
    ("path", "issuer", "is_refused"),
    [
        *((name, "https://h.example", True) for name in ("robots.txt", "favicon.ico", "healthz", "eventlog")),
        ("_ah/keys", "https://h.example/", True),
        ("keys", "https://h.example/_ah/x", True),
        ("robots.txt", "https://h.example/below", False),
        ("healthz/keys", "https://h.example", False),
        ("keys/robots.txt", "https://h.example", False),
    ],
)
def test_a_path_that_the_platform_answers_is_refused_in_one_line(
    path: str, issuer: str, is_refused: bool, capfd: pytest.CaptureFixture[str]
) -> None:
    settings = read_settings(environment(SINK="/srv", ISSUER=issuer, JWKS_PATH=path))
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines()]
    assert (settings is None) == is_refused
    assert [line["severity"] for line in lines] == ["CRITICAL"] * is_refused
    assert all("SPIRE_OIDC_PUBLISHER_JWKS_PATH: leads to" in line["message"] for line in lines)


@pytest.mark.parametrize(
    ("place", "is_dated"),
    [
        ({"SINK": "gs://my-bucket"}, True),
        ({"SOURCE": "bundle-endpoint:https://127.0.0.1:9/", "TRUST_DOMAIN": "example.org"}, False),
    ],
)
def test_only_a_publication_has_a_date(place: dict[str, str], is_dated: bool) -> None:
    settings = Settings.read(environment(**place))
    resources = make_serve(settings, SystemClock())(snapshot(published("a")), 0)
    for resource in resources.values():
        headers = dict(resource.get.start["headers"])
        assert (b"last-modified" in headers) == is_dated
        assert headers[b"etag"] == resource.etag


def test_settings_make_applications_stores_and_judges() -> None:
    assert isinstance(make_application(read_settings({})), BrokenApplication)
    settings = Settings.read(environment(SINK="gs://my-bucket"))
    assert isinstance(make_application(settings), Application)
    assert make_judge(settings).paths == SETTINGS.paths
    with pytest.raises(SettingsError):
        make_judge(Settings.read(environment(SINK="/srv")))


def deadline() -> Deadline:
    return Deadline(SystemClock(), 1)


def test_a_directory_that_is_gone_is_an_error_of_the_read(tmp_path: Path) -> None:
    folder = tmp_path / "gone"
    folder.mkdir()
    store = make_store(Settings.read(environment(SINK=str(folder))))
    folder.rmdir()
    with pytest.raises(SinkError):
        store.read(deadline())


def test_a_bucket_is_opened_at_the_first_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_EMULATOR_HOST", "http://127.0.0.1:9")
    with pytest.raises(SinkError):
        make_store(Settings.read(environment(SINK="gs://my-bucket"))).read(deadline())


def test_a_bundle_endpoint_is_asked_over_https(tmp_path: Path) -> None:
    values = environment(SOURCE="bundle-endpoint:https://127.0.0.1:9/", TRUST_DOMAIN="example.org")
    with pytest.raises(SourceError):
        make_store(Settings.read(values)).read(deadline())


def test_the_clock_is_the_machines() -> None:
    clock = SystemClock()
    before = clock.monotonic()
    clock.sleep(0.001)
    assert clock.monotonic() > before
    assert clock.now().utcoffset() is not None
