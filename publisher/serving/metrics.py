"""The status of the watch for machines, in the text format of OpenMetrics 1.0."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Final

from publisher.serving import exposition
from publisher.serving.exposition import Family, Samples, label, seconds
from publisher.serving.status import Counters, KeyStatus, Serving, State, Status

CONTENT_TYPE: Final = exposition.OPENMETRICS

_PREFIX = "spire_oidc_"
_COUNTED = {
    "reads": ("reads", "Refreshes begun."),
    "failed": ("reads_failed", "Refreshes that could not read the store."),
    "refused": ("reads_refused", "Refreshes that read something invalid."),
    "mixed": ("reads_mixed", "Refreshes that met two publications mixed."),
    "accepted": ("reads_accepted", "Refreshes that gave a valid snapshot."),
    "changed": ("reads_changed", "Accepted refreshes that brought other documents than were served before."),
}


def render_metrics(status: Status) -> bytes:
    """Render every metric of the watch, UTF-8, ended by `# EOF`. Pure: the same status, the same bytes.

    Ages are left to the reader: `time() - spire_oidc_confirmed_timestamp_seconds`. A time that is unknown
    has no sample, so that `absent()` finds it. Labels hold outside text as `outside_text.shown`: one key
    has one series, told apart by its thumbprint even where names were shortened.
    """
    families = [*_state(status), *_findings(status), *_counters(status.counters)]
    families += _times(
        {
            "observed": ("When this was observed.", status.at),
            "started": ("When the process started.", status.started_at),
            "last_good_read": ("When a valid publication was last read.", status.last_good_read_at),
            "last_try": ("When a refresh last began.", status.last_try_at),
            "next_try": ("Before when no refresh begins.", status.next_try_at),
        }
    )
    if status.serving:
        families += _publication(status.serving)
        families += _keys(status.serving.keys)
    return exposition.openmetrics(families)


def _state(status: Status) -> Iterator[Family]:
    name = f"{_PREFIX}state"
    states: Samples = [({name: state.value}, int(state is status.state)) for state in State]
    yield _family("state", "stateset", "How the watch stands; exactly one state is 1.", states)
    healthy, served = int(status.is_healthy), int(status.is_served)
    yield _family("is_healthy", "gauge", "Whether the status page answers 200.", [({}, healthy)])
    yield _family("is_served", "gauge", "Whether relying parties get the documents.", [({}, served)])
    about = {"version": status.version, "issuer": status.issuer, "place": status.place}
    yield _family("watch", "info", "What watches which issuer, and where it reads.", [(about, 1)])


def _findings(status: Status) -> Iterator[Family]:
    counted = Counter((finding.code, finding.severity.value) for finding in status.findings)
    samples: Samples = [
        ({"code": code, "severity": severity}, number) for (code, severity), number in sorted(counted.items())
    ]
    yield _family("findings", "gauge", "Findings that stand, by code and severity.", samples)


def _counters(counters: Counters) -> Iterator[Family]:
    for member, (name, text) in _COUNTED.items():
        yield _family(name, "counter", text, [({}, getattr(counters, member))])


def _publication(serving: Serving) -> Iterator[Family]:
    about = {
        "trust_domain": serving.trust_domain,
        "source": serving.source,
        "publisher_version": serving.publisher_version,
    }
    yield _family("publication", "info", "Where the publication comes from.", [(about, 1)])
    number: Samples = [] if serving.sequence_number is None else [({}, serving.sequence_number)]
    yield _family("sequence_number", "gauge", "The sequence number of the trust bundle.", number)
    yield from _times(
        {
            "modified": ("When a document last changed.", serving.modified_at),
            "confirmed": ("When the source last agreed with the documents.", serving.confirmed_at),
            "due": ("When the publication becomes due.", serving.due_at),
            "stale": ("When the publication becomes stale.", serving.stale_at),
            "refused": ("When it is served no more, whatever the policy.", serving.refused_at),
        }
    )


def _keys(keys: tuple[KeyStatus, ...]) -> Iterator[Family]:
    yield _family("keys", "gauge", "How many keys the publication has.", [({}, len(keys))])
    named = [({"kid": key.kid, "thumbprint": key.thumbprint}, key) for key in keys]
    kinds: Samples = [(names | {"alg": key.alg}, 1) for names, key in named]
    yield _family("key", "info", "The keys of the publication.", kinds)
    firsts = [(names, key.first_published_at) for names, key in named]
    yield _time("key_first_published", "When the key was first published.", firsts)
    expiries = [(names, key.expires_at) for names, key in named]
    yield _time("key_expiry", "When the key expires.", expiries)
    text = (
        "Lead time left over when every relying party knows the key, by SPIRE's rule unless it was seen;"
        " negative: it signs too soon."
    )
    margins: Samples = [
        (names, int(key.margin.total_seconds())) for names, key in named if key.margin is not None
    ]
    yield _family("key_lead_time_margin_seconds", "gauge", text, margins, unit="seconds")


def _times(times: Mapping[str, tuple[str, datetime | None]]) -> Iterator[Family]:
    for name, (text, moment) in times.items():
        yield _time(name, text, [({}, moment)])


def _time(name: str, text: str, moments: list[tuple[dict[str, str], datetime | None]]) -> Family:
    known: Samples = [(names, seconds(moment)) for names, moment in moments if moment is not None]
    return _family(f"{name}_timestamp_seconds", "gauge", text, known, unit="seconds")


def _family(name: str, kind: str, text: str, samples: Samples, unit: str = "") -> Family:
    """Make a family. Counters have no `_created`: `spire_oidc_started_timestamp_seconds` says it for all."""
    shown: Samples = [
        ({name: label(content) for name, content in labels.items()}, value) for labels, value in samples
    ]
    return Family(name=f"{_PREFIX}{name}", kind=kind, text=text, samples=shown, unit=unit)
