"""One run of `publish`: from the bundle to a confirmed manifest, past races and second looks."""

import contextlib
import random
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import assert_never

from publisher import __version__
from publisher.bundle.fetched import Fetched
from publisher.errors import (
    ExitStatus,
    RefusedError,
    SettingsError,
    SinkConflictError,
    SinkError,
    SinkUnavailableError,
)
from publisher.findings import Finding
from publisher.ports import Clock, Deadline, Memory, Sink, Source, Web
from publisher.publication import document_set, reports, rules, uploaded
from publisher.publication.document_set import DocumentSet, PublicationSettings, StoredObject
from publisher.publication.found import Found
from publisher.publication.manifest import Manifest, ManifestError, ReplacedDocument
from publisher.publication.rotation import Keep, KeyChanges, Plan, Publish, Refuse, Wanted, Write, plan
from publisher.publication.rules import Overrides
from publisher.use_cases.put_back import put_back
from publisher.use_cases.reasons import not_remembered, refused
from publisher.use_cases.render import judge
from publisher.use_cases.verify_url import Verified, verify_url

MOST_ATTEMPTS = 6
"""How often one run plans again because another publisher wrote in between."""

SETTLE_SECONDS = 1.0
"""How long a stranger's key may be another publisher's that has not written its manifest yet."""

