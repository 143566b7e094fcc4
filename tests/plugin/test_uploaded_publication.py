"""The plugin and a provider: what is pushed may be more than can be uploaded."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta

from publisher.bundle.fetched import Fetched, SourceKind
from publisher.bundle.jwt_authority import JwtAuthority
from publisher.errors import BundleError, PublisherError
from publisher.findings import Finding
from publisher.ports import Deadline
from publisher.settings.targets import PublishTarget
from publisher.spire_plugin.publication import Intervals, PushedPublication
from publisher.spire_plugin.settings import read
from publisher.use_cases.publish import Adapters
from tests import keys
from tests.doubles import NOON, DictMemory, ListedSource, MemorySink, StoppedClock
from tests.worlds import CONFIGURATION, JWKS, MANIFEST

PROVIDER = "projects/123/locations/global/workloadIdentityPools/spire-pool/providers/spire"
DATA = f'sink = "wif-provider:{PROVIDER}"\nissuer = "https://a.example"\nstate_file = "/state.json"'
TICK = 30


class Pushed:
    """One publication of the plugin with a provider's place."""

    def __init__(self) -> None:
        self.sink, self.clock = MemorySink(keeps_headers=False), StoppedClock()
        self.publication = PushedPublication(
            target=read(DATA, "example.org").publications[0].target,
            intervals=Intervals(),
            clock=self.clock,
            open_adapters=self.adapters,
        )

    @contextmanager
    def adapters(
        self, _target: PublishTarget, _deadline: Deadline, notice: Callable[[Finding], None]
    ) -> Iterator[Adapters]:
        yield Adapters(
            source=ListedSource(),
            sink=self.sink,
            memory=DictMemory(),
            web=None,
            clock=self.clock,
            notice=notice,
        )

    def push(self, *authorities: JwtAuthority) -> PublisherError | None:
        self.clock.advance(seconds=TICK)
        self.sink.log.clear()
        pushed = Fetched(bundle=keys.bundle(*authorities), source=SourceKind.SPIRE_PLUGIN)
        self.publication.source.push(pushed)
        return self.publication.work(pushed)


def ending(hours: float, *kids: str) -> list[JwtAuthority]:
    return [keys.authority(kid, expires_at=NOON + timedelta(hours=hours)) for kid in kids]


def test_keys_that_are_left_out_make_no_push_a_change() -> None:
    pushed = Pushed()
    nine = [*ending(1, *"abcdefgh"), *ending(-1, "gone")]
    assert pushed.push(*nine) is None
    assert pushed.sink.written == [JWKS, MANIFEST]
    assert b'"gone"' not in pushed.sink.objects[JWKS].body
    assert pushed.push(*nine) is None
    assert pushed.sink.log == [], "nothing is due"
    assert pushed.push(*nine) is None
    assert sorted(pushed.sink.log) == sorted(f"read {path}" for path in (JWKS, MANIFEST)), "no drift"
    assert CONFIGURATION not in pushed.sink.objects


def test_too_many_keys_are_said_at_every_push_until_they_fit() -> None:
    pushed = Pushed()
    nine = [*ending(1, *"abcdefghi")]
    assert pushed.push(*ending(1, "a")) is None
    for _ in range(2):
        assert isinstance(pushed.push(*nine), BundleError)
    pushed.clock.advance(hours=2)
    assert pushed.push(*nine) is None, "time alone made them fit"
    assert pushed.sink.written == [JWKS, MANIFEST]
