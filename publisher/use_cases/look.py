"""A look at what is published, for who cannot publish just now."""

from dataclasses import dataclass

from publisher.oidc.issuer import MANIFEST_PATH
from publisher.ports import Deadline, Sink
from publisher.publication import lead_time
from publisher.publication.document_set import PublicationSettings
from publisher.publication.lead_time import KeyLeadTime
from publisher.publication.manifest import Manifest


@dataclass(frozen=True, slots=True, kw_only=True)
class Sight:
    """Hold what was seen at a sink; `lead_times` are in the order of the manifest's keys."""

    manifest: Manifest
    lead_times: tuple[KeyLeadTime, ...]


def look(sink: Sink, settings: PublicationSettings, *, deadline: Deadline) -> Sight | None:
    """Read the manifest of this issuer's publication and change nothing; None: there is none.

    Not the state file, should the sink be away: that one does not follow confirmations, so by its times a
    sound publication would be stale.

    Raises:
        SinkError: the sink was not read.
        SettingsError: a newer manifest.
        ManifestError: what is there is no manifest.

    """
    stored = sink.read(MANIFEST_PATH, deadline)
    if stored is None:
        return None
    manifest = Manifest.parse(stored.body, where=f"{sink.location}/{MANIFEST_PATH}")
    if manifest.issuer != settings.issuer.url:
        return None  # another's publication, which no round of ours will ever replace
    times = lead_time.lead_times(manifest, function_refresh=settings.timing.function_refresh)
    return Sight(manifest=manifest, lead_times=times)
