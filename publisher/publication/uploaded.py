"""Make a trust bundle fit a relying party that takes its keys by upload, or say why it cannot."""

from dataclasses import replace
from datetime import datetime

from publisher.bundle.fetched import Fetched
from publisher.bundle.jwt_authority import JwtAuthority
from publisher.errors import BundleError
from publisher.findings import Finding, Severity
from publisher.oidc.profiles import PROFILES, Profile
from publisher.publication.found import shown
from publisher.publication.freshness import TOLERATED_SKEW
from publisher.quoting import quote

LEFT_OUT = "WIF001"

UPLOAD = next(profile for profile in PROFILES if profile.name.endswith("(uploaded JWKS)"))
"""What Google takes as uploaded keys of a workload identity provider."""

_MOST_NAMED = 12


def fit(fetched: Fetched, *, now: datetime, profile: Profile = UPLOAD) -> Fetched:
    """Give what was fetched with no more keys than can be uploaded; usually it is the same.

    Only where there are more, keys that have expired are left out, the longest expired first: the one place
    where a publication is less than the bundle. SPIRE signs nothing that outlives its key, so no valid token
    misses them. A finding names them. A key without a known end counts as valid.

    Raises:
        BundleError: a key of an algorithm that is not taken, or more valid keys than are taken.

    """
    bundle = fetched.bundle
    where = f"trust bundle of {bundle.trust_domain}"
    for authority in bundle.jwt_authorities:
        if authority.key.alg not in profile.algorithms:
            raise BundleError(
                f"kid {quote(authority.kid, 40)}",
                f"is a key for {authority.key.alg}, and {profile.name} takes "
                f"{' and '.join(sorted(profile.algorithms))} only: P-256 and RSA, no P-384",
                "set jwt_key_type in the SPIRE server to ec-p256 or rsa-2048 and wait until old keys are gone"
                "; documents at an issuer's URL may hold such keys beside others",
            )
    most, count = profile.most_keys, len(bundle.jwt_authorities)
    if most is None or count <= most:
        return fetched
    out = _expired(bundle.jwt_authorities, now)[: count - most]
    if count - len(out) > most:
        raise BundleError(
            where,
            f"has {count - len(out)} keys that {'may be' if _is_vague(fetched) else 'are'} valid, "
            f"and {profile.name} takes {most}: "
            f"{shown((authority.kid for authority in bundle.jwt_authorities), _MOST_NAMED)}",
            _remedy(fetched),
        )
    left_out = frozenset(authority.kid for authority in out)
    kept = tuple(key for key in bundle.jwt_authorities if key.kid not in left_out)
    finding = Finding(
        code=LEFT_OUT,
        severity=Severity.INFO,
        where=where,
        what=f"{len(out)} expired of {count} keys are left out, because {profile.name} takes {most}: "
        f"{shown((authority.kid for authority in out), _MOST_NAMED)}",
        remedy="nothing to do: no token of an expired key is valid; SPIRE drops such keys after a day",
    )
    return replace(
        fetched,
        bundle=replace(bundle, jwt_authorities=kept),
        findings=(*fetched.findings, finding),
        left_out=tuple(out),
    )


def _expired(authorities: tuple[JwtAuthority, ...], now: datetime) -> list[JwtAuthority]:
    """Give those that have surely expired, whoever's clock counts, the longest expired first."""
    ended = [
        (authority.expires_at, authority.kid, authority)
        for authority in authorities
        if authority.expires_at is not None and authority.expires_at + TOLERATED_SKEW <= now
    ]
    return [authority for _, _, authority in sorted(ended, key=lambda one: one[:2])]


def _is_vague(fetched: Fetched) -> bool:
    return any(authority.expires_at is None for authority in fetched.bundle.jwt_authorities)


def _remedy(fetched: Fetched) -> str:
    fewer = (
        "have fewer SPIRE servers, each with a KeyManager that keeps its keys, "
        "or revoke keys that nobody signs with any more"
    )
    if _is_vague(fetched):
        return (
            f"this source ({fetched.source}) does not tell when keys expire: use server-api: or the plugin, "
            f"which do, and expired keys can be left out; else {fewer}"
        )
    return fewer
