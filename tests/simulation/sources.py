"""Where publishers fetch the bundle (`publisher.ports.Source`): an agent, or a server."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from publisher.bundle.fetched import Fetched, SourceKind, Witness
from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import SourceUnavailableError
from publisher.ports import Deadline
from publisher.sources.witness import OLDEST
from tests import keys
from tests.simulation.agent import Agent
from tests.simulation.spire import Replica, Version
from tests.worlds import ISSUER

STRANGER = keys.bundle("stranger1", "stranger2", sequence_number=10_000_000)
"""The bundle of another SPIRE of the same trust domain: staging and production mixed up."""

Altered = Callable[[TrustBundle, Version], TrustBundle]


def as_it_is(bundle: TrustBundle, _version: Version) -> TrustBundle:
    return bundle


@dataclass(eq=False)
class AgentSource:
    """The Workload API, with a JWT-SVID of the publisher's own as witness, as `workload-api:` asks for it."""

    agent: Agent
    altered: Altered = as_it_is
    is_wrong: bool = False
    has_sequence: bool = False

    @property
    def is_behind(self) -> bool:
        return self.agent.is_cut_off or self.agent.view is None

    def fetch(self, deadline: Deadline) -> Fetched:
        if self.is_wrong:
            return Fetched(bundle=STRANGER, source=SourceKind.WORKLOAD_API)
        now = deadline.clock.monotonic()
        token = self.agent.mint(f"liveness:{int(now // OLDEST.total_seconds())}")
        if token is not None and self.agent.view and token.authority.kid not in self.agent.view.kids:
            token = self.agent.mint(f"fresh:{now}")
        view = self.agent.view
        if view is None or not view.authorities or token is None:
            raise SourceUnavailableError("agent", "no bundle, or no JWT-SVID", "wait")
        if token.authority.kid not in view.kids or now - token.issued_at > OLDEST.total_seconds():
            raise SourceUnavailableError("agent", "its JWT-SVID is of another bundle, or old", "wait")
        return Fetched(
            bundle=self.altered(view.told_by_agent, view),
            source=SourceKind.WORKLOAD_API,
            witness=Witness(
                iss=str(ISSUER),
                kid=token.authority.kid,
                issued_at=deadline.clock.now() - timedelta(seconds=now - token.issued_at),
            ),
        )


@dataclass(eq=False)
class ServerSource:
    """The server API; `lag` is how many seconds its copy of the datastore may be behind."""

    replica: Replica
    lag: Callable[[], float] = lambda: 0.0
    altered: Altered = as_it_is
    is_wrong: bool = False
    has_sequence: bool = True

    @property
    def is_behind(self) -> bool:
        return not self.replica.is_up

    def fetch(self, deadline: Deadline) -> Fetched:
        if self.is_wrong:
            return Fetched(bundle=STRANGER, source=SourceKind.SERVER_API)
        if not self.replica.is_up:
            raise SourceUnavailableError("server", "is down", "wait")
        known = self.replica.cluster.known(self.lag())
        if not known.authorities:
            raise SourceUnavailableError("server", "has no keys yet", "wait")
        return Fetched(bundle=self.altered(known.told_by_server, known), source=SourceKind.SERVER_API)


Source = AgentSource | ServerSource
