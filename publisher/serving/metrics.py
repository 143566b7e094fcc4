"""The status of the watch for machines, in the text format of OpenMetrics 1.0."""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Final

from publisher.serving.outside_text import shown
from publisher.serving.status import Counters, KeyStatus, Serving, State, Status

CONTENT_TYPE: Final = "application/openmetrics-text; version=1.0.0; charset=utf-8"

_PREFIX = "spire_oidc_"
_LONG_LABEL = 256
_COUNTED = {
    "reads": ("reads", "Refreshes begun."),
    "failed": ("reads_failed", "Refreshes that could not read the store."),
    "refused": ("reads_refused", "Refreshes that read something invalid."),
    "mixed": ("reads_mixed", "Refreshes that met two publications mixed."),
    "accepted": ("reads_accepted", "Refreshes that gave a valid snapshot."),
    "changed": ("reads_changed", "Accepted refreshes that brought other documents than were served before."),
}

_Labels = Mapping[str, str]
_Samples = list[tuple[_Labels, int | float]]


def render_metrics(status: Status) -> bytes:
    """Render every metric of the watch, UTF-8, ended by `# EOF`. Pure: the same status, the same bytes.

    Ages are left to the reader: `time() - spire_oidc_confirmed_timestamp_seconds`. A time that is unknown
    has no sample, so that `absent()` finds it. Labels hold outside text as `outside_text.shown`: one key
    has one series, told apart by its thumbprint even where names were shortened.
    """
    lines = [*_state(status), *_findings(status), *_counters(status.counters)]
    lines += _times(
        {
            "observed": ("When this was observed.", status.at),
            "started": ("When the process started.", status.started_at),
            "last_good_read": ("When a valid publication was last read.", status.last_good_read_at),
            "last_try": ("When a refresh last began.", status.last_try_at),
            "next_try": ("Before when no refresh begins.", status.next_try_at),
        }
    )
    if status.serving:
        lines += _publication(status.serving)
        lines += _keys(status.serving.keys)
    return "".join(f"{line}\n" for line in (*lines, "# EOF")).encode()


def _state(status: Status) -> Iterator[str]:
    name = f"{_PREFIX}state"
    states: _Samples = [({name: state.value}, int(state is status.state)) for state in State]
    yield from _family("state", "stateset", "How the watch stands; exactly one state is 1.", states)
    healthy, served = int(status.is_healthy), int(status.is_served)
    yield from _family("is_healthy", "gauge", "Whether the status page answers 200.", [({}, healthy)])
    yield from _family("is_served", "gauge", "Whether relying parties get the documents.", [({}, served)])
    about = {"version": status.version, "issuer": status.issuer, "place": status.place}
    yield from _family("watch", "info", "What watches which issuer, and where it reads.", [(about, 1)])


def _findings(status: Status) -> Iterator[str]:
    counted = Counter((finding.code, finding.severity.value) for finding in status.findings)
    samples: _Samples = [
        ({"code": code, "severity": severity}, number) for (code, severity), number in sorted(counted.items())
    ]
    yield from _family("findings", "gauge", "Findings that stand, by code and severity.", samples)


def _counters(counters: Counters) -> Iterator[str]:
    for member, (name, text) in _COUNTED.items():
        yield from _family(name, "counter", text, [({}, getattr(counters, member))])


def _publication(serving: Serving) -> Iterator[str]:
    about = {
        "trust_domain": serving.trust_domain,
        "source": serving.source,
        "publisher_version": serving.publisher_version,
    }
    yield from _family("publication", "info", "Where the publication comes from.", [(about, 1)])
    number: _Samples = [] if serving.sequence_number is None else [({}, serving.sequence_number)]
    yield from _family("sequence_number", "gauge", "The sequence number of the trust bundle.", number)
    yield from _times(
        {
            "modified": ("When a document last changed.", serving.modified_at),
            "confirmed": ("When the source last agreed with the documents.", serving.confirmed_at),
            "due": ("When the publication becomes due.", serving.due_at),
            "stale": ("When the publication becomes stale.", serving.stale_at),
            "refused": ("When it is served no more, whatever the policy.", serving.refused_at),
        }
    )


def _keys(keys: tuple[KeyStatus, ...]) -> Iterator[str]:
    yield from _family("keys", "gauge", "How many keys the publication has.", [({}, len(keys))])
    named = [({"kid": key.kid, "thumbprint": key.thumbprint}, key) for key in keys]
    kinds: _Samples = [(label | {"alg": key.alg}, 1) for label, key in named]
    yield from _family("key", "info", "The keys of the publication.", kinds)
    firsts = [(label, key.first_published_at) for label, key in named]
    yield from _time("key_first_published", "When the key was first published.", firsts)
    expiries = [(label, key.expires_at) for label, key in named]
    yield from _time("key_expiry", "When the key expires.", expiries)


def _times(times: Mapping[str, tuple[str, datetime | None]]) -> Iterator[str]:
    for name, (text, moment) in times.items():
        yield from _time(name, text, [({}, moment)])


def _time(name: str, text: str, moments: list[tuple[dict[str, str], datetime | None]]) -> Iterator[str]:
    known: _Samples = [(label, _seconds(moment)) for label, moment in moments if moment is not None]
    yield from _family(f"{name}_timestamp_seconds", "gauge", text, known, unit="seconds")


def _family(name: str, kind: str, text: str, samples: _Samples, unit: str = "") -> Iterator[str]:
    """Write one metric family. `text` must need no escape: it holds neither backslash, quote nor line feed.

    OpenMetrics, "MetricFamily": the suffix that a type asks for is of the samples, not of the family.
    Counters go without `_created`: `spire_oidc_started_timestamp_seconds` says it once for all.
    """
    full = f"{_PREFIX}{name}"
    yield f"# TYPE {full} {kind}"
    if unit:
        yield f"# UNIT {full} {unit}"
    yield f"# HELP {full} {text}"
    sample = full + {"counter": "_total", "info": "_info"}.get(kind, "")
    for labels, value in samples:
        inside = ",".join(f'{label}="{_escaped(content)}"' for label, content in labels.items())
        yield f"{sample}{{{inside}}} {value}" if inside else f"{sample} {value}"


def _escaped(text: str) -> str:
    return shown(text, _LONG_LABEL).replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _seconds(moment: datetime) -> int | float:
    exact = round((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds(), 3)
    return int(exact) if exact.is_integer() else exact
