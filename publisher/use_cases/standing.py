"""How one publication stands after its rounds: what the status line, the metrics and the log are made of."""

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Self

from publisher.bundle.trust_bundle import TrustBundle
from publisher.errors import ExitStatus, PublisherError
from publisher.findings import Finding
from publisher.publication.lead_time import KeyLeadTime
from publisher.publication.manifest import Manifest
from publisher.use_cases.look import Sight
from publisher.use_cases.publish import Outcome


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Hold what is known of one publication. Times are UTC, None: it has not happened since `started_at`.

    `rounds` of them `changed` wrote documents, `failed` ended with 75 or 78, `refused` with 65; `retries` is
    how many in a row, the last one included, did not end with 0. `seconds` is how long the last one took.
    `manifest`, `bundle`, `findings` and `lead_times` are of the last round that ended without an error, so
    that a failure takes nothing from sight; `error` is of the last round. Before such a round, `manifest` and
    `lead_times` may be what was seen at the sink; then `bundle` is None.
    """

    name: str | None
    issuer: str
    place: str
    started_at: datetime
    rounds: int = 0
    changed: int = 0
    failed: int = 0
    refused: int = 0
    retries: int = 0
    seconds: float = 0.0
    status: ExitStatus | None = None
    last_round_at: datetime | None = None
    last_success_at: datetime | None = None
    last_change_at: datetime | None = None
    manifest: Manifest | None = None
    bundle: TrustBundle | None = None
    findings: tuple[Finding, ...] = ()
    lead_times: tuple[KeyLeadTime, ...] = ()
    error: PublisherError | None = None

    def after(self, result: Outcome | PublisherError, *, at: datetime, seconds: float) -> Self:
        """Give how it stands after a round that ended at `at` and took so long."""
        status = result.exit_status
        done = status is ExitStatus.DONE
        stands = replace(
            self,
            rounds=self.rounds + 1,
            failed=self.failed + (not done and status is not ExitStatus.UNSAFE),
            refused=self.refused + (status is ExitStatus.UNSAFE),
            retries=0 if done else self.retries + 1,
            seconds=seconds,
            status=status,
            last_round_at=at,
            last_success_at=at if done else self.last_success_at,
        )
        if isinstance(result, PublisherError):
            return replace(stands, error=result)
        return replace(
            stands,
            changed=self.changed + result.changed,
            last_change_at=at if result.changed else self.last_change_at,
            manifest=result.manifest,
            bundle=result.bundle,
            findings=result.findings,
            lead_times=result.lead_times,
            error=None,
        )

    def having_seen(self, sight: Sight) -> Self:
        """Give how it stands once the sink has told what is published, before a round of this process did."""
        return replace(self, manifest=sight.manifest, lead_times=sight.lead_times)
