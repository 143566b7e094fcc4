from dataclasses import dataclass
from enum import StrEnum

from publisher.bundle.trust_bundle import TrustBundle
from publisher.findings import Finding


class SourceKind(StrEnum):
    """Name the kinds of source, as the manifest records them."""

    FILE = "file"
    BUNDLE_ENDPOINT = "bundle-endpoint"
    WORKLOAD_API = "workload-api"
    SERVER_API = "server-api"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """State what a JWT-SVID of the publisher's own proves: that the SPIRE server signs, and its `iss`."""

    iss: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Hold what one fetch gave: the bundle, what was found on the way, and a witness where one was had."""

    bundle: TrustBundle
    source: SourceKind
    findings: tuple[Finding, ...] = ()
    witness: Witness | None = None
