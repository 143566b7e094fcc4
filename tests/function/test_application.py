"""Every row of behaviour of the HTTP application."""

import asyncio
from typing import Any

import pytest
from functions_framework.aio import create_asgi_app
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.sinks.directory import DirectorySink
from spire_oidc_function.application import BrokenApplication, Message
from spire_oidc_function.clock import SystemClock
from tests.doubles import ListedSource
from tests.function.asgi_client import ask, get
from tests.function.processes import PREFIX, ROOT
from tests.function.stores import CONFIGURATION, KEYS, MANIFEST, Function
from tests.publications import published
from tests.worlds import SETTINGS, World, bundle

TOKEN = "correct-horse-battery"
BEARER = (b"authorization", b"Bearer correct-horse-battery")
HTML = (b"accept", b"text/html,application/xhtml+xml,*/*;q=0.8")
WARM = Function.over()


@pytest.mark.parametrize("path", [KEYS, CONFIGURATION, MANIFEST])
def test_each_document_is_served_and_conditionally(path: str) -> None:
    answer = get(WARM.application, path)
    assert answer.status == 200
    assert answer.body == WARM.world.bodies()[path.removeprefix("/my-bucket/")]
    other = get(WARM.application, path, (b"if-match", b'"other"'))
    assert (other.status, other.body) == (412, b"")
    again = get(WARM.application, path, (b"if-none-match", answer.headers[b"etag"]))
    assert (again.status, again.body) == (304, b"")
    head = get(WARM.application, path, method="HEAD")
    assert (head.status, head.headers, head.body) == (200, answer.headers, b"")


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "",
        "/keys",
        "/my-bucket",
        "/my-bucket/",
        "/my-bucket/keys/",
        "//my-bucket/keys",
        "/MY-BUCKET/keys",
    ],
)
def test_other_paths_are_404_in_json(path: str) -> None:
    answer = get(WARM.application, path)
    assert (answer.status, answer.json) == (404, {"error": "not found"})
    assert answer.headers[b"content-type"] == b"application/json"
    assert get(WARM.application, path, method="HEAD").body == b""


@pytest.mark.parametrize("path", [KEYS, CONFIGURATION, MANIFEST, "/status", "/metrics"])
@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "BREW"])
def test_other_methods_are_405_and_say_which_are_allowed(path: str, method: str) -> None:
    answer = get(WARM.application, path, method=method)
    assert (answer.status, answer.json) == (405, {"error": "method not allowed"})
    assert answer.headers[b"allow"] == b"GET, HEAD"