_UNSURE = reports.TAMPERING | {rules.NOT_OURS, reports.TAKEN_OVER, reports.LOST_MANIFEST}
"""What a second look may show to be another publisher's half-done work, or a store's slip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adapters:
    """Hold what one publication is done with. `memory` None: no state file; `web` None: `--no-verify-url`.

    `notice` is told every finding about the sink before anything is repaired: a run that dies right after
    the repair would else take the alarm with it.
    """

    source: Source
    sink: Sink
    memory: Memory | None
    web: Web | None
    clock: Clock
    notice: Callable[[Finding], None] = lambda _finding: None


@dataclass(kw_only=True)
class Run:
    """Hold one run on its way from bundle to confirmed manifest."""

    adapters: Adapters
    settings: PublicationSettings
    overrides: Overrides
    bucket_url: str | None
    dry_run: bool
    deadline: Deadline
    fetched: Fetched = field(init=False)
    documents: DocumentSet = field(init=False)
    refetched: bool = False
    doubted: bool = False
    settled: bool = False
    remembered: Manifest | None = None
    judged: tuple[Finding, ...] = ()
    reported: list[Finding] = field(default_factory=list)
    written: list[str] = field(default_factory=list)
    overwrites: list[Write] = field(default_factory=list)
    begun: bool = False
    changes: KeyChanges | None = None
    replaced: tuple[ReplacedDocument, ...] = ()

    def now(self) -> datetime:
        """Give the time in whole seconds: what manifests are written in."""
        return self.adapters.clock.now().replace(microsecond=0)

    @property
    def used(self) -> str | None:
        """Name the key that signed the publisher's own JWT-SVID; None: it has none."""
        return self.fetched.witness.kid if self.fetched.witness else None

    def fetch(self) -> Fetched:
        """Fetch the bundle and build the documents of it."""
        fetched = self.adapters.source.fetch(self.deadline)
        if self.settings.uploaded:
            fetched = uploaded.fit(fetched, now=self.now())
        self.documents = document_set.build(fetched.bundle, self.settings)
        self.judged = judge(fetched, self.settings)
        return fetched

    def settle(self, fetched: Fetched) -> Publish | Keep:
        """Plan and write until the sink holds what is wanted, and nobody wrote in between."""
        self.fetched = fetched
        self.remembered = self._recall()
        remembered, started = self.remembered, self.now()
        for attempt in range(MOST_ATTEMPTS):
            if attempt:
                self.adapters.clock.sleep(random.uniform(0.05, 0.2) * attempt)  # noqa: S311 (jitter)
            if self.deadline.passed:
                break
            try:
                found, decision = self._decide(remembered)
            except RefusedError:
                with contextlib.suppress(
                    SinkError, SettingsError
                ):  # the refusal is what a person must hear of
                    self._put_back()
                raise
            self._note(decision)
            if self.dry_run:
                self._rehearse(decision)
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
        while True:
            found = self._read(remembered)
            decision = self._plan(found)
            if isinstance(decision, Refuse) and _has(decision, {rules.LOWER}) and not self.refetched:
                self.refetched = True  # a server of the cluster, or an agent, may only lag behind
                self._pause()
                self.fetched = self.fetch()
            elif self._may_be_late(decision):
                # A newer bundle's publisher may be between its JWKS and its manifest.
                self.doubted = self.settled = True
                self._pause()
                self.fetched = self.fetch()
            elif _has(decision, _UNSURE) and not self.settled:
                self.settled = True  # another publisher may be between its JWKS and its manifest
                self._pause()
            else:
                break
        match decision:
            case Refuse(findings=findings):
                raise refused(self.adapters.sink.location, findings)
            case Publish() | Keep():
                return found, decision
            case _:
                assert_never(decision)

    def _may_be_late(self, decision: Plan) -> bool:
        """Tell whether the JWKS that would be overwritten may be newer than what was fetched.

        Nothing accounts for it yet: its publisher may have fetched after this run did, and a key that is
        revoked since would come back.
        """
        if not isinstance(decision, Publish) or self.begun or self.doubted:
            return False
        writes_jwks = any(write.document is self.documents.jwks for write in decision.documents)
        return writes_jwks and _has(decision, reports.TAMPERING | {reports.UNFINISHED})

    def _pause(self) -> None:
        self.adapters.clock.sleep(min(SETTLE_SECONDS, self.deadline.remaining() / 4))

    def _put_back(self) -> None:
        """Write back what a newer publisher's manifest lists and this run overwrote before that was there."""
        put_back(lambda: self._read(self.remembered), self.documents, self.overwrites, self._write_one)

    def _rehearse(self, decision: Publish | Keep) -> None:
        """Fail as the run would, as far as that can be told."""
        self.adapters.sink.rehearse(self.deadline)
        if self.adapters.memory is not None and self._is_news(decision.manifest):
            self.adapters.memory.rehearse(self.deadline)

    def _is_news(self, manifest: Manifest) -> bool:
        return self.remembered is None or not self.remembered.says_the_same(manifest)

    def conclude(self, manifest: Manifest) -> ExitStatus:
        """Keep in the state file that what it announced is published: nothing is to be replaced any more.

        Without this a takeover would look unfinished until the next rotation, and who puts the old documents
        back would be taken for its rest.
        """
        announced = bool(self.remembered and self.remembered.replaced)
        return self._remember(replace(manifest, replaced=()), is_news=announced or self._is_news(manifest))

    def _remember(self, manifest: Manifest, *, is_news: bool) -> ExitStatus:
        """Write the state file; that it cannot be written is a finding and an exit status, no more."""
        memory = self.adapters.memory
        if memory is None or not is_news:
            return ExitStatus.DONE
        try:
            memory.remember(manifest.dumps())
        except SinkError as error:
            self._report(not_remembered(error))
            return error.exit_status
        self.remembered = manifest
        return ExitStatus.DONE

    def verify(self, decision: Publish | Keep) -> tuple[Verified, tuple[Finding, ...]]:
        """Read the public URL; in a dry run only where nothing would be written first."""
        rehearsed = self.dry_run and isinstance(decision, Publish)
        verified, findings = verify_url(
            None if rehearsed else self.adapters.web,
            self.settings.issuer,
            self.documents,
            decision.manifest,
            now=self.now(),
            deadline=self.deadline,
        )
        if verified is Verified.FAILED and self._is_overtaken():
            return Verified.PROPAGATING, ()
        return verified, findings

    def _is_overtaken(self) -> bool:
        """Tell whether the sink has other documents by now: another publisher's, who verifies them."""
        for document in (self.documents.jwks, self.documents.configuration):
            there = self.adapters.sink.read(document.path, self.deadline)
            if there is not None and there.body != document.body:
                return True
        return False

    def _recall(self) -> Manifest | None:
        data = self.adapters.memory.recall() if self.adapters.memory else None
        if data is None:
            return None
        try:
            return Manifest.parse(
                data, where=self.adapters.memory.location if self.adapters.memory else "state file"
            )
        except ManifestError as error:
            raise SettingsError(
                error.where, error.what, "remove the file once you know that the published keys are SPIRE's"
            ) from error

    def _read(self, remembered: Manifest | None) -> Found:
        sink = self.adapters.sink
        # The manifest first, so that its generation vouches for the documents: whoever replaces them after
        # this, and ends, has replaced the manifest, and the write that is conditioned on it fails.
        last_written_first = [sink.read(path, self.deadline) for path in reversed(self.settings.paths)]
        return Found.of(reversed(last_written_first), remembered=remembered, where=sink.location)

    def _plan(self, found: Found) -> Plan:
        wanted = Wanted(
            bundle=self.fetched.bundle,
            source=self.fetched.source,
            settings=self.settings,
            documents=self.documents,
            publisher_version=__version__,
            public_urls=self.adapters.sink.public_urls,
            used=self.used,
            used_at=self.fetched.witness.issued_at if self.fetched.witness else None,
            left_out=self.fetched.left_out,
        )
        return plan(found, wanted, overrides=self.overrides, now=self.now(), replaced=self.replaced)

    def _note(self, decision: Publish | Keep) -> None:
        for finding in decision.findings:
            if finding.code == reports.UNFINISHED and self.begun:
                continue  # by this run itself, maybe by a write whose reply was lost; or a lost race
            self._report(finding)
        self.replaced = decision.manifest.replaced
        if self.changes is None and isinstance(decision, Publish):
            self.changes = decision.changes

    def _report(self, finding: Finding) -> None:
        if finding not in self.reported:
            self.reported.append(finding)
            self.adapters.notice(finding)

    def _write(self, decision: Publish | Keep) -> None:
        self.begun = True
        if isinstance(decision, Publish):
            # First of all: what this run is about to write must never be a stranger's to the next one.
            self._remember(decision.manifest, is_news=self._is_news(decision.manifest))
        for write in _documents(decision):
            stored = self._write_one(write)
            self.written.append(write.document.path)
            self.overwrites.append(write)
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
