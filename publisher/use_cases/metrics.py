"""The metrics of the publisher: how every publication stands, as samples and as text for Prometheus."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final

from publisher.errors import ExitStatus
from publisher.findings import Finding
from publisher.publication.manifest import Manifest
from publisher.serving.exposition import Labels, Samples, label, plain_number, prometheus_text, seconds
from publisher.use_cases.metric_table import BY_NAME, METRICS
from publisher.use_cases.standing import Standing

REMEMBERED: Final = timedelta(days=7)
"""How long it is told that there was a finding."""

Samplings = Mapping[str, Samples]
"""Samples by the whole name of their metric."""

_One = tuple[str, Mapping[str, str], int | float | None]
_OWN = frozenset({"last_success_timestamp_seconds", "last_change_timestamp_seconds"})
_LAST_SEEN = "finding_last_seen_timestamp_seconds"
_BY_SHORT_NAME = {metric.name: metric for metric in METRICS}


def render_metrics(samplings: Samplings) -> bytes:
    """Write samples in Prometheus' text format 0.0.4, which Prometheus and its node exporter both read."""
    return prometheus_text(metric.family(samplings.get(name, [])) for name, metric in BY_NAME.items())


def sample(
    standings: Iterable[Standing], *, version: str, watching: bool, earlier: Samplings, others: bool = False
) -> Samplings:
    """Take every sample of these publications. Pure; what is unknown has no sample.

    `earlier` are the samples that were told last, read back perhaps from a file: of them is repeated what
    these rounds could not learn anew, so that a failing one does not erase when it last worked. `others`:
    publications that were told of and are not among these are repeated whole.
    """
    gathered: dict[str, Samples] = {name: [] for name in BY_NAME}
    told = set()
    before = _by_publication(earlier)
    for standing in standings:
        publication = label(standing.name or standing.issuer)
        told.add(publication)
        own: dict[str, Samples] = {name: [] for name in BY_NAME}
        for name, labels, value in _samples(standing, version=version, watching=watching):
            if value is not None:
                fit = {key: label(text) for key, text in labels.items()}
                own[name].append(({"publication": publication, **fit}, value))
        _repeat(own, standing, before.get(publication, {}))
        for name, samples in own.items():
            gathered[name] += samples
    if others:
        for name in BY_NAME:
            gathered[name] += [one for one in earlier.get(name, ()) if one[0].get("publication") not in told]
    return gathered


def _by_publication(samplings: Samplings) -> dict[str | None, dict[str, Samples]]:
    """Sort once by the label: two hundred publications must not each look at the samples of all."""
    sorted_: dict[str | None, dict[str, Samples]] = {}
    for name, samples in samplings.items():
        for one in samples:
            sorted_.setdefault(one[0].get("publication"), {}).setdefault(name, []).append(one)
    return sorted_


def _repeat(own: dict[str, Samples], standing: Standing, earlier: Samplings) -> None:
    """Add what was told before and is not known anew."""
    for name, metric in BY_NAME.items():
        if metric.kept and not own[name] and (standing.bundle is None or metric.name in _OWN):
            own[name] = list(earlier.get(name, ()))
    last_seen = _BY_SHORT_NAME[_LAST_SEEN].sample_name
    own[last_seen] = _merged(own[last_seen], earlier.get(last_seen, []), standing.last_round_at)


def _merged(new: Samples, old: Samples, now: datetime | None) -> Samples:
    """Give the latest time of each finding, without those of more than a week ago."""
    oldest = 0.0 if now is None else seconds(now - REMEMBERED)
    latest: dict[tuple[tuple[str, str], ...], tuple[Labels, int | float]] = {}
    for labels, moment in (*old, *new):
        if moment >= oldest:
            latest[tuple(sorted(labels.items()))] = (labels, moment)
    return [latest[key] for key in sorted(latest)]


