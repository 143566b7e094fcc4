"""One rotation on a time line: what happens when, what a key needs, how long a revoked one lives on."""

from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum

from publisher.publication.lead_rules import Outlook, cure
from publisher.publication.lead_time import Life, Verdict, life_of
from publisher.publication.spans import span
from publisher.publication.timing import Timing, activated_before, lead_of, prepared_before

KEPT_AFTER_EXPIRY = (timedelta(hours=24), timedelta(hours=30))
"""How long after its expiry SPIRE keeps an authority in the bundle: at least 24 h, looked at every 6 h."""

ONE_CACHE = (
    "Relying parties built on go-oidc, such as Vault and Kubernetes, keep a key that they have read until \
they restart or meet a token of a key that they do not know: restart them after a revocation that matters."
)
"""What no setting bounds."""


class Step(StrEnum):
    """Name the steps of a rotation, in the order in which they come where keys have their lead time."""

    PREPARED = "prepared"
    AT_SOURCE = "at_source"
    PUBLISHED = "published"
    READABLE = "readable"
    ACTIVATED = "activated"
    OLD_EXPIRES = "old_expires"
    OLD_LEAVES = "old_leaves"
    OLD_GONE = "old_gone"


_SAID = {
    Step.PREPARED: "SPIRE prepares the new key: it is in the bundle and signs nothing yet",
    Step.AT_SOURCE: "the source has it, at the latest",
    Step.PUBLISHED: "it is published, at the latest",
    Step.READABLE: "every relying party has it, at the latest: caches have let go of older documents",
    Step.ACTIVATED: "SPIRE activates it: it signs its first token, and the old key has signed its last",
    Step.OLD_EXPIRES: "the old key expires, and with it the last token that it signed",
    Step.OLD_LEAVES: "the old key leaves SPIRE's bundle",
    Step.OLD_GONE: "the old key is gone for every relying party, at the latest",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moment:
    """Place a step, counted from preparing the new key; `until` at the latest, where SPIRE leaves it open."""

    step: Step
    at: timedelta
    until: timedelta | None = None

    @property
    def said(self) -> str:
        """Say what happens."""
        return _SAID[self.step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Name one part of what a key needs, and the option that tells it."""

    name: str
    option: str
    period: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """Hold one rotation. `moments` are in order of time; `parts` add up to what is needed.

    `exposure`: how long a key may be accepted after its revocation; `advice`: what to change, None: nothing.
    """

    timing: Timing
    max_age: timedelta
    life: Life
    outlook: Outlook
    moments: tuple[Moment, ...]
    parts: tuple[Part, ...]
    exposure: timedelta
    advice: str | None

    @property
    def lead(self) -> timedelta:
        """Give how long SPIRE waits from preparing to activating a key."""
        return lead_of(self.life.ca_ttl)

    @property
    def old_expires(self) -> timedelta:
        """Give when, after the new key was prepared, the old one expires."""
        return prepared_before(self.life.ca_ttl)

    @property
    def verdict(self) -> str:
        """Say in a sentence how it stands."""
        margin = self.outlook.margin
        if self.outlook.verdict is Verdict.NEVER:
            return f"never safe: a key may sign up to {span(-margin)} before every relying party has it"
        if self.outlook.verdict is Verdict.THIN:
            return f"thin: every key has only {span(margin)} to spare"
        return f"safe: every key has {span(margin)} to spare"


def explain(timing: Timing, *, max_age: timedelta) -> Explanation:
    """Explain one rotation by SPIRE's rule, each delay at its worst. Pure.

    The old key is the one in use when the new one is prepared; both live for `ca_ttl`.
    """
    life = life_of((), timing)
    outlook = Outlook.of(timing, life, max_age=max_age)
    needed, expires = outlook.needed, prepared_before(life.ca_ttl)
    leaves = tuple(expires + kept for kept in KEPT_AFTER_EXPIRY)
    published = timing.unseen + timing.run_time
    moments = (
        Moment(step=Step.PREPARED, at=timedelta(0)),
        Moment(step=Step.AT_SOURCE, at=timing.source_delay),
        Moment(step=Step.PUBLISHED, at=published),
        Moment(step=Step.READABLE, at=needed),
        Moment(step=Step.ACTIVATED, at=expires - activated_before(life.ca_ttl)),
        Moment(step=Step.OLD_EXPIRES, at=expires),
        Moment(step=Step.OLD_LEAVES, at=leaves[0], until=leaves[1]),
        Moment(step=Step.OLD_GONE, at=leaves[0] + needed, until=leaves[1] + needed),
    )
    advised = outlook.verdict is not Verdict.SAFE
    return Explanation(
        timing=timing,
        max_age=max_age,
        life=life,
        outlook=outlook,
        moments=tuple(sorted(moments, key=lambda moment: moment.at)),
        parts=_parts(timing, max_age),
        exposure=needed,
        advice=cure(outlook, timing, max_age=max_age) if advised else None,
    )


def _parts(timing: Timing, max_age: timedelta) -> tuple[Part, ...]:
    return (
        Part(name="source delay", option="--source-delay", period=timing.source_delay),
        Part(name="interval", option="--run-interval", period=timing.interval),
        Part(name="run", option="--timeout", period=timing.run_time),
        Part(name="max-age", option="--jwks-max-age", period=max_age),
        Part(name="function", option="--function-refresh", period=timing.function_refresh),
        Part(name="relying party's cache", option="--relying-party-cache", period=timing.relying_party_cache),
    )
