"""What people, machines and accidents do to the world, each at random times of the seed."""

from typing import TYPE_CHECKING

from publisher.publication.rules import DISJOINT, LOWER
from tests.simulation.hosts import ACCEPT_ALL, Host
from tests.simulation.spire import DAY, Authority, Birth, Replica

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from tests.simulation.world import World


class Operators:
    """Do one thing at a time; `kinds` are those that a world may ask for by name."""

    def __init__(self, world: "World") -> None:
        self.world = world
        self.random = world.random
        self.kinds: dict[str, Callable[[], object]] = {
            "rotate": self.rotate_patiently,
            "hurry": self.rotate_in_a_hurry,
            "emergency": self.emergency,
            "restart": lambda: self.restart(5, 120),
            "server dead": lambda: self.restart(600, self.world.spec.ca_ttl / 13),
            "datastore lost": self.lose_everything,
            "outage": lambda: self.outage(self.random.uniform(10, 900)),
            "slow": self.slow_store,
            "kill": self.kill,
            "away": self.away,
            "wrong source": self.mix_up,
        }

    def start(self) -> None:
        for kind, mean in self.world.spec.happens.items():
            self._again(kind, mean)

    def _again(self, kind: str, mean: float) -> None:
        def happen() -> None:
            if self.world.is_calm:
                return
            self.world.fault(kind)
            self.kinds[kind]()
            self._again(kind, mean)

        self.world.timeline.after(self.random.expovariate(1 / mean), happen)

    # Rotation by hand

    def rotate_patiently(self) -> None:
        """Prepare, wait for the needed lead time, activate."""
        replica = self._replica()
        if replica.prepared is None:
            replica.prepare(Birth.FORCED)
        prepared = replica.prepared
        wait = self.world.needed + self.random.uniform(0, 60)
        self.world.timeline.after(wait, lambda: self._activate(replica, prepared))

    def rotate_in_a_hurry(self) -> None:
        replica = self._replica()
        if replica.prepared is None:
            replica.prepare(Birth.FORCED)
        prepared = replica.prepared
        wait = self.random.uniform(0, 120)
        self.world.timeline.after(wait, lambda: self._activate(replica, prepared))

    def emergency(self) -> None:
        """Rotate in a hurry; taint; revoke as soon as the next key can be read at the sink."""
        replica = self._replica()
        leaked = replica.current
        if leaked is None or not replica.is_up:
            return
        if replica.prepared is None:
            replica.prepare(Birth.FORCED)
        self._activate(replica, replica.prepared)
        new = replica.current
        assert new is not None
        assert new is not leaked
        pause = self.random.uniform(1, 30)
        self.world.timeline.after(pause, lambda: self.taint_and_revoke(leaked, new))

    def _activate(self, replica: Replica, prepared: Authority | None) -> None:
        if replica.is_up and replica.prepared is not None and replica.prepared is prepared:
            replica.prepared.birth = Birth.FORCED
            replica.activate()

    def taint_and_revoke(self, leaked: Authority, new: Authority) -> None:
        cluster = self.world.cluster
        if leaked not in cluster.authorities or leaked.is_tainted:
            return
        cluster.taint(leaked)

        def revoke() -> None:
            if leaked in cluster.authorities:
                if new.kid in self.world.watchman.readable_since:
                    cluster.revoke(leaked)
                else:
                    self.world.timeline.after(10, revoke)

        self.world.timeline.after(self.random.uniform(5, 60), revoke)

    # Servers

    def restart(self, least: float, most: float) -> None:
        replica = self._replica()
        if replica.is_up:
            replica.stop()
            self.world.timeline.after(
                self.random.uniform(least, max(most, least)),
                lambda: self._boot(replica, Birth.KEYS_LOST),
            )

    def lose_everything(self) -> None:
        """Lose keys and datastore; agents have to attest anew."""
        for replica in self.world.replicas:
            replica.stop(loses_all=True)
        self.world.cluster.lose()
        for replica in self.world.replicas:
            self._boot_later(replica)
        for agent in self.world.agents:
            self.world.timeline.after(self.random.uniform(60, 900), agent.attest)

    def _boot_later(self, replica: Replica) -> None:
        pause = self.random.uniform(30, 300)
        self.world.timeline.after(pause, lambda: self._boot(replica, Birth.DATASTORE_LOST))

    def _boot(self, replica: Replica, birth: Birth) -> None:
        if not replica.is_up:
            replica.boot(birth)

    # The store

    def outage(self, seconds: float) -> None:
        store = self.world.store
        store.down += 1
        self.world.reassess()

        def over() -> None:
            store.down -= 1
            self.world.reassess()

        self.world.timeline.after(seconds, over)

    def slow_store(self) -> None:
        for host in self.world.hosts:
            host.sink.slowest = 3.0

        def over() -> None:
            for host in self.world.hosts:
                host.sink.slowest = 0.4

        self.world.timeline.after(self.random.uniform(60, 1800), over)

    # Publishers

    def kill(self) -> None:
        """Kill the process of a host between any two steps of its next writes."""
        self.random.choice(self.world.hosts).sink.dies_after = self.random.randrange(6)

    def away(self) -> None:
        host = self.random.choice(self.world.hosts)
        if not host.is_away:
            host.leave()
            seconds = self.random.uniform(0.1 * DAY, 1.5 * DAY)
            self.world.timeline.after(seconds, host.come_back)

    def mix_up(self) -> None:
        """Point a host at another SPIRE; a person corrects it."""
        host = self.random.choice(self.world.hosts)
        host.source.is_wrong = True
        self.world.reassess()
        self.world.timeline.after(self.random.uniform(600, 3600), lambda: self.correct(host))

    def correct(self, host: Host) -> None:
        host.source.is_wrong = False
        self.world.reassess()

    def refused(self, host: Host, codes: "Sequence[str]") -> None:
        """See a refusal, sooner or later, and decide: correct the source, wait, or override."""
        if host.awaits_person:
            return
        host.awaits_person = True

        def decide() -> None:
            host.awaits_person = False
            if host.source.is_wrong:
                self.correct(host)
            elif host.has_failed and DISJOINT in codes and not host.source.is_behind:
                # Is this the SPIRE whose tokens shall be accepted? It is, its datastore was lost.
                if self.world.cluster.epoch:
                    self.world.fault("override")
                    self.world.note(f"{host.name}: publish --accept-...")
                    host.publish_by_hand(ACCEPT_ALL)
            elif LOWER in codes:
                self.world.note(f"{host.name}: a person waits for the server that lags")

        self.world.timeline.after(self.random.uniform(120, 1200), decide)

    def function_is_stuck(self) -> None:
        """Restart a function that refuses what is published, as its alarm asks for."""
        self.world.fault("function restarted")
        self.world.workloads.stuck.set(True)

        def restart() -> None:
            self.world.workloads.function.restart()
            self.world.workloads.stuck.set(False)

        self.world.timeline.after(self.random.uniform(120, 1200), restart)

    def _replica(self) -> Replica:
        up = [replica for replica in self.world.replicas if replica.is_up]
        return self.random.choice(up or self.world.replicas)
