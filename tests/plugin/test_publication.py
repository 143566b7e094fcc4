import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from publisher.bundle.fetched import Fetched, SourceKind
from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import PublisherError, RefusedError, SinkUnavailableError
from publisher.findings import Finding, Severity
from publisher.ports import Deadline
from publisher.settings.targets import PublishTarget
from publisher.spire_plugin.publication import Intervals, PushedPublication
from publisher.spire_plugin.settings import read
from publisher.use_cases.publish import Adapters, Outcome
from tests import keys
from tests.doubles import Crashed, DictMemory, ListedSource, MemorySink, SinkWeb, StoppedClock
from tests.worlds import CONFIGURATION, JWKS, MANIFEST

ISSUER = "https://storage.googleapis.com/my-bucket"
TICK = 30


class Pushed:
    """One publication of the plugin over doubles; time passes when a test says so."""

    def __init__(self) -> None:
        self.sink, self.clock = MemorySink(), StoppedClock()
        self.web = SinkWeb(self.sink, ISSUER)
        self.memory: DictMemory | None = None
        self.down: PublisherError | None = None
        self.ended: list[Outcome | PublisherError] = []
        self.restart()

    def restart(self) -> None:
        """Be a new worker, which remembers nothing."""
        settings = read(f'sink = "gs://my-bucket"\nissuer = "{ISSUER}"', "example.org")
        self.publication = PushedPublication(
            target=settings.publications[0].target,
            intervals=Intervals(),
            clock=self.clock,
            open_adapters=self.adapters,
            ended=lambda result, _seconds: self.ended.append(result),
        )

    @contextmanager
    def adapters(
        self, target: PublishTarget, deadline: Deadline, notice: Callable[[Finding], None]
    ) -> Iterator[Adapters]:
        if self.down is not None:
            raise self.down
        yield Adapters(
            source=ListedSource(),
            sink=self.sink,
            memory=self.memory,
            web=self.web,
            clock=self.clock,
            notice=notice,
        )

    def push(self, bundle: TrustBundle, *, after: float = 0) -> PublisherError | None:
        self.clock.advance(seconds=after)
        self.sink.log.clear()
        pushed = Fetched(bundle=bundle, source=SourceKind.SPIRE_PLUGIN)
        self.publication.source.push(pushed)
        return self.publication.work(pushed)

    def tick(self, bundle: TrustBundle) -> list[str]:
        """Push what was pushed before, 30 s later, and give the requests that it took."""
        assert self.push(bundle, after=TICK) is None
        return list(self.sink.log)


@pytest.fixture
def pushed() -> Pushed:
    return Pushed()


def bundle(number: int, *kids: str) -> TrustBundle:
    return keys.bundle(*kids, sequence_number=number)


ONE = bundle(1, "a")


def test_the_first_push_publishes(pushed: Pushed) -> None:
    assert pushed.push(ONE) is None
    assert pushed.sink.written == [JWKS, CONFIGURATION, MANIFEST]
    assert [type(one) for one in pushed.ended] == [Outcome]


def test_unchanged_ticks_look_every_minute_and_confirm_every_five(pushed: Pushed) -> None:
    pushed.push(ONE)
    look = sorted(f"read {path}" for path in (JWKS, CONFIGURATION, MANIFEST))
    confirm = [*look, f"write {MANIFEST}"]
    ticks = [sorted(pushed.tick(ONE)) for _ in range(20)]
    assert ticks == [[], look, [], look, [], look, [], look, [], confirm] * 2
    assert len(pushed.ended) == 3


def test_a_change_of_the_number_alone_is_confirmed_at_once(pushed: Pushed) -> None:
    pushed.push(ONE)
    assert pushed.tick(bundle(2, "a"))[-1] == f"write {MANIFEST}"
    assert pushed.sink.written == [MANIFEST]


@pytest.mark.parametrize("path", [JWKS, CONFIGURATION, MANIFEST])
@pytest.mark.parametrize("body", [b"{}", None])
def test_drift_is_found_and_repaired(pushed: Pushed, path: str, body: bytes | None) -> None:
    pushed.push(ONE)
    before = {name: stored.body for name, stored in pushed.sink.objects.items() if name != MANIFEST}
    if body is None:
        del pushed.sink.objects[path]
    else:
        pushed.sink.put(path, body)
    pushed.tick(ONE)
    assert pushed.tick(ONE), "two ticks later at the latest"
    after = {name: stored.body for name, stored in pushed.sink.objects.items() if name != MANIFEST}
    assert after == before
    assert MANIFEST in pushed.sink.objects
    assert pushed.tick(ONE) == []


def test_after_a_failure_the_next_tick_tries_again(pushed: Pushed) -> None:
    pushed.down = SinkUnavailableError("gs://my-bucket", "is away", "wait")
    assert [pushed.push(ONE, after=TICK) for _ in range(10)] == [pushed.down] * 10, (
        "ten ticks without a bucket"
    )
    pushed.down = None
    assert pushed.push(ONE, after=TICK) is None
    assert pushed.sink.written == [JWKS, CONFIGURATION, MANIFEST]
    assert pushed.tick(ONE) == []


