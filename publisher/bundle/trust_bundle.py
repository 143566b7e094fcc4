import itertools
from dataclasses import dataclass

from publisher.bundle.jwt_authority import JwtAuthority
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError
from publisher.quoting import quote

MOST_KEYS = 2000
"""The most JWT authorities of one bundle. SPIRE's servers keep 4 to 5 each."""

LARGEST_NUMBER = 2**63 - 1
"""The largest sequence number and refresh hint."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrustBundle:
    """Hold the public keys of one trust domain, as SPIRE gave them at one moment.

    `sequence_number` (SPIFFE-Trust-Domain-and-Bundle section 4.1.1) and `refresh_hint` (seconds,
    section 4.1.2) are None where the source does not tell them. Authorities are ordered by `kid`,
    so that equal bundles compare equal whatever order a source gave.

    Raises:
        BundleError: no authority at all, more than `MOST_KEYS`, a `kid` that appears twice, or a sequence
            number or refresh hint that is not from 0 to `LARGEST_NUMBER`.

    """

    trust_domain: TrustDomain
    jwt_authorities: tuple[JwtAuthority, ...]
    sequence_number: int | None = None
    refresh_hint: int | None = None

    def __post_init__(self) -> None:
        where = f"trust bundle of {self.trust_domain}"
        authorities = tuple(sorted(self.jwt_authorities, key=lambda authority: authority.kid))
        object.__setattr__(self, "jwt_authorities", authorities)
        if not authorities:
            raise BundleError(
                where,
                "has no JWT authorities yet",
                "wait until the SPIRE server has prepared one (spire-server localauthority jwt show)",
            )
        if len(authorities) > MOST_KEYS:
            raise BundleError(
                where,
                f"has {len(authorities)} JWT authorities, more than {MOST_KEYS}",
                "find out why the SPIRE servers lose their keys; set a KeyManager that keeps them",
            )
        for one, next_one in itertools.pairwise(authorities):
            if one.kid == next_one.kid:
                raise BundleError(
                    where, f"has two keys of kid {quote(one.kid, 40)}", "the bundle is damaged or forged"
                )
        for name, number in (("sequence number", self.sequence_number), ("refresh hint", self.refresh_hint)):
            if number is not None and not 0 <= number <= LARGEST_NUMBER:
                raise BundleError(
                    where, f"{name} {quote(number, 40)} is not from 0 to 2^63 - 1", "look at the SPIRE server"
                )
