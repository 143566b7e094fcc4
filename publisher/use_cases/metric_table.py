"""Every metric of the publisher: what it is called, what it means and when it is there."""

from typing import Final, NamedTuple

from publisher.serving.exposition import Family, Samples

PREFIX: Final = "spire_oidc_publisher_"
"""What every name begins with. The function's metrics begin with `spire_oidc_` alone."""

PUBLICATION: Final = ("publication",)
FINDING: Final = (*PUBLICATION, "code", "severity")
KEY: Final = (*PUBLICATION, "kid", "thumbprint")
"""The labels of a sample: of a publication, of a finding, of a key."""


class Metric(NamedTuple):
    """Describe one metric; `name` is without prefix and without the suffix of its kind.

    `watching`: only a process that stays can tell it, so one-shot runs leave it out. `kept`: a run that
    learns nothing new (it failed, or found nothing to change) repeats what was told before, so that a
    failure takes nothing from sight.
    """

    name: str
    kind: str
    text: str
    labels: tuple[str, ...] = PUBLICATION
    unit: str = ""
    watching: bool = False
    kept: bool = False

    @property
    def sample_name(self) -> str:
        """Give the whole name, as it stands in a query."""
        return self.family([]).sample_name

    def family(self, samples: Samples) -> Family:
        """Put samples below this name."""
        return Family(
            name=PREFIX + self.name, kind=self.kind, text=self.text, samples=samples, unit=self.unit
        )


def _time(name: str, text: str, labels: tuple[str, ...] = PUBLICATION, **more: bool) -> Metric:
    return Metric(f"{name}_timestamp_seconds", "gauge", text, labels, "seconds", **more)


METRICS: Final = (
    Metric(
        "build",
        "info",
        "Which version publishes which issuer, and where.",
        (*PUBLICATION, "version", "issuer", "place"),
    ),
    Metric(
        "bundle",
        "info",
        "Where the published keys come from.",
        (*PUBLICATION, "trust_domain", "source"),
        kept=True,
    ),
    _time("started", "When the process started.", watching=True),
    Metric("rounds", "counter", "Rounds that ended.", watching=True),
    Metric("rounds_changed", "counter", "Rounds that wrote documents.", watching=True),
    Metric(
        "rounds_failed", "counter", "Rounds that did not reach their end and may next time.", watching=True
    ),
    Metric("rounds_refused", "counter", "Rounds that refused what the source offered.", watching=True),
    Metric(
        "retries", "gauge", "Rounds in a row, the last one included, that did not succeed.", watching=True
    ),
    Metric("last_exit_status", "gauge", "What the last round ended with; 0 is success."),
    Metric("is_refused", "gauge", "Whether the last round refused what the source offers."),
    _time("last_round", "When the last round ended."),
    Metric("last_round_duration_seconds", "gauge", "How long the last round took.", unit="seconds"),
    _time("last_success", "When a round last succeeded.", kept=True),
    _time("last_change", "When a round last wrote documents.", kept=True),
    Metric(
        "findings",
        "gauge",
        "Findings of the last round that reached its end, and of a failure since.",
        FINDING,
    ),
    _time("finding_last_seen", "When a round last had such a finding; for a week.", FINDING, kept=True),
    Metric("sequence_number", "gauge", "The sequence number of the published trust bundle.", kept=True),
    _time("modified", "When a document last changed.", kept=True),
    _time("confirmed", "When the source last agreed with the documents.", kept=True),
    _time("due", "When the publication becomes due.", kept=True),
    _time("stale", "When the publication becomes stale.", kept=True),
    Metric("keys", "gauge", "How many keys the publication has.", kept=True),
    Metric("key", "info", "The keys of the publication.", (*KEY, "alg"), kept=True),
    _time("key_first_published", "When the key was first published.", KEY, kept=True),
    _time("key_expiry", "When the key expires.", KEY, kept=True),
    Metric("key_is_tainted", "gauge", "Whether SPIRE calls the key tainted.", KEY, kept=True),
    Metric(
        "key_lead_time_needed_seconds",
        "gauge",
        "How long the key must be published before it signs.",
        KEY,
        "seconds",
        kept=True,
    ),
    Metric(
        "key_lead_time_available_seconds",
        "gauge",
        "How long the key was or will be published before it signs, by SPIRE's rule unless it was seen.",
        KEY,
        "seconds",
        kept=True,
    ),
    Metric(
        "key_lead_time_margin_seconds",
        "gauge",
        "The time available less the time needed; as sure as the time available.",
        KEY,
        "seconds",
        kept=True,
    ),
)
"""All of them, in the order in which they are written. `docs/metrics.md` explains each."""

BY_NAME: Final = {metric.sample_name: metric for metric in METRICS}
"""The same, by their whole names."""
