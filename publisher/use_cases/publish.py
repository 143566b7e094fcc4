"""Fetch, build, plan, write, read back: one publication, once."""

from dataclasses import dataclass

from publisher.errors import ExitStatus, PublisherError, SettingsError
from publisher.findings import Finding
from publisher.ports import Deadline, Sink
from publisher.publication.document_set import PublicationSettings
from publisher.publication.manifest import Manifest
from publisher.publication.rotation import KeyChanges
from publisher.publication.rules import Overrides
from publisher.use_cases.run import Adapters, Run
from publisher.use_cases.verify_url import Verified

__all__ = ["Adapters", "Outcome", "publish"]


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
    status = ExitStatus.DONE if dry_run else run.remember(decision.manifest)
    verified, seen = run.verify(decision)
    if verified is Verified.FAILED:
        status = ExitStatus.TEMPORARY
    return Outcome(
        changed=run.changes is not None,
        written=tuple(run.written),
        changes=run.changes or decision.changes,
        findings=(*run.judged, *run.reported, *adapters.sink.findings(), *seen),
        manifest=decision.manifest,
        verified=verified,
        exit_status=status,
    )


def _require_own_bucket(settings: PublicationSettings, sink: Sink, bucket_url: str | None) -> None:
    urls = sink.public_urls if bucket_url is None else (bucket_url.removesuffix("/"),)
    if urls and settings.issuer.url.removesuffix("/") not in urls:
        raise SettingsError(
            f"issuer {settings.issuer}",
            f"does not belong to {sink.location}, which is read at {' or '.join(urls)}",
            "correct --issuer or --sink, or set --bucket-url to the domain in front of the bucket",
        )
