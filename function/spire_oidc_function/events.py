"""Judge the publication when one of its objects was written or deleted: the target `validate`."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from typing import Any

from publisher.errors import PublisherError
from publisher.findings import Finding, Severity
from publisher.ports import Clock, Deadline
from publisher.publication.snapshot import Snapshot
from publisher.publication.validation import Judgement, Terms, validate
from publisher.quoting import quote
from publisher.serving.watch import SLEPT, failure, has_slept
from publisher.settings.addresses import BucketAddress
from spire_oidc_function.reads import LOST, READING, Reads
from spire_oidc_function.reporting import LEVELS, LOGGER
from spire_oidc_function.stores import Store

FINALIZED = "google.cloud.storage.object.v1.finalized"
DELETED = "google.cloud.storage.object.v1.deleted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectEvent:
    """Hold what an event says: what happened to which object. All of it is from outside."""

    id: str
    type: str
    bucket: str
    name: str
    generation: str

    @classmethod
    def of(cls, attributes: Mapping[str, Any], data: Any) -> "ObjectEvent | None":
        """Read a CloudEvent of Cloud Storage; None: it is of another kind, or damaged."""
        kind = attributes.get("type")
        if kind not in (FINALIZED, DELETED) or not isinstance(data, dict):
            return None
        bucket, name = data.get("bucket"), data.get("name")
        if not isinstance(bucket, str) or not isinstance(name, str):
            return None
        return cls(
            id=str(attributes.get("id")),
            type=kind,
            bucket=bucket,
            name=name,
            generation=str(data.get("generation")),
        )


@dataclass(slots=True, kw_only=True)
class Judge:
    """Judge a sink at each event under the publication's paths.

    An event is only the occasion: what counts is what is there now, so that duplicates and events out of
    order do no harm. `settle` seconds pass before something that is wrong is an error: JWKS, configuration
    and manifest are three objects, and each of them is an event.
    """

    store: Store
    terms: Terms
    place: BucketAddress
    paths: tuple[str, str, str]
    clock: Clock
    settle: float
    sleep: Callable[[float], Awaitable[None]] = asyncio.sleep
    patience: float = LOST
    _reads: Reads = field(init=False)
    _last_good: Snapshot | None = None
    _looked_at: datetime | None = None
    _under_way: dict[str, "asyncio.Task[None]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._reads = Reads(str(self.place))

    async def judge(self, event: ObjectEvent) -> None:
        """Read, judge, log one line; a duplicate of an event under way waits for that one."""
        if not self.concerns(event):
            LOGGER.debug("ignored %s of %s", quote(event.type), quote(f"gs://{event.bucket}/{event.name}"))
            return
        task = self._under_way.get(event.id)
        if task is None:
            task = asyncio.create_task(self._judge(event))
            self._under_way[event.id] = task
            task.add_done_callback(lambda _: self._under_way.pop(event.id, None))
        await asyncio.shield(task)

    def concerns(self, event: ObjectEvent) -> bool:
        """Tell whether the event is of one of the publication's three objects."""
        start = f"{self.place.prefix}/" if self.place.prefix else ""
        return event.bucket == self.place.bucket and event.name in {start + path for path in self.paths}

    async def _judge(self, event: ObjectEvent) -> None:
        judgement = await self._look_beside()
        settled = 0.0
        if judgement.snapshot is None:
            settled = self.settle
            await self.sleep(settled)
            judgement = await self._look_beside()
        if judgement.snapshot is not None:
            self._last_good, self._looked_at = judgement.snapshot, self.clock.now()
        _log(event, str(self.place), judgement, settled)

    async def _look_beside(self) -> Judgement:
        """Look in a thread of its own: reads that hang keep no other event waiting."""
        landed: Future[None] = Future()
        seen: list[Judgement] = []
        try:
            self._reads.begin(partial(self._look, seen), landed)
        except PublisherError as error:
            return _unread(error)
        await asyncio.wait({asyncio.wrap_future(landed)}, timeout=self.patience)
        if seen:
            return seen[0]
        if landed.done():
            return _unread(PublisherError(str(self.place), "a read broke off", "report its traceback"))
        self._reads.give_up(landed)
        return _unread(self._reads.lost())

    def _look(self, seen: list[Judgement]) -> None:
        before, waived = self._last_good, None
        try:
            found = self.store.read(Deadline(self.clock, READING))
        except PublisherError as error:
            seen.append(_unread(error))
            self._looked(self.clock.now())
            return
        now = self.clock.now()
        if before is not None and has_slept(before, self._looked_at, now):
            waived = SLEPT
        seen.append(validate(found, self.terms, serving=before, now=now, waived=waived))
        self._looked(now)

    def _looked(self, now: datetime) -> None:
        """Count a look, unless too many may have been missed before it: then only a good one ends that."""
        if self._last_good is None or not has_slept(self._last_good, self._looked_at, now):
            self._looked_at = now


def _unread(error: PublisherError) -> Judgement:
    return Judgement(snapshot=None, findings=(failure(error),))


def _log(event: ObjectEvent, place: str, judgement: Judgement, settled: float) -> None:
    """Write the one line of an event."""
    severity = max(
        (one.severity for one in judgement.findings), key=lambda one: one.rank, default=Severity.INFO
    )
    if judgement.snapshot is None:
        severity = Severity.ERROR
        verdict = f"is not valid, after {settled:g} s still"
    else:
        verdict = "is valid" + (f", after {settled:g} s" if settled else "")
    members = {
        "event": {"id": quote(event.id), "type": event.type, "generation": quote(event.generation, 40)},
        "object": quote(f"gs://{event.bucket}/{event.name}"),
        "valid": judgement.snapshot is not None,
        "findings": [_member(finding) for finding in judgement.findings],
    }
    reasons = "; ".join(str(finding) for finding in judgement.findings[:3])
    LOGGER.log(
        LEVELS[severity],
        "the publication at %s %s%s",
        place,
        verdict,
        f": {reasons}" if reasons else "",
        extra={"members": members},
    )


def _member(finding: Finding) -> dict[str, str]:
    return {
        "code": finding.code,
        "severity": finding.severity.value,
        "where": finding.where,
        "what": finding.what,
        "remedy": finding.remedy,
    }
