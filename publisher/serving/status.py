"""How the watch over one publication stands, as data: what `/status` and `/metrics` are rendered from."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum

from publisher import strict_json
from publisher.findings import Finding
from publisher.publication.lead_time import KeyLeadTime
from publisher.publication.manifest import format_time, seconds_of


class State(StrEnum):
    """Say how things stand, for one glance.

    `empty`: nothing valid was ever read, so nothing is served. `invalid`: what is in the store is refused;
    the last good snapshot, if there is one, is served on. The others are the freshness of what is served;
    what is too old to be served is `stale`.
    """

    FRESH = "fresh"
    DUE = "due"
    STALE = "stale"
    INVALID = "invalid"
    EMPTY = "empty"


HEALTHY = frozenset({State.FRESH, State.DUE})
"""The states in which `/status` answers 200, if documents are served; else 503."""


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyStatus:
    """Show one key that is served. A time that nobody knows is None.

    `lead_time` counts the function's own refresh interval; None where the manifest tells of none.
    """

    kid: str
    alg: str
    thumbprint: str
    first_published_at: datetime | None
    expires_at: datetime | None
    lead_time: KeyLeadTime | None = None

    @property
    def margin(self) -> timedelta | None:
        """Give the time to spare between everybody's knowing the key and its first token; None: unknown."""
        return self.lead_time.margin if self.lead_time else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """Show the snapshot that is held, and its times in UTC.

    `due_at`, `stale_at` and `refused_at` are the earlier of the manifest's and the settings' times;
    `refused_at` is when it will not be served any more, whatever the policy.
    """

    trust_domain: str
    sequence_number: int | None
    source: str
    modified_at: datetime
    confirmed_at: datetime
    due_at: datetime
    stale_at: datetime
    refused_at: datetime
    publisher_version: str
    keys: tuple[KeyStatus, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Counters:
    """Count since the process started.

    `reads`: refreshes begun; `failed`: those that could not read; `refused`: those that read something
    invalid; `mixed`: those that met two publications mixed; `accepted`: those that gave a valid snapshot;
    `changed`: those of them that brought other documents than were served before.
    """

    reads: int = 0
    failed: int = 0
    refused: int = 0
    mixed: int = 0
    accepted: int = 0
    changed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """Hold everything that the watch knows, at the moment `at`.

    `place` is where documents come from (`gs://bucket`, a directory, `bundle-endpoint:https://...`), as
    outside text made printable. `serving` is None while nothing valid was read; `is_served` tells whether
    relying parties get documents now (the stale policy may forbid it). `findings` are the gravest first.
    Times are UTC, None: never.
    """

    at: datetime
    started_at: datetime
    issuer: str
    place: str
    version: str
    state: State
    is_served: bool
    serving: Serving | None
    findings: tuple[Finding, ...] = ()
    last_good_read_at: datetime | None = None
    last_try_at: datetime | None = None
    next_try_at: datetime | None = None
    counters: Counters = field(default_factory=Counters)

    @property
    def is_healthy(self) -> bool:
        """Tell whether `/status` answers 200."""
        return self.is_served and self.state in HEALTHY

    def age(self, moment: datetime | None) -> int | None:
        """Give the whole seconds since a moment, none of them negative; None: it never was."""
        return None if moment is None else max(int((self.at - moment).total_seconds()), 0)


def to_json(status: Status) -> bytes:
    """Serialise to canonical JSON. Times are RFC 3339, ages whole seconds, unknown is null."""
    return strict_json.dumps(
        {
            "at": format_time(status.at),
            "state": status.state.value,
            "healthy": status.is_healthy,
            "served": status.is_served,
            "issuer": status.issuer,
            "place": status.place,
            "version": status.version,
            "started_at": format_time(status.started_at),
            "last_good_read_at": _time(status.last_good_read_at),
            "last_good_read_age": status.age(status.last_good_read_at),
            "last_try_at": _time(status.last_try_at),
            "last_try_age": status.age(status.last_try_at),
            "next_try_at": _time(status.next_try_at),
            "findings": [
                {
                    "code": finding.code,
                    "severity": finding.severity.value,
                    "where": finding.where,
                    "what": finding.what,
                    "remedy": finding.remedy,
                }
                for finding in status.findings
            ],
            "publication": status.serving and _publication(status, status.serving),
            "counters": {name: getattr(status.counters, name) for name in Counters.__slots__},
        }
    )


def _publication(status: Status, serving: Serving) -> dict[str, object]:
    return {
        "trust_domain": serving.trust_domain,
        "sequence_number": serving.sequence_number,
        "source": serving.source,
        "publisher_version": serving.publisher_version,
        "modified_at": format_time(serving.modified_at),
        "modified_age": status.age(serving.modified_at),
        "confirmed_at": format_time(serving.confirmed_at),
        "confirmed_age": status.age(serving.confirmed_at),
        "due_at": format_time(serving.due_at),
        "stale_at": format_time(serving.stale_at),
        "refused_at": format_time(serving.refused_at),
        "keys": [
            {
                "kid": key.kid,
                "alg": key.alg,
                "thumbprint": key.thumbprint,
                "first_published_at": _time(key.first_published_at),
                "expires_at": _time(key.expires_at),
                "needed_seconds": seconds_of(key.lead_time.needed) if key.lead_time else None,
                "available_seconds": seconds_of(key.lead_time.available) if key.lead_time else None,
                "margin_seconds": seconds_of(key.margin),
                "evidence": key.lead_time.evidence if key.lead_time else None,
            }
            for key in serving.keys
        ],
    }


def _time(time: datetime | None) -> str | None:
    return None if time is None else format_time(time)
