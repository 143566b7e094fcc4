from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from publisher.bundle.jwt_authority import JwtAuthority
from publisher.bundle.trust_bundle import TrustBundle
from publisher.findings import Finding


class SourceKind(StrEnum):
    """Name the kinds of source, as the manifest records them."""

    FILE = "file"
    BUNDLE_ENDPOINT = "bundle-endpoint"
    WORKLOAD_API = "workload-api"
    SERVER_API = "server-api"
    SPIRE_PLUGIN = "spire-plugin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """State what a JWT-SVID of the publisher's own proves: that the SPIRE server signs, and its `iss`.

    `kid` names the authority that signed it, which therefore was in use at `issued_at`, the JWT-SVID's
    `iat`; None: nobody knows, for it has none, or one that only a wrong clock gives.
    """

    iss: str | None
    kid: str
    issued_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Fetched:
    """Hold what one fetch gave: the bundle, what was found on the way, and a witness where one was had.

    `left_out` are expired authorities that the source has and the bundle no longer (`publication.uploaded`).
    """

    bundle: TrustBundle
    source: SourceKind
    findings: tuple[Finding, ...] = ()
    witness: Witness | None = None
    left_out: tuple[JwtAuthority, ...] = ()
