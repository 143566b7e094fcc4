"""What `publish` does with one publication, and what it says about it."""

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any

from publisher.cli.lead_times import lead_members, margin_lines
from publisher.cli.printing import bare, colour
from publisher.cli.run_metrics import RunMetrics
from publisher.cli.session import Command, Ended, Session
from publisher.errors import ExitStatus, PublisherError
from publisher.findings import Finding
from publisher.publication.manifest import PublishedKey, format_time
from publisher.settings.layers import Reader
from publisher.settings.options import PUBLISH
from publisher.settings.run import RunSettings, Selected
from publisher.settings.targets import PublishTarget, refuse_clashes
from publisher.use_cases.publish import Outcome, publish

MOST_LISTED = 50
"""The most keys of one sort that a person is shown; the JSON output has them all."""

_VERIFIED = {
    "verified": "the public URL serves it",
    "propagating": "a cache in front of the public URL still serves what was there before",
    "failed": "THE PUBLIC URL DOES NOT SERVE IT",
    "off": "the public URL was not read",
}
_UPLOADED = "Google shows the keys; no public URL was read"
_UNITS = ((172800, 86400, "d"), (7200, 3600, "h"), (120, 60, "min"), (0, 1, "s"))


class PublishCommand(Command[PublishTarget, Outcome]):
    """Publish once."""

    name = PUBLISH

    def __init__(self) -> None:
        self._metrics = RunMetrics()

    def read(self, reader: Reader) -> PublishTarget:
        """Read the settings of one publication."""
        return PublishTarget.read(reader)

    def forbid(self, selected: tuple[Selected[PublishTarget], ...], _run: RunSettings, /) -> None:
        """Refuse two publications that write the same object or state file."""
        refuse_clashes(selected)

    def work(self, settings: PublishTarget, session: Session) -> Outcome:
        """Publish one publication."""
        with self._metrics.timed(settings):
            return publish(
                session.wiring.adapters(settings),
                settings.documents,
                overrides=settings.overrides,
                bucket_url=settings.bucket_url,
                dry_run=session.run.dry_run,
                deadline=session.deadline,
            )

    def conclude(self, ended: list[Ended[PublishTarget, Outcome]], session: Session, /) -> None:
        """Write the metrics of the run."""
        self._metrics.write(ended, session)

    def status(self, result: Outcome, _run: RunSettings, /) -> ExitStatus:
        """Give what the use case says: temporary when the public URL does not serve it."""
        return result.exit_status

    def findings(self, result: Outcome) -> tuple[Finding, ...]:
        """Give everything that was found."""
        return result.findings

    def members(self, ended: Ended[PublishTarget, Outcome], run: RunSettings, /) -> dict[str, Any]:
        """Give what changed, and the manifest's own times."""
        target, outcome = ended.settings, ended.result
        described = {
            "issuer": target and target.documents.issuer.url,
            "sink": target and target.sink.uri,
            "dry_run": run.dry_run,
        }
        if isinstance(outcome, PublisherError):
            unknown = ("changed", "written", "verified", "keys", "trust_domain", "sequence_number")
            times = ("modified_at", "confirmed_at", "due_at", "stale_at", "lead_times")
            return described | dict.fromkeys((*unknown, *times))
        manifest = outcome.manifest
        return {
            **described,
            "changed": outcome.changed,
            "written": list(outcome.written),
            "verified": str(outcome.verified),
            "keys": {
                "added": [_key(key) for key in outcome.changes.added],
                "removed": [_key(key) for key in outcome.changes.removed],
                "kept": [_key(key) for key in outcome.changes.kept],
            },
            "trust_domain": manifest.trust_domain,
            "sequence_number": manifest.sequence_number,
            "modified_at": format_time(manifest.modified_at),
            "confirmed_at": format_time(manifest.confirmed_at),
            "due_at": format_time(manifest.due_at),
            "stale_at": format_time(manifest.stale_at),
            "lead_times": lead_members(outcome.lead_times),
        }

    def text(self, ended: Ended[PublishTarget, Outcome], session: Session, /) -> Iterator[str]:
        """Say which keys came, went and stayed, then what was done."""
        outcome, target = ended.result, ended.settings
        named = f"{ended.name}: " if ended.name else ""
        if isinstance(outcome, PublisherError) or target is None:
            if ended.name:  # among several: where the others report, this one is not silent
                yield colour("-", f"{named}failed, see the log\n", coloured=session.coloured)
            return
        if session.run.quiet and not session.run.verbose and not session.run.dry_run:
            return
        for mark, line in report_lines(
            outcome, target, now=session.wiring.clock.now(), dry_run=session.run.dry_run
        ):
            yield colour(mark, named + line, coloured=session.coloured) + "\n"


def report_lines(
    outcome: Outcome, target: PublishTarget, *, now: datetime, dry_run: bool
) -> Iterator[tuple[str, str]]:
    """Give the lines about the keys, each with its mark (`+ - =`), then what was done, without one."""
    for mark, keys in (
        ("+", outcome.changes.added),
        ("-", outcome.changes.removed),
        ("=", outcome.changes.kept),
    ):
        for key in keys[:MOST_LISTED]:
            yield mark, f"{mark} {bare(key.kid)} {bare(key.alg)}{_expiry(key, now)}"
        if len(keys) > MOST_LISTED:
            yield "", f"{mark} and {len(keys) - MOST_LISTED} more"
    for line in margin_lines(outcome.lead_times):
        yield "", line
    yield "", _sentence(outcome, target, dry_run=dry_run)


def _sentence(outcome: Outcome, target: PublishTarget, *, dry_run: bool) -> str:
    place = f"{target.documents.issuer} at {target.sink}"
    if dry_run:
        done = (
            f"would publish {', '.join(outcome.written)}"
            if outcome.changed
            else "nothing to do, would confirm"
        )
        return f"{done}: {place} (dry run: nothing was written)"
    done = f"published {', '.join(outcome.written)}" if outcome.changed else "nothing to do, confirmed"
    seen = _UPLOADED if target.documents.uploaded else _VERIFIED[outcome.verified]
    return f"{done}: {place} ({seen})"


def _expiry(key: PublishedKey, now: datetime) -> str:
    if key.expires_at is None:
        return ""
    if key.expires_at > now:
        return f" expires in {_span(key.expires_at - now)}"
    return f" expired {_span(now - key.expires_at)} ago"


def _span(span: timedelta) -> str:
    """Round down to the unit in which a person would say it: 23 h, not 0 d."""
    seconds = int(span.total_seconds())
    size, unit = next((size, unit) for least, size, unit in _UNITS if seconds >= least)
    return f"{seconds // size} {unit}"


def _key(key: PublishedKey) -> dict[str, str | None]:
    return {
        "kid": key.kid,
        "alg": key.alg,
        "thumbprint": key.thumbprint,
        "first_published_at": _time(key.first_published_at),
        "expires_at": _time(key.expires_at),
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