def test_a_look_that_fails_is_told_and_repeated(pushed: Pushed) -> None:
    pushed.push(ONE)
    pushed.tick(ONE)
    pushed.down = SinkUnavailableError("gs://my-bucket", "is away", "wait")
    assert pushed.push(ONE, after=TICK) is pushed.down
    pushed.down = None
    assert pushed.push(ONE, after=TICK) is None
    assert pushed.sink.written == [MANIFEST], "a whole round: nobody knows what happened meanwhile"


def test_a_refusal_is_repeated_and_stops_no_later_update(pushed: Pushed) -> None:
    pushed.push(ONE)
    for _ in range(3):
        assert isinstance(pushed.push(bundle(2, "z"), after=TICK), RefusedError)
    assert pushed.push(bundle(3, "a", "z")) is None
    assert pushed.push(bundle(4, "z")) is None


class TestLowerSequence:
    def test_it_is_an_error_after_two_ticks_only(
        self, pushed: Pushed, caplog: pytest.LogCaptureFixture
    ) -> None:
        pushed.push(bundle(5, "a", "b"))
        before = pushed.sink.objects.copy()
        with caplog.at_level(logging.INFO):
            results = [pushed.push(bundle(4, "a"), after=TICK) for _ in range(4)]
        assert [type(result) for result in results] == [type(None), type(None), RefusedError, RefusedError]
        levels = [
            record.levelname for record in caplog.records if "older than the published" in record.message
        ]
        assert levels == ["INFO", "WARNING"]
        assert [type(one) for one in pushed.ended] == [Outcome, RefusedError, RefusedError], (
            "what is forgiven is no failure to metrics either"
        )
        assert pushed.sink.objects == before

    def test_catching_up_begins_anew(self, pushed: Pushed) -> None:
        pushed.push(bundle(5, "a", "b"))
        assert pushed.push(bundle(4, "a"), after=TICK) is None
        assert pushed.push(bundle(5, "a", "b"), after=TICK) is None
        for _ in range(2):
            assert pushed.push(bundle(4, "a"), after=TICK) is None
        assert pushed.push(bundle(4, "a"), after=TICK) is not None

    def test_what_arrives_while_it_looks_twice_counts(self, pushed: Pushed) -> None:
        pushed.push(bundle(5, "a", "b"))
        newest = Fetched(bundle=bundle(6, "a", "b", "c"), source=SourceKind.SPIRE_PLUGIN)
        pushed.clock.while_sleeping = lambda: pushed.publication.source.push(newest)
        assert pushed.push(bundle(4, "a")) is None
        assert b'"c"' in pushed.sink.objects[JWKS].body
        assert pushed.push(newest.bundle, after=TICK) is None
        assert pushed.sink.log == [], "it is published already"


def test_an_unread_public_url_is_an_error_with_its_reason(pushed: Pushed) -> None:
    pushed.web.down = "refuses connections"
    error = pushed.push(ONE)
    assert error is not None
    assert "published, but" in str(error)
    assert pushed.sink.written == [JWKS, CONFIGURATION, MANIFEST]
    pushed.web.down = None
    assert pushed.push(ONE, after=TICK) is None


def test_findings_are_told_once_while_they_last(pushed: Pushed, caplog: pytest.LogCaptureFixture) -> None:
    def told() -> int:
        return sum("SRC002" in record.message for record in caplog.records)

    taint = Finding(code="SRC002", severity=Severity.WARNING, where="k", what="tainted", remedy="revoke")

    def push(number: int, *findings: Finding) -> None:
        fetched = Fetched(bundle=bundle(number, "a"), source=SourceKind.SPIRE_PLUGIN, findings=findings)
        pushed.publication.source.push(fetched)
        assert pushed.publication.work(fetched) is None

    with caplog.at_level(logging.INFO):
        push(1, taint)
        push(2, taint)
        assert told() == 1
        push(3)
        push(4, taint)
        assert told() == 2


@pytest.mark.parametrize("crash", range(6))
def test_killed_at_any_write_the_next_worker_finishes(pushed: Pushed, crash: int) -> None:
    pushed.push(ONE)
    number, after = divmod(crash, 2)
    first = pushed.sink.writes

    def die(at: int, _path: str) -> None:
        if at == first + number:
            raise Crashed

    setattr(pushed.sink, "after_write" if after else "before_write", die)
    two = bundle(2, "a", "b")
    try:
        pushed.push(two)
        assert number == 2, "jwks and manifest are two writes; a third there is not"
    except Crashed:
        pass
    pushed.sink.before_write = pushed.sink.after_write = lambda _number, _path: None
    pushed.restart()
    assert pushed.push(two, after=TICK) is None
    assert b'"b"' in pushed.sink.objects[JWKS].body
    assert pushed.tick(two) == []


def test_three_servers_of_which_one_lags() -> None:
    one, two, three = Pushed(), Pushed(), Pushed()
    for server in (two, three):
        server.sink, server.clock, server.web = one.sink, one.clock, one.web
    old, new = bundle(1, "a"), bundle(2, "a", "b")
    assert one.push(new) is None
    for _ in range(3):
        assert two.push(new, after=10) is None
        assert one.push(new, after=10) is None
    assert three.push(old) is None, "normal for a moment"
    assert three.push(new, after=10) is None
    assert b'"b"' in one.sink.objects[JWKS].body