class TestStatus:
    """What the watchman shows, and to whom."""

    def test_json_is_200_while_all_is_well(self) -> None:
        answer = get(WARM.application, "/status")
        assert (answer.status, answer.json["state"]) == (200, "fresh")
        assert answer.headers[b"cache-control"] == b"no-store"
        assert b"access-control-allow-origin" not in answer.headers

    def test_it_reads_before_it_answers(self) -> None:
        assert get(Function.over().application, "/status").json["state"] == "fresh"

    @pytest.mark.parametrize(
        ("minutes", "state", "status"), [(14, "fresh", 200), (20, "due", 200), (70, "stale", 503)]
    )
    def test_it_tells_the_age(self, minutes: int, state: str, status: int) -> None:
        function = Function.over()
        function.world.clock.advance(minutes=minutes)
        answer = get(function.application, "/status")
        assert (answer.json["state"], answer.status) == (state, status)

    def test_it_is_503_while_nothing_is_there_and_while_what_is_there_is_invalid(self) -> None:
        function = Function.over(World())
        answer = get(function.application, "/status")
        assert (answer.status, answer.json["state"]) == (503, "empty")
        function = Function.over()
        get(function.application, KEYS)
        function.world.sink.objects = published("thief").sink.objects
        function.world.clock.advance(seconds=30)
        answer = get(function.application, "/status")
        assert (answer.status, answer.json["state"]) == (503, "invalid")
        assert answer.json["findings"][0]["code"] == "VAL007"
        assert get(function.application, KEYS).status == 200, "the last good one stays up"

    @pytest.mark.parametrize(
        ("accept", "kind"),
        [
            (b"text/html,*/*;q=0.8", b"text/html"),
            (b"*/*", b"application/json"),
            (b"application/json", b"application/json"),
            (b"application/json, text/html", b"application/json"),
            (b"TEXT/HTML", b"text/html"),
        ],
    )
    def test_a_browser_gets_a_page(self, accept: bytes, kind: bytes) -> None:
        answer = get(WARM.application, "/status", (b"accept", accept))
        assert answer.status == 200
        assert answer.headers[b"content-type"].startswith(kind)

    def test_the_page_may_load_and_run_nothing(self) -> None:
        answer = get(WARM.application, "/status", HTML)
        assert b"default-src 'none'" in answer.headers[b"content-security-policy"]
        assert b"<script" not in answer.body
        assert answer.headers[b"x-content-type-options"] == b"nosniff"

    def test_metrics_are_open_metrics_and_200_whatever_they_say(self) -> None:
        for function in (WARM, Function.over(World())):
            answer = get(function.application, "/metrics")
            assert answer.status == 200
            assert answer.headers[b"content-type"].startswith(b"application/openmetrics-text")
            assert answer.body.endswith(b"# EOF\n")

    @pytest.mark.parametrize("path", ["/status", "/metrics"])
    @pytest.mark.parametrize(
        "headers",
        [
            (),
            ((b"authorization", b"Bearer wrong"),),
            ((b"authorization", b"Bearer "),),
            ((b"authorization", b"Basic correct-horse-battery"),),
            ((b"authorization", b"correct-horse-battery"),),
            ((b"authorization", b"Bearer \xff\xfe"),),
            (HTML,),
        ],
    )
    def test_without_the_token_it_is_401_and_says_nothing(
        self, path: str, headers: tuple[tuple[bytes, bytes], ...]
    ) -> None:
        function = Function.over(token=TOKEN)
        answer = get(function.application, path, *headers)
        assert (answer.status, answer.json) == (401, {"error": "unauthorized"})
        assert answer.headers[b"www-authenticate"].startswith(b"Bearer")

    @pytest.mark.parametrize("bearer", [BEARER, (b"authorization", b"bearer  correct-horse-battery ")])
    def test_with_the_token_it_answers(self, bearer: tuple[bytes, bytes]) -> None:
        function = Function.over(token=TOKEN)
        assert get(function.application, "/status", bearer).status == 200
        assert get(function.application, "/metrics", bearer).status == 200

    def test_documents_need_no_token(self) -> None:
        assert get(Function.over(token=TOKEN).application, KEYS).status == 200


class TestAsgi:
    """The bare application's part of the protocol."""

    def test_the_start_of_the_server_reads_so_that_the_first_request_is_warm(self) -> None:
        function = Function.over()
        assert self.lifespan(function.application) == [
            "lifespan.startup.complete",
            "lifespan.shutdown.complete",
        ]
        assert function.store.reads == 1

    def test_wrong_settings_start_too(self) -> None:
        assert self.lifespan(BrokenApplication())[0] == "lifespan.startup.complete"

    def test_a_web_socket_is_closed(self) -> None:
        sent: list[Message] = []

        async def send(message: Message) -> None:
            sent.append(message)

        async def receive() -> Message:
            return {"type": "websocket.connect"}

        asyncio.run(WARM.application({"type": "websocket", "path": KEYS}, receive, send))
        assert sent == [{"type": "websocket.close", "code": 1000}]

    def lifespan(self, application: Any) -> list[str]:
        sent: list[Message] = []
        messages = iter(["lifespan.startup", "lifespan.shutdown"])

        async def receive() -> Message:
            return {"type": next(messages)}

        async def send(message: Message) -> None:
            sent.append(message)

        asyncio.run(application({"type": "lifespan"}, receive, send))
        return [message["type"] for message in sent]


