"""One world: everything in it from a seed, and what must hold there at every moment."""

import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta

from publisher.publication.rules import Overrides
from publisher.publication.timing import Timing
from publisher.use_cases.pace import Pace
from publisher.use_cases.publish import Outcome
from tests.doubles import DictMemory
from tests.simulation.agent import Agent
from tests.simulation.hosts import TIMEOUT, Host
from tests.simulation.ledger import Figures, Impairment, Ledger
from tests.simulation.operators import Operators
from tests.simulation.sources import AgentSource, Altered, ServerSource, Source, as_it_is
from tests.simulation.spec import HostSpec, Spec
from tests.simulation.spire import (
    DAY,
    Authority,
    Cluster,
    Replica,
)
from tests.simulation.store import ObjectCache, SimulatedSink, Store
from tests.simulation.timeline import Timeline
from tests.simulation.watchman import Watchman
from tests.simulation.workloads import FUNCTION_REFRESH, RELYING_PARTY_CACHE, Workloads
from tests.worlds import SETTINGS


class World:
    """Everything of one spec and seed. Subclasses break one thing each, to see that it is found."""

    overrides: Overrides | None = None
    cache_stretch = 1.0
    altered: Altered = staticmethod(as_it_is)

    def __init__(self, spec: Spec, seed: int, trace: Callable[[str], object] | None = None) -> None:
        self.spec, self.seed = spec, seed
        self.random = random.Random(f"{spec.name} {seed}")
        self.timeline = Timeline()
        self.impairment = Impairment(self.timeline)
        self.ledger = Ledger(self.timeline, self.impairment, f"{spec.name} {seed}", trace=trace)
        self.figures: Figures = self.ledger.figures
        self.is_calm = False
        self.by_kid: dict[str, Authority] = {}
        self.cluster = Cluster(
            self.timeline,
            spec.ca_ttl,
            on_prepare=self._prepared,
            on_activate=self._activated,
            on_revoke=self._revoked,
        )
        self.replicas = [Replica(self.cluster, keeps_keys=spec.keeps_keys) for _ in range(spec.replicas)]
        self.agents = [Agent(replica, self.random, on_cut=self.reassess) for replica in self.replicas]
        self.store = Store(self.timeline, on_write=self._wrote)
        self.watchman = Watchman(self)
        self.operators = Operators(self)
        self.hosts: list[Host] = []
        self.hosts.extend(self._host(number, host) for number, host in enumerate(spec.hosts))
        self.is_sequenced = all(host.source.has_sequence for host in self.hosts)
        self.timing = max(map(self._timing, spec.hosts), key=lambda one: one.unseen)
        self.bound = (self.timing.unseen + self.timing.run_time).total_seconds()
        if not self.is_sequenced and len(self.hosts) > 1:
            # Nothing tells the older bundle: a slow run may bring it back, until the next run.
            self.bound += self.bound
        self.needed = self.timing.needed(SETTINGS.jwks_max_age).total_seconds()
        self.figures.bound = self.bound
        self.workloads = Workloads(self)

    # Making it

    def _timing(self, host: HostSpec) -> Timing:
        return Timing(
            source_delay=timedelta(seconds=host.source_delay),
            interval=timedelta(seconds=host.interval),
            run_time=timedelta(seconds=TIMEOUT),
            function_refresh=timedelta(seconds=FUNCTION_REFRESH),
            relying_party_cache=timedelta(seconds=RELYING_PARTY_CACHE),
            ca_ttl=timedelta(seconds=self.spec.ca_ttl),
        )

    def _host(self, number: int, spec: HostSpec) -> Host:
        replica = self.replicas[spec.replica]
        source: Source
        if spec.source == "workload-api":
            agent = Agent(replica, self.random, on_cut=self.reassess)
            self.agents.append(agent)
            source = AgentSource(agent, altered=self.altered)
        else:
            source = ServerSource(replica, lambda: self.random.uniform(0, spec.lag), altered=self.altered)
        host = Host(
            name=f"host{number}",
            timeline=self.timeline,
            random=self.random,
            source=source,
            sink=self._sink(),
            settings=replace(SETTINGS, timing=self._timing(spec)),
            every=spec.every,
            pace=Pace(confirm_every=spec.confirm_every) if spec.watching else None,
            memory=DictMemory() if spec.remembers else None,
            on_state=self.reassess,
            on_outcome=self._published,
            on_refused=self.operators.refused,
        )
        if self.overrides is not None:
            host.overrides = self.overrides
        if isinstance(source, AgentSource):
            source.agent.on_view.append(host.ring)
        else:
            self.cluster.on_change.append(
                lambda: self.timeline.after(self.random.uniform(0, spec.every), host.ring)
            )
            replica.on_power.append(self.reassess)
        return host

    def _sink(self) -> SimulatedSink:
        return SimulatedSink(self.store, self.random, loses_replies=self.spec.loses_replies)

    def cache(self) -> ObjectCache:
        """Make one more cache before the store."""
        return ObjectCache(self.store, self.cache_stretch)

    # Running it

    def start(self) -> None:
        self.cluster.on_change.append(self._news)
        self.cluster.start()
        for number, replica in enumerate(self.replicas):
            self.timeline.after(number * self.random.uniform(600, 3600), replica.boot)
        for agent in self.agents:
            self.timeline.after(0, agent.start)
        for host in self.hosts:
            host.start()
        self.timeline.after(600, self._patrol)
        self.workloads.start()
        self.operators.start()

    def run(self) -> Figures:
        """Live through all days, then a calm time, and give the figures."""
        with seeded(self.seed):
            self.start()
            self.timeline.wait(self.spec.days * DAY)
            self.finish()
        return self.figures

    def finish(self) -> None:
        """End every fault, wait, and see that the newest bundle has won."""
        self.is_calm = True
        self.timeline.wait(3 * 3600)
        for host in self.hosts:
            host.sink.slowest = 0.4
            if host.is_away:
                host.come_back()
        self.timeline.wait(3600)
        if self.cluster.newest.at < self.timeline.now - self.bound and not self.impairment.overlap(
            self.timeline.now - self.bound - 60, self.timeline.now
        ):
            if self.watchman.readable_since.keys() != self.cluster.newest.kids:
                self.ledger.violated("the newest bundle has not won at the end")
            if self.is_sequenced and self.watchman.sequence_number != self.cluster.sequence_number:
                self.ledger.violated("the manifest does not have the newest sequence number at the end")
        elif not any(host.is_well for host in self.hosts):
            self.ledger.violated("no publisher has recovered at the end")
        figures = self.figures
        figures.worlds, figures.seconds, figures.rotations = 1, self.timeline.now, self.cluster.rotations
        figures.runs = sum(host.runs for host in self.hosts)
        figures.writes.update(self.store.writes)

    def note(self, what: str) -> None:
        self.ledger.note(what)

    def fault(self, kind: str) -> None:
        self.figures.faults[kind] += 1
        self.note(f"event: {kind}")
        self.watchman.last_cause = self.timeline.now

    def reassess(self) -> None:
        """See whether anybody can be expected to publish."""
        impaired = self.store.down > 0 or not any(host.is_well for host in self.hosts)
        if not self.is_sequenced and len(self.hosts) > 1:
            impaired = impaired or any(host.source.is_behind for host in self.hosts if not host.is_away)
        self.impairment.set(impaired)

    # What SPIRE does

    def _prepared(self, authority: Authority) -> None:
        kid = authority.kid
        self.by_kid[kid] = authority
        self.note(f"prepared {kid}: {authority.birth}")
        self.ledger.expect(
            self.bound,
            lambda: kid in self.watchman.readable_since or kid not in self.cluster.newest.kids,
            f"{kid} is not published",
        )

    def _activated(self, authority: Authority) -> None:
        self.note(f"activated {authority.kid}, {authority.spire_lead:.0f} s after it was prepared")
        self.workloads.activated(authority)

    def _revoked(self, authority: Authority) -> None:
        kid = authority.kid
        self.note(f"revoked {kid}")
        self.ledger.expect(
            self.bound, lambda: kid not in self.watchman.readable_since, f"revoked {kid} is still readable"
        )
        self.workloads.probe(authority)

    def _news(self) -> None:
        self.watchman.last_cause = self.timeline.now

    def _published(self, outcome: Outcome) -> None:
        self.workloads.published(outcome)

    def _wrote(self, path: str) -> None:
        self.watchman.wrote(path)

    def _patrol(self) -> None:
        """See that the manifest is confirmed."""
        self.timeline.after(600, self._patrol)
        last = self.watchman.confirmed_at
        if last is None:
            return
        age = self.timeline.now - last - self.impairment.overlap(last, self.timeline.now)
        most = max(host.confirm_every if host.watching else host.interval for host in self.spec.hosts)
        if age > most + self.bound:
            self.ledger.violated(f"the manifest was not confirmed for {age:.0f} s")


@contextmanager
def seeded(seed: int) -> Iterator[None]:
    """Seed the jitter of the code under test, which draws from the module's generator."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
