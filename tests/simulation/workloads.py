"""What workloads, thieves and relying parties do; and why a valid token is refused, where it is."""

from datetime import timedelta
from typing import TYPE_CHECKING

from publisher.use_cases.publish import Outcome
from tests.simulation.agent import Agent, Token
from tests.simulation.ledger import Impairment, Longest
from tests.simulation.relying_parties import FunctionInFront, RelyingParty
from tests.simulation.spire import ROTATE_EVERY, Authority, Birth, activated_after, prepared_after
from tests.simulation.timeline import HostClock
from tests.worlds import SETTINGS

if TYPE_CHECKING:
    from tests.simulation.world import World

FUNCTION = "function"
FUNCTION_REFRESH, STATUS_EVERY = 30.0, 60.0
RELYING_PARTY_CACHE = 600.0
MAX_AGE = SETTINGS.jwks_max_age.total_seconds()

STORE_UNREADABLE = "the store answered nobody"
OLD_SPIRE = "keys and datastore lost: tokens of before"
SERVER_WAS_DOWN = "the server was down when the next key was due"
SHORT_TTL = "`ca_ttl` is too short for the needed lead time"
FUNCTION_STUCK = "the function had missed two rotations in a row"
NOBODY_PUBLISHED = "no publisher could work in time"
VIOLATION = "VIOLATION"


