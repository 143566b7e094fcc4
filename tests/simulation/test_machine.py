"""Whatever people and accidents do in whatever order: no valid token is refused, no revoked key stays."""

from dataclasses import replace

from hypothesis import HealthCheck, settings, strategies
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule, run_state_machine_as_test

from tests.simulation.spec import HostSpec, Spec
from tests.simulation.world import World, seeded

SERVER = HostSpec(source="server-api", remembers=True)
SPEC = Spec(
    name="machine",
    about="what hypothesis makes of it",
    hosts=(HostSpec(watching=True), replace(SERVER, lag=30), replace(SERVER, replica=1, every=90)),
    ca_ttl=3600,
    replicas=2,
    loses_replies=0.02,
)
KINDS = ("rotate", "hurry", "emergency", "restart", "datastore lost", "slow", "kill", "away", "wrong source")


class AnyOrder(RuleBasedStateMachine):
    """The same world as in `make simulate`; hypothesis decides what happens, and when."""

    world: World

    @initialize(seed=strategies.integers(1, 50), keeps_keys=strategies.booleans())
    def begin(self, seed: int, keeps_keys: bool) -> None:
        with seeded(seed):
            self.world = World(replace(SPEC, keeps_keys=keeps_keys), seed)
            self.world.start()
            self.world.timeline.wait(120)

    @rule(seconds=strategies.integers(1, 1200))
    def wait(self, seconds: int) -> None:
        self.world.timeline.wait(seconds)

    @rule(kind=strategies.sampled_from(KINDS))
    def happen(self, kind: str) -> None:
        self.world.fault(kind)
        self.world.operators.kinds[kind]()

    @rule(seconds=strategies.integers(5, 600))
    def outage(self, seconds: int) -> None:
        self.world.fault("outage")
        self.world.operators.outage(seconds)

    @rule(number=strategies.integers(0, 2), step=strategies.integers(0, 5))
    def kill(self, number: int, step: int) -> None:
        self.world.fault("kill")
        self.world.hosts[number].sink.dies_after = step

    @rule(number=strategies.integers(0, 2))
    def come_back(self, number: int) -> None:
        if self.world.hosts[number].is_away:
            self.world.hosts[number].come_back()

    @invariant()
    def nothing_is_broken(self) -> None:
        if hasattr(self, "world"):
            assert self.world.figures.violations == []

    def teardown(self) -> None:
        if hasattr(self, "world"):
            self.world.finish()
            assert self.world.figures.violations == []


def test_any_order_of_events() -> None:
    run_state_machine_as_test(
        AnyOrder,
        settings=settings(
            max_examples=16,
            stateful_step_count=25,
            deadline=None,
            derandomize=True,
            report_multiple_bugs=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
