"""Relying parties, each with the key cache of a library that people use, and the function before the sink."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from publisher.publication.document_set import PublicationSettings, StoredObject
from publisher.publication.found import Found
from publisher.publication.validation import Judgement, Terms
from publisher.serving.policy import ServePolicy
from publisher.serving.watch import Duty, Watch
from tests.keys import EXAMPLE_ORG
from tests.simulation.store import Store, kids_of
from tests.simulation.timeline import HostClock

Fetch = Callable[[], frozenset[str] | None]
"""Give the kids of the JWKS document as a relying party reads it; None: no answer."""


@dataclass(eq=False)
class RelyingParty:
    """Keep keys for `keeps` seconds (None: for ever); fetch again at an unknown kid, once in `cooldown`.

    `new_within`: how soon after its publication a key is accepted, at the latest; `old_within`: how long
    after its removal from the sink it is accepted at most. None: unbounded.
    """

    name: str
    fetch: Fetch
    clock: HostClock
    keeps: float | None
    cooldown: float
    new_within: float
    old_within: float | None
    could_not_fetch: bool = False
    _kids: frozenset[str] | None = None
    _at: float = 0.0

    def accepts(self, kid: str) -> bool:
        """Look the kid up as the library does."""
        now = self.clock.monotonic()
        self.could_not_fetch = False
        if self._kids is None or (self.keeps is not None and now - self._at >= self.keeps):
            self._kids = None  # what has run out is used no more, whether or not the fetch comes through
            self._refetch(now)
        elif kid not in self._kids and now - self._at >= self.cooldown:
            self._refetch(now)
        return self._kids is not None and kid in self._kids

    def _refetch(self, now: float) -> None:
        kids = self.fetch()
        if kids is None:
            self.could_not_fetch = True
        else:
            self._kids, self._at = kids, now


@dataclass(eq=False)
class FunctionInFront:
    """The function's own rules (`publisher.serving.watch`) over the store, asked when somebody asks it."""

    store: Store
    clock: HostClock
    settings: PublicationSettings
    refresh: float
    on_stuck: Callable[[], object] = lambda: None
    is_stuck: bool = False
    _watch: Watch = field(init=False)
    _judged: tuple[list[str | None], Judgement] | None = None

    def __post_init__(self) -> None:
        self.restart()

    def restart(self) -> None:
        """Begin anew, as a person has it do that sees VAL007 in its status."""
        self.is_stuck, self._judged = False, None
        self._watch = Watch(
            duty=Duty(
                terms=Terms(
                    issuer=self.settings.issuer,
                    jwks_path=self.settings.jwks_path,
                    trust_domain=str(EXAMPLE_ORG),
                ),
                policy=ServePolicy(),
                interval=timedelta(seconds=self.refresh),
                place="simulated:store",
                version="simulation",
                started_at=self.clock.now(),
            )
        )

    def get(self) -> frozenset[str] | None:
        now, last = self.clock.now(), self._watch.last_try_at
        if not self.store.down and (last is None or now - last >= self._watch.pause):
            self._watch = self._watch.took(self._judge(now), now)
        verdict, snapshot = self._watch.verdict(now), self._watch.snapshot
        return kids_of(snapshot.jwks) if snapshot and verdict and verdict.may_be_served else None

    def _judge(self, now: datetime) -> Judgement:
        """Judge what is there; what was found good is found good again, without the work."""
        objects = list(self._objects())
        generations = [one.generation if one else None for one in objects]
        if self._judged is not None and self._judged[0] == generations:
            return self._judged[1]
        found = Found.of(objects, remembered=None, where="simulated:store")
        judgement = self._watch.judge(found, now)
        if not self.is_stuck and any(one.code == "VAL007" for one in judgement.findings):
            self.is_stuck = judgement.snapshot is None
            self.on_stuck()
        self._judged = (generations, judgement) if judgement.snapshot is not None else None
        return judgement

    def _objects(self) -> Iterator[StoredObject | None]:
        return (self.store.objects.get(path) for path in self.settings.paths)