class Workloads:
    """Use tokens. `claimed` are the keys whose margin is not negative, as the publisher itself tells.

    `stuck` are the times in which the function refused what was published, until a person restarted it.
    """

    def __init__(self, world: "World") -> None:
        self.world, self.random, self.timeline = world, world.random, world.timeline
        self.figures = world.figures
        self.stuck = Impairment(world.timeline)
        self.claimed: set[str] = set()
        clock = HostClock(world.timeline)
        self.function = FunctionInFront(
            world.store, clock, SETTINGS, FUNCTION_REFRESH, on_stuck=world.operators.function_is_stuck
        )
        edge, other = world.cache(), world.cache()
        thirty = FUNCTION_REFRESH
        self.parties = (
            RelyingParty("jose", edge.get, clock, 600, 30, MAX_AGE + 30, MAX_AGE + 600),
            RelyingParty("go-oidc", edge.get, clock, None, 0, MAX_AGE, None),
            RelyingParty("PyJWT", other.get, clock, 300, 0, MAX_AGE, MAX_AGE + 300),
            RelyingParty(FUNCTION, self.function.get, clock, 300, 0, thirty, thirty + 300 + world.bound),
        )

    def start(self) -> None:
        self.timeline.after(1, self._again)
        self.timeline.after(STATUS_EVERY, self._ask_for_status)

    def _again(self) -> None:
        self.timeline.after(self.random.expovariate(1 / self.world.spec.token_every), self._again)
        self._use(self.random.choice(self.world.agents), f"audience{self.random.randrange(3)}")

    def activated(self, authority: Authority) -> None:
        """Use the new key at once, as only a new audience does."""
        lasts = authority.kid in self.claimed and authority.birth is Birth.SCHEDULED
        self.figures.lead_held += lasts
        for agent in self.world.agents[:2]:
            self._soon(agent, f"new {authority.kid}")

    def _soon(self, agent: Agent, audience: str) -> None:
        self.timeline.after(self.random.uniform(0, 2), lambda: self._use(agent, audience))

    def _use(self, agent: Agent, audience: str) -> None:
        """Fetch a JWT-SVID and present it at once, and once more in its life."""
        token = agent.mint(audience)
        if token is not None:
            self._present(token)
            later = self.random.uniform(self.timeline.now, token.expires_at)
            self.timeline.at(later, lambda: self._present(token))

    def _present(self, token: Token) -> None:
        authority = token.authority
        if self.timeline.now >= token.expires_at or authority.revoked_at is not None:
            return
        for party in self.parties:
            self.figures.presented += 1
            if not party.accepts(authority.kid):
                cause = self._cause(party, authority)
                self.figures.refused[party.name, cause] += 1
                self.world.note(f"{party.name} refuses a token of {authority.kid}: {cause}")

    def _cause(self, party: RelyingParty, authority: Authority) -> str:
        """Tell why a valid token is refused; where nothing explains it, that is a violation."""
        kid, now = authority.kid, self.timeline.now
        watchman, is_function = self.world.watchman, party.name == FUNCTION
        since = (watchman.vouched_since if is_function else watchman.readable_since).get(kid)
        if is_function and since is not None:  # it takes in no documents that are no pair
            since = None if watchman.mixed_since is not None else max(since, watchman.pair_since)
        if party.could_not_fetch and self.world.store.down:
            return STORE_UNREADABLE
        if is_function and self.stuck.overlap(since or authority.prepared_at, now):
            return FUNCTION_STUCK
        if since is not None and now - since >= party.new_within:
            return self._violated(f"{party.name} refuses {kid}, readable for {now - since:.0f} s")
        if kid in self.claimed and authority.birth is Birth.SCHEDULED and self._kept_rule(authority):
            return self._violated(f"{party.name} refuses {kid}, and the publisher told a margin for it")
        return self._excuse(party, authority)

    def _excuse(self, party: RelyingParty, authority: Authority) -> str:
        """Give what SPIRE, people or accidents did to a key that had no lead time."""
        if authority.is_lost:
            return OLD_SPIRE
        if authority.birth not in (Birth.SCHEDULED, Birth.FORCED):
            return str(authority.birth)
        if authority.spire_lead < self.world.needed:
            if authority.birth is Birth.FORCED:
                return str(Birth.FORCED)
            return SHORT_TTL if self.world.spec.ca_ttl / 3 < self.world.needed else SERVER_WAS_DOWN
        if self.world.impairment.overlap(authority.prepared_at, self.timeline.now):
            return NOBODY_PUBLISHED
        lead = f"{authority.spire_lead:.0f} s of lead time"
        return self._violated(f"{party.name} refuses {authority.kid}, which had {lead}")

    def _violated(self, what: str) -> str:
        self.world.ledger.violated(what)
        return VIOLATION

    def _kept_rule(self, authority: Authority) -> bool:
        """Tell whether SPIRE activated the key when its rule says, as the publisher supposes."""
        ca_ttl = self.world.spec.ca_ttl
        return authority.spire_lead >= activated_after(ca_ttl) - prepared_after(ca_ttl) - 2 * ROTATE_EVERY

    def published(self, outcome: Outcome) -> None:
        """Note of which keys the publisher says that their margin is not negative."""
        for lead in outcome.lead_times:
            if lead.margin is not None and lead.margin >= timedelta(0):
                self.claimed.add(lead.kid)
            else:
                self.claimed.discard(lead.kid)

    def probe(self, authority: Authority, pause: float = 15.0) -> None:
        """Present a token of a revoked key, as a thief does, until nobody who forgets accepts it."""

        def probe() -> None:
            elapsed = self.timeline.now - (authority.revoked_at or 0.0)
            accepting = [party for party in self.parties if party.accepts(authority.kid)]
            self.figures.probed += len(self.parties)
            for party in accepting:
                self._accepted(party, authority, elapsed)
            forgetful = any(party.old_within is not None for party in accepting)
            if forgetful or elapsed < self.world.bound + RELYING_PARTY_CACHE:
                self.probe(authority, min(pause * 1.05, 120))

        self.timeline.after(pause, probe)

    def _accepted(self, party: RelyingParty, authority: Authority, elapsed: float) -> None:
        now = self.timeline.now
        excused = self.world.impairment.overlap(now - elapsed, now)
        if party.name == FUNCTION:
            excused += self.stuck.overlap(now - elapsed, now)
        self.figures.accepted.setdefault(party.name, Longest()).add(elapsed, excused)
        if party.old_within is not None and elapsed - excused > self.world.bound + party.old_within:
            self.world.ledger.violated(f"{party.name} accepts revoked {authority.kid} for {elapsed:.0f} s")

    def _ask_for_status(self) -> None:
        """Ask the function every minute, as its deployment has the scheduler do."""
        self.timeline.after(STATUS_EVERY, self._ask_for_status)
        self.function.get()
