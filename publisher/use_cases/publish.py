"""Fetch, build, plan, write, read back: one publication, once."""

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import assert_never

from publisher import __version__
from publisher.bundle.fetched import Fetched
from publisher.errors import (
    ExitStatus,
    RefusedError,
    SettingsError,
    SinkConflictError,
    SinkUnavailableError,
)
from publisher.findings import Finding
from publisher.ports import Clock, Deadline, Memory, Sink, Source, Web
from publisher.publication import document_set, rules
from publisher.publication.document_set import DocumentSet, PublicationSettings, StoredObject
from publisher.publication.found import Found
from publisher.publication.manifest import Manifest, ManifestError
from publisher.publication.rotation import Keep, KeyChanges, Plan, Publish, Refuse, Wanted, Write, plan
from publisher.publication.rules import Overrides
from publisher.use_cases.render import judge
from publisher.use_cases.verify_url import Verified, verify_url

MOST_ATTEMPTS = 6
"""How often one run plans again because another publisher wrote in between."""

SETTLE_SECONDS = 1.0
"""How long a stranger's key may be another publisher's that has not written its manifest yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Hold what one publication is done with. `memory` None: no state file; `web` None: `--no-verify-url`."""

    source: Source
    sink: Sink
    memory: Memory | None
    web: Web | None
    clock: Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Say what a run did, or would do in a dry run.

    `written` are paths in order; `changes` compare with what relying parties could read before.
    """

    changed: bool
    written: tuple[str, ...]
    changes: KeyChanges
    findings: tuple[Finding, ...]
    manifest: Manifest
    verified: Verified
    exit_status: ExitStatus


def publish(
    adapters: Adapters,
    settings: PublicationSettings,
    *,
    overrides: Overrides,
    bucket_url: str | None,
    dry_run: bool,
    deadline: Deadline,
) -> Outcome:
    """Publish once, or find that there is nothing to do.

    Raises:
        SettingsError: the issuer does not belong to the bucket; a newer manifest; an unreadable state file.
        SourceError: the source gave no bundle.
        BundleError: the bundle is unsafe to publish.
        RefusedError: it may not replace what is there; `findings` has every reason.
        SinkError: the sink was not read or written, or was lost to other publishers too often.

    """
    _require_own_bucket(settings, adapters.sink, bucket_url)
    run = _Run(adapters=adapters, settings=settings, overrides=overrides, dry_run=dry_run, deadline=deadline)
    decision = run.settle(run.fetch())
    if not dry_run:
        run.remember(decision.manifest)
    now = run.now()
    verified, seen = verify_url(
        None if dry_run else adapters.web,
        settings.issuer,
        run.documents,
        decision.manifest,
        now=now,
        deadline=deadline,
    )
    return Outcome(
        changed=run.changes is not None,
        written=tuple(run.written),
        changes=run.changes or decision.changes,
        findings=(*run.judged, *run.reported, *adapters.sink.findings(), *seen),
        manifest=decision.manifest,
        verified=verified,
        exit_status=ExitStatus.TEMPORARY if verified is Verified.FAILED else ExitStatus.DONE,
    )


def _require_own_bucket(settings: PublicationSettings, sink: Sink, bucket_url: str | None) -> None:
    urls = sink.public_urls if bucket_url is None else (bucket_url.removesuffix("/"),)
    if urls and settings.issuer.url.removesuffix("/") not in urls:
        raise SettingsError(
            f"issuer {settings.issuer}",
            f"does not belong to {sink.location}, which is read at {' or '.join(urls)}",
            "correct --issuer or --sink, or set --bucket-url to the domain in front of the bucket",
        )


@dataclass(kw_only=True)
class _Run:
    """Hold one run on its way from bundle to confirmed manifest."""

    adapters: Adapters
    settings: PublicationSettings
    overrides: Overrides
    dry_run: bool
    deadline: Deadline
    fetched: Fetched = field(init=False)
    documents: DocumentSet = field(init=False)
    refetched: bool = False
    settled: bool = False
    judged: tuple[Finding, ...] = ()
    reported: list[Finding] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    changes: KeyChanges | None = None

    def now(self) -> datetime:
        """Give the time in whole seconds: what manifests are written in."""
        return self.adapters.clock.now().replace(microsecond=0)

    def fetch(self) -> Fetched:
        fetched = self.adapters.source.fetch(self.deadline)
        self.documents = document_set.build(fetched.bundle, self.settings)
        self.judged = judge(fetched, self.settings)
        return fetched

    def settle(self, fetched: Fetched) -> Publish | Keep:
        """Plan and write until the sink holds what is wanted, and nobody wrote in between."""
        self.fetched = fetched
        remembered, started = self._recall(), self.now()
        for attempt in range(MOST_ATTEMPTS):
            if attempt:
                self.adapters.clock.sleep(random.uniform(0.05, 0.2) * attempt)  # noqa: S311 (jitter)
            if self.deadline.passed:
                break
            found, decision = self._decide(remembered)
            self._note(decision)
            if self.dry_run:
                self.written = [write.document.path for write in _documents(decision)]
                return decision
            if attempt and isinstance(decision, Keep) and _confirmed_meanwhile(found, decision, started):
                return decision
            try:
                self._write(decision)
            except SinkConflictError:
                continue
            return decision
        raise SinkUnavailableError(
            self.adapters.sink.location,
            "other publishers wrote in between every time, or the time of this run is over",
            "run again; if it lasts, find out who else writes there, or raise --timeout",
        )

    def _decide(self, remembered: Manifest | None) -> tuple[Found, Publish | Keep]:
        """Read and plan; look twice before saying that a bundle is old or that a stranger wrote."""
        found = self._read(remembered)
        decision = self._plan(found)
        if isinstance(decision, Refuse) and _has(decision, {rules.LOWER}) and not self.refetched:
            self.refetched = True  # a server of the cluster, or an agent, may only lag behind
            self.fetched = self.fetch()
            decision = self._plan(found)
        if _has(decision, rules.TAMPERING) and not self.settled:
            self.settled = True  # another publisher may be between its JWKS and its manifest
            self.adapters.clock.sleep(min(SETTLE_SECONDS, self.deadline.remaining()))
            found = self._read(remembered)
            decision = self._plan(found)
        match decision:
            case Refuse(findings=findings):
                raise _refused(self.adapters.sink.location, findings)
            case Publish() | Keep():
                return found, decision
            case _:
                assert_never(decision)

    def remember(self, manifest: Manifest) -> None:
        """Keep what was published in the state file, if it says something new."""
        memory = self.adapters.memory
        if memory is not None:
            remembered = self._recall()
            if remembered is None or not remembered.says_the_same(manifest):
                memory.remember(manifest.dumps())

    def _recall(self) -> Manifest | None:
        data = self.adapters.memory.recall() if self.adapters.memory else None
        if data is None:
            return None
        try:
            return Manifest.parse(data, where="state file")
        except ManifestError as error:
            raise SettingsError(
                error.where, error.what, "remove the file once you know that the published keys are SPIRE's"
            ) from error

    def _read(self, remembered: Manifest | None) -> Found:
        sink = self.adapters.sink
        objects = [sink.read(path, self.deadline) for path in self.settings.paths]
        return Found.of(objects, remembered=remembered, where=sink.location)

    def _plan(self, found: Found) -> Plan:
        wanted = Wanted(
            bundle=self.fetched.bundle,
            source=self.fetched.source,
            settings=self.settings,
            documents=self.documents,
            publisher_version=__version__,
        )
        return plan(found, wanted, overrides=self.overrides, now=self.now())

    def _note(self, decision: Publish | Keep) -> None:
        self.reported += [finding for finding in decision.findings if finding not in self.reported]
        if self.changes is None and isinstance(decision, Publish):
            self.changes = decision.changes

    def _write(self, decision: Publish | Keep) -> None:
        for write in _documents(decision):
            stored = self._write_one(write)
            self.written.append(write.document.path)
            self._read_back(write, stored)
        self._write_one(decision.manifest_write)

    def _write_one(self, write: Write) -> StoredObject:
        if self.deadline.passed:
            raise SinkUnavailableError(
                f"{self.adapters.sink.location}/{write.document.path}",
                "the time of this run is over",
                "run again: the next run finishes it; raise --timeout if it lasts",
            )
        return self.adapters.sink.write(write.document, write.replaces, self.deadline)

    def _read_back(self, write: Write, stored: StoredObject) -> None:
        """Look at what readers get. Another writer's object is a lost race: plan again."""
        there = self.adapters.sink.read(write.document.path, self.deadline)
        if there is None or there.generation != stored.generation or not there.is_like(write.document):
            raise SinkConflictError(
                f"{self.adapters.sink.location}/{write.document.path}",
                "is not what was written a moment ago",
                "find out who else writes there",
            )


def _documents(decision: Publish | Keep) -> Sequence[Write]:
    return decision.documents if isinstance(decision, Publish) else ()


def _has(decision: Plan, codes: Collection[str]) -> bool:
    return any(finding.code in codes for finding in decision.findings)


def _confirmed_meanwhile(found: Found, decision: Keep, started: datetime) -> bool:
    there = found.manifest
    return there is not None and there.confirmed_at >= started and there.says_the_same(decision.manifest)


def _refused(where: str, findings: tuple[Finding, ...]) -> RefusedError:
    needed = dict.fromkeys(
        f"--{rules.OVERRIDE_OF[finding.code]}" for finding in findings if finding.code in rules.OVERRIDE_OF
    )
    remedy = " and ".join(f"{finding.code}: {finding.remedy}" for finding in findings)
    if len(needed) > 1:
        remedy += f" (an override needs all of {' '.join(needed)})"
    what = "refused, nothing was changed: " + " and ".join(finding.what for finding in findings)
    return RefusedError(where, what, remedy, findings=findings)
