"""Read the bundle message of SPIRE's server, which its API answers and its plugin interface pushes."""

from datetime import UTC, datetime

from publisher.bundle.fetched import Fetched, SourceKind
from publisher.bundle.formats import choose_trust_domain
from publisher.bundle.jwt_authority import JwtAuthority
from publisher.bundle.public_key import PublicKey
from publisher.bundle.trust_bundle import MOST_KEYS, TrustBundle
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError
from publisher.findings import Finding, Severity
from publisher.quoting import quote
from publisher.sources.protocol import server_pb2

_LARGEST_NUMBER = 2**63 - 1
_DAMAGED = "the bundle is damaged or forged; look at: spire-server bundle show -output json"


def fetched(
    message: server_pb2.Bundle, wanted: TrustDomain | None, *, source: SourceKind, where: str
) -> Fetched:
    """Give what the message says; a tainted authority stays in the bundle, as in SPIRE, and is a finding.

    Raises:
        BundleError: a bundle of another trust domain than `wanted`, or one that is unsafe to publish.

    """
    bundle = _bundle(message, wanted, where)
    return Fetched(bundle=bundle, source=source, findings=_taints(bundle, where))


def _bundle(message: server_pb2.Bundle, wanted: TrustDomain | None, where: str) -> TrustBundle:
    trust_domain = choose_trust_domain([TrustDomain.parse(message.trust_domain)], wanted, where=where)
    if len(message.jwt_authorities) > MOST_KEYS:  # before any of them costs its arithmetic
        raise BundleError(where, f"has {len(message.jwt_authorities)} keys, more than {MOST_KEYS}", _DAMAGED)
    for name in ("refresh_hint", "sequence_number"):
        if not 0 <= getattr(message, name) <= _LARGEST_NUMBER:
            raise BundleError(
                where, f"{name} {getattr(message, name)} is not a number from 0 to 2^63 - 1", _DAMAGED
            )
    return TrustBundle(
        trust_domain=trust_domain,
        jwt_authorities=tuple(_authority(key, where) for key in message.jwt_authorities),
        sequence_number=message.sequence_number,
        refresh_hint=message.refresh_hint or None,  # zero: no hint
    )


def _authority(message: server_pb2.JWTKey, where: str) -> JwtAuthority:
    place = f"{where}: kid {quote(message.key_id, 40)}"
    return JwtAuthority(
        kid=message.key_id,
        key=PublicKey.from_der(message.public_key, where=place),
        expires_at=_time(message.expires_at, place),
        tainted=message.tainted,
    )


def _time(seconds: int, where: str) -> datetime | None:
    """Read seconds since the Unix epoch, of which zero means never."""
    if seconds == 0:
        return None
    try:
        if seconds > 0:
            return datetime.fromtimestamp(seconds, tz=UTC)
    except (OverflowError, ValueError, OSError):
        pass  # beyond the year 9999
    raise BundleError(where, f"expires_at {seconds} is no time", _DAMAGED)


def _taints(bundle: TrustBundle, where: str) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            code="SRC002",
            severity=Severity.WARNING,
            where=f"{where}: kid {quote(authority.kid, 40)}",
            what="this key is tainted, and stays published until it is revoked",
            remedy="when no workload needs its tokens any more: "
            f"spire-server localauthority jwt revoke -authorityID {quote(authority.kid, 40)}",
        )
        for authority in bundle.jwt_authorities
        if authority.tainted
    )