def _samples(standing: Standing, *, version: str, watching: bool) -> Iterator[_One]:
    """Give each sample under its whole name, without the label of the publication."""
    for short, labels, value in _everything(standing, version):
        metric = _BY_SHORT_NAME[short]
        if watching or not metric.watching:
            yield metric.sample_name, labels, value


def _everything(standing: Standing, version: str) -> Iterator[_One]:
    yield from _rounds(standing, version)
    yield from _findings(standing)
    if standing.manifest is not None:
        yield from _manifest(standing.manifest)
        yield from _keys(standing.manifest)
    if standing.bundle is not None:
        for authority in standing.bundle.jwt_authorities:
            names = {"kid": authority.kid, "thumbprint": authority.key.thumbprint}
            yield "key_is_tainted", names, None if authority.tainted is None else int(authority.tainted)
    for lead in standing.lead_times:
        names = {"kid": lead.kid, "thumbprint": lead.thumbprint}
        yield "key_lead_time_needed_seconds", names, _span(lead.needed)
        yield "key_lead_time_available_seconds", names, _span(lead.available)
        yield "key_lead_time_margin_seconds", names, _span(lead.margin)


def _rounds(standing: Standing, version: str) -> Iterator[_One]:
    about = {"version": version, "issuer": standing.issuer, "place": standing.place}
    yield "build", about, 1
    yield "started_timestamp_seconds", {}, seconds(standing.started_at)
    yield "rounds", {}, standing.rounds
    yield "rounds_changed", {}, standing.changed
    yield "rounds_failed", {}, standing.failed
    yield "rounds_refused", {}, standing.refused
    yield "retries", {}, standing.retries
    if standing.status is not None:
        yield "last_exit_status", {}, int(standing.status)
        yield "is_refused", {}, int(standing.status is ExitStatus.UNSAFE)
        yield "last_round_duration_seconds", {}, plain_number(standing.seconds)
    yield "last_round_timestamp_seconds", {}, _moment(standing.last_round_at)
    yield "last_success_timestamp_seconds", {}, _moment(standing.last_success_at)
    yield "last_change_timestamp_seconds", {}, _moment(standing.last_change_at)


def _findings(standing: Standing) -> Iterator[_One]:
    since = standing.error.findings if standing.error else ()
    for found, number in _counted((*standing.findings, *since)).items():
        yield "findings", dict(found), number
    for found in _counted(since if standing.error else standing.findings):
        yield _LAST_SEEN, dict(found), _moment(standing.last_round_at)


def _counted(findings: Sequence[Finding]) -> dict[tuple[tuple[str, str], ...], int]:
    counted = Counter(
        (("code", finding.code), ("severity", finding.severity.value))
        for finding in dict.fromkeys(findings)  # of the round and of the failure since: once
    )
    return dict(sorted(counted.items()))


def _manifest(manifest: Manifest) -> Iterator[_One]:
    yield "bundle", {"trust_domain": manifest.trust_domain, "source": manifest.source}, 1
    yield "sequence_number", {}, manifest.sequence_number
    yield "modified_timestamp_seconds", {}, seconds(manifest.modified_at)
    yield "confirmed_timestamp_seconds", {}, seconds(manifest.confirmed_at)
    yield "due_timestamp_seconds", {}, seconds(manifest.due_at)
    yield "stale_timestamp_seconds", {}, seconds(manifest.stale_at)


def _keys(manifest: Manifest) -> Iterator[_One]:
    yield "keys", {}, len(manifest.keys)
    for key in manifest.keys:
        names = {"kid": key.kid, "thumbprint": key.thumbprint}
        yield "key", {**names, "alg": key.alg}, 1
        yield "key_first_published_timestamp_seconds", names, _moment(key.first_published_at)
        yield "key_expiry_timestamp_seconds", names, _moment(key.expires_at)


def _moment(moment: datetime | None) -> int | float | None:
    return None if moment is None else seconds(moment)


def _span(span: timedelta | None) -> int | float | None:
    return None if span is None else plain_number(span.total_seconds())
