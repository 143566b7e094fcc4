"""Fetch, build, plan, write, read back: one publication, once."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime

from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import ExitStatus, PublisherError, SettingsError
from publisher.findings import Finding
from publisher.ports import Deadline, Sink
from publisher.publication import lead_rules, lead_time
from publisher.publication.document_set import PublicationSettings
from publisher.publication.lead_rules import Outlook
from publisher.publication.lead_time import KeyLeadTime
from publisher.publication.manifest import Manifest
from publisher.publication.rotation import KeyChanges
from publisher.publication.rules import Overrides
from publisher.use_cases.run import Adapters, Run
from publisher.use_cases.verify_url import Verified

__all__ = ["Adapters", "Outcome", "publish"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """Say what a run did, or would do in a dry run.

    `written` are paths in order; `changes` compare with what relying parties could read before;
    `lead_times` are in the order of the manifest's keys.
    """

    changed: bool
    written: tuple[str, ...]
    changes: KeyChanges
    findings: tuple[Finding, ...]
    manifest: Manifest
    bundle: TrustBundle
    verified: Verified
    exit_status: ExitStatus
    lead_times: tuple[KeyLeadTime, ...] = ()


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
    run = Run(
        adapters=adapters,
        settings=settings,
        overrides=overrides,
        bucket_url=bucket_url,
        dry_run=dry_run,
        deadline=deadline,
    )
    try:
        decision = run.settle(run.fetch())
    except PublisherError as error:
        error.findings = (*error.findings, *(one for one in run.reported if one not in error.findings))
        raise
    status = ExitStatus.DONE if dry_run else run.conclude(decision.manifest)
    verified, seen = run.verify(decision)
    if verified is Verified.FAILED:
        status = ExitStatus.TEMPORARY
    witness = run.fetched.witness
    times = lead_time.lead_times(
        decision.manifest,
        function_refresh=settings.timing.function_refresh,
        used=run.used,
        used_at=witness.issued_at if witness else None,
    )
    return Outcome(
        changed=run.changes is not None,
        written=tuple(run.written),
        changes=run.changes or decision.changes,
        findings=(
            *run.judged,
            *run.reported,
            *adapters.sink.findings(),
            *seen,
            *_lead_findings(decision.manifest, times, settings, now=run.now()),
        ),
        manifest=decision.manifest,
        bundle=run.fetched.bundle,
        verified=verified,
        exit_status=status,
        lead_times=times,
    )


def _lead_findings(
    manifest: Manifest, times: tuple[KeyLeadTime, ...], settings: PublicationSettings, *, now: datetime
) -> Iterator[Finding]:
    timing, max_age = settings.timing, settings.jwks_max_age
    outlook = Outlook.of(timing, lead_time.life_of(manifest.keys, timing), max_age=max_age)
    where = str(settings.issuer)
    yield from lead_rules.judge_settings(outlook, timing, max_age=max_age, where=where)
    yield from lead_rules.judge_keys(manifest, times, now=now, outlook=outlook.verdict)


def _require_own_bucket(settings: PublicationSettings, sink: Sink, bucket_url: str | None) -> None:
    urls = sink.public_urls if bucket_url is None else (bucket_url.removesuffix("/"),)
    if urls and settings.issuer.url.removesuffix("/") not in urls:
        raise SettingsError(
            f"issuer {settings.issuer}",
            f"does not belong to {sink.location}, which is read at {' or '.join(urls)}",
            "correct --issuer or --sink, or set --bucket-url to the domain in front of the bucket",
        )