@pytest.mark.parametrize("path", [KEYS, "/status", "/metrics", "/anything"])
@pytest.mark.parametrize("method", ["GET", "HEAD", "POST"])
def test_with_wrong_settings_everything_is_503_and_says_nothing(path: str, method: str) -> None:
    answer = get(BrokenApplication(), path, method=method)
    assert answer.status == 503
    assert answer.body == (b"" if method == "HEAD" else b'{"error":"service unavailable"}')
    assert int(answer.headers[b"retry-after"]) > 0


PATHS = st.one_of(
    st.sampled_from([KEYS, CONFIGURATION, MANIFEST, "/status", "/metrics", "/"]), st.text(max_size=40)
)
METHODS = st.one_of(st.sampled_from(["GET", "HEAD", "POST"]), st.text(max_size=10))
NAMES = st.one_of(
    st.sampled_from(
        [
            b"if-match",
            b"if-none-match",
            b"if-modified-since",
            b"accept",
            b"authorization",
            b"range",
            b"host",
            b"content-length",
        ]
    ),
    st.binary(max_size=20),
)
HEADERS = st.lists(
    st.tuples(NAMES, st.one_of(st.binary(max_size=80), st.sampled_from([BEARER[1], HTML[1]]))), max_size=8
)


@settings(max_examples=400, deadline=None)
@given(method=METHODS, path=PATHS, headers=HEADERS, token=st.sampled_from([None, TOKEN]))
def test_no_request_is_ever_an_internal_error(
    method: str, path: str, headers: list[tuple[bytes, bytes]], token: str | None
) -> None:
    application = (WARM if token is None else GUARDED).application
    answer = asyncio.run(ask(application, path, *headers, method=method))
    assert answer.status in (200, 304, 401, 404, 405, 412)
    if answer.status in (200, 304) and path not in ("/status", "/metrics"):
        assert path in (KEYS, CONFIGURATION, MANIFEST)
    assert answer.status in (200, 304) or answer.body == b"" or list(answer.json) == ["error"]


GUARDED = Function.over(token=TOKEN)


@pytest.fixture(scope="module")
def framework(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The target `serve` as the functions framework makes it, with a token, over a directory."""
    folder = tmp_path_factory.mktemp("issuer")
    world = World(sink=DirectorySink(folder), clock=SystemClock())  # type: ignore[arg-type]  # the real ones
    world.publish(source=ListedSource(bundle("a")))
    settings = {"SINK": str(folder), "ISSUER": str(SETTINGS.issuer), "STATUS_TOKEN": TOKEN}
    with pytest.MonkeyPatch.context() as patch:
        for name, value in settings.items():
            patch.setenv(PREFIX + name, value)
        create: Any = create_asgi_app  # the framework has no annotations
        return create("serve", str(ROOT / "function" / "main.py"))


OF_THE_FRAMEWORK = (b"Method Not Allowed", b"Not Found")
"""What it answers itself, in plain text: docs/function.md tells when."""


@settings(max_examples=400, deadline=None)
@given(
    method=st.one_of(st.sampled_from(["GET", "HEAD", "POST", "TRACE", "CONNECT"]), st.text(max_size=10)),
    path=st.one_of(PATHS, st.sampled_from(["/robots.txt", "/favicon.ico", "*"])).map(
        lambda path: path or "/"
    ),
    headers=HEADERS,
)
def test_nor_is_any_within_the_framework(
    framework: Any, method: str, path: str, headers: list[tuple[bytes, bytes]]
) -> None:
    answer = asyncio.run(ask(framework, path, *headers, method=method))
    assert answer.status in (200, 304, 401, 404, 405, 412)
    if answer.status not in (200, 304) and answer.body not in (b"", *OF_THE_FRAMEWORK):
        assert list(answer.json) == ["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("TRACE", KEYS, 405),
        ("PROPFIND", KEYS, 405),
        ("CONNECT", "/", 405),
        ("GET", "/robots.txt", 404),
        ("GET", "/favicon.ico", 404),
        ("GET", "*", 404),
    ],
)
def test_some_requests_the_framework_answers_itself(
    framework: Any, method: str, path: str, status: int
) -> None:
    answer = get(framework, path, method=method)
    assert (answer.status, answer.body in OF_THE_FRAMEWORK) == (status, True)
    assert get(framework, KEYS).status == 200
