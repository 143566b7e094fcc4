"""Statuses of the watch to render, one for each way that things can stand."""

from datetime import UTC, datetime, timedelta
from typing import Any

from publisher.findings import Finding, Severity
from publisher.serving.status import Counters, KeyStatus, Serving, State, Status

NOW = datetime(2026, 7, 31, 14, 3, 22, tzinfo=UTC)
HOUR = timedelta(hours=1)
HOSTILE = (
    "</style><script>alert(1)</script>",
    "' onload=alert(1) x=\"",
    "\u202egnp.exe\ud800\x00\n",
    "x" * 5000,
    "W" * 72,
    "&lt;b&gt;\\\\",
    "",
)


def key(kid: str, first: float | None, expiry: float | None) -> KeyStatus:
    """Make a key that was published `first` hours after now and expires `expiry` hours after it."""
    return KeyStatus(
        kid=kid,
        alg="ES256",
        thumbprint=f"thumbprint of {kid!a}",
        first_published_at=None if first is None else NOW + first * HOUR,
        expires_at=None if expiry is None else NOW + expiry * HOUR,
    )


KEYS = (
    key("expired0qkWvZ8yTgRbN3mXcD5fH7jK9", -30, -2),
    key("old00000qkWvZ8yTgRbN3mXcD5fH7jK9", -18, 6),
    key("active00qkWvZ8yTgRbN3mXcD5fH7jK9", -6, 18),
    key("prepared0kWvZ8yTgRbN3mXcD5fH7jK9", -0.2, 24),
)


def serving(age: timedelta = timedelta(minutes=3), keys: tuple[KeyStatus, ...] = KEYS) -> Serving:
    """Make a snapshot that was confirmed `age` ago: due after 15 min, stale after 1 h, refused after 24 h."""
    confirmed = NOW - age
    return Serving(
        trust_domain="example.org",
        sequence_number=42,
        source="server-api:unix:/run/spire/server.sock",
        modified_at=confirmed - 6 * HOUR,
        confirmed_at=confirmed,
        due_at=confirmed + HOUR / 4,
        stale_at=confirmed + HOUR,
        refused_at=confirmed + 24 * HOUR,
        publisher_version="0.1.0",
        keys=keys,
    )


def status(state: State, **changes: Any) -> Status:
    """Make a status; what is not given is that of a healthy watch."""
    values: dict[str, Any] = {
        "at": NOW,
        "started_at": NOW - 5 * HOUR,
        "issuer": "https://oidc.example.org/spire",
        "place": "gs://example-spire-oidc",
        "version": "0.1.0",
        "state": state,
        "is_served": True,
        "serving": serving(),
        "last_good_read_at": NOW - timedelta(seconds=12),
        "last_try_at": NOW - timedelta(seconds=12),
        "next_try_at": NOW + timedelta(seconds=18),
        "counters": Counters(reads=1234, accepted=1230, failed=3, mixed=1, changed=4),
    }
    return Status(**(values | changes))


def finding(severity: Severity, what: str, code: str = "ROT002") -> Finding:
    """Make a finding with a remedy that names a long option."""
    remedy = "if that was meant, publish once with --accept-disjoint-keys"
    return Finding(code=code, severity=severity, where="gs://example-spire-oidc", what=what, remedy=remedy)


FINDINGS = (
    finding(Severity.ERROR, "no key of the new set is in the one that is served"),
    finding(Severity.WARNING, "promises to be confirmed within 9 days, the most is 7", "FRE003"),
    finding(Severity.INFO, "is 4 seconds ahead of this machine's clock", "FRE004"),
)

STATUSES = {
    "fresh": status(State.FRESH),
    "due": status(State.DUE, serving=serving(HOUR / 2), findings=FINDINGS[1:]),
    "stale": status(State.STALE, serving=serving(5 * HOUR), findings=FINDINGS[:1]),
    "refused": status(
        State.STALE, serving=serving(25 * HOUR, KEYS[:1]), is_served=False, findings=FINDINGS[:1]
    ),
    "invalid": status(State.INVALID, findings=FINDINGS),
    "invalid from the start": status(State.INVALID, serving=None, is_served=False, findings=FINDINGS),
    "empty": status(
        State.EMPTY,
        serving=None,
        is_served=False,
        last_good_read_at=None,
        last_try_at=None,
        next_try_at=None,
        counters=Counters(),
    ),
    "twelve keys": status(
        State.FRESH,
        serving=serving(keys=tuple(key(f"k{n}" * 16, -190 + n * 12, n * 20 - 10) for n in range(12))),
    ),
    "two hundred keys": status(
        State.FRESH, serving=serving(keys=tuple(key(f"key-{n}", n - 700, n * 4 + 1) for n in range(200)))
    ),
    "hostile": status(
        State.INVALID,
        issuer="https://x.example/\"><script>alert('1')</script>\u202e",
        place="gs://" + "y" * 3000,
        findings=tuple(finding(Severity.ERROR, text, "<b>") for text in HOSTILE) * 5,
        serving=serving(
            keys=(
                *(key(kid, -number, number) for number, kid in enumerate(HOSTILE)),
                key("no times", None, None),
                key("no expiry", -5, None),
                key("no beginning", None, 8),
                key("no beginning, expired", None, -8),
                key("for ages", -9000 * 24, 90000 * 24),
                key("not yet", 3, 9),
                key("backwards", 3, -9),
                key("ended long ago", -90000, -80000),
            )
        ),
    ),
}
