"""What each relying party accepts, as data, and what it would miss in an issuer's documents.

Everything here is `info`: the operator may not use that relying party. One finding per profile and reason.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import ip_address
from types import MappingProxyType
from urllib.parse import SplitResult, urlsplit

from publisher.findings import Finding, Severity
from publisher.oidc.issuer import Issuer
from publisher.oidc.jwks_rules import Keys, name_keys
from publisher.quoting import quote

CODES: Mapping[str, str] = MappingProxyType(
    {
        "RPY001": "A relying party refuses the algorithm of a key",
        "RPY002": "A relying party reads fewer keys",
        "RPY003": "A relying party cannot use the URL",
        "RPY004": "A relying party needs the JWKS document to be cacheable",
        "RPY005": "A relying party refuses the size of an RSA key",
        "RPY006": "A relying party refuses members of a key",
        "RPY007": "The final slash of the issuer matters",
    }
)
"""Every code of this module with its title; `docs/findings.md` explains each."""

_WIF_MEMBERS = frozenset({"kty", "alg", "use", "kid", "n", "e", "x", "y", "crv"})
_JWS = frozenset(f"{family}{bits}" for family in ("RS", "ES", "PS") for bits in (256, 384, 512))
_DEFAULT_ALGORITHM = "RS256"


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Hold what one relying party accepts; None is no limit that is known.

    `needs_listing`: it believes the configuration's list of algorithms, and RS256 where nothing in it is
    usable. `most_keys_per_type` counts RSA and EC apart. `fetches_over_internet`: the documents must be
    readable from any address. `takes_upload`: keys can be given to it instead. `needs_caching`: it reads the
    JWKS anew for every token that may not be cached.
    """

    name: str
    algorithms: frozenset[str]
    needs_listing: bool = False
    most_keys: int | None = None
    most_keys_per_type: int | None = None
    rsa_bits: frozenset[int] | None = None
    members: frozenset[str] | None = None
    fetches_over_internet: bool = False
    takes_port: bool = True
    takes_query: bool = True
    takes_upload: bool = False
    needs_caching: bool = False
    minds_slash: bool = False


PROFILES: tuple[Profile, ...] = (
    Profile(
        name="Google Workload Identity Federation (fetched)",
        algorithms=frozenset({"RS256", "ES256"}),
        fetches_over_internet=True,
        takes_upload=True,
    ),
    Profile(
        name="Google Workload Identity Federation (uploaded JWKS)",
        algorithms=frozenset({"RS256", "ES256"}),
        most_keys=8,
        rsa_bits=frozenset({2048, 4096}),
        members=_WIF_MEMBERS,
    ),
    Profile(
        name="AWS IAM OIDC",
        algorithms=frozenset({"RS256", "RS384", "RS512", "ES256", "ES384", "ES512"}),
        most_keys_per_type=100,
        fetches_over_internet=True,
        takes_port=False,
        takes_query=False,
        needs_caching=True,
    ),
    Profile(
        name="Microsoft Entra",
        algorithms=frozenset({"RS256"}),
        most_keys=100,
        fetches_over_internet=True,
        minds_slash=True,
    ),
    Profile(name="Vault, Kubernetes (go-oidc)", algorithms=_JWS, needs_listing=True, minds_slash=True),
)
"""The relying parties whose rules are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """Hold what an issuer offers to every relying party.

    `listed` are the configuration's signing algorithms; `jwks_lifetime` how long caches may keep the JWKS,
    None where its headers do not say.
    """

    issuer: Issuer
    jwks_uri: str
    listed: Sequence[str]
    keys: Keys
    jwks_lifetime: timedelta | None

    @property
    def signing_keys(self) -> Keys:
        """Give the keys that a token may be verified with."""
        return tuple(key for key in self.keys if key.signs)


Rule = Callable[[Profile, Offer], Iterator[tuple[str, str, str]]]


def judge(offer: Offer, profiles: Sequence[Profile] = PROFILES) -> tuple[Finding, ...]:
    """Say, for each profile, what that relying party would refuse or miss."""
    return tuple(
        Finding(
            code=code,
            severity=Severity.INFO,
            where=offer.issuer.url,
            what=f"{profile.name} {what}",
            remedy=remedy,
        )
        for profile in profiles
        for rule in RULES
        for code, what, remedy in rule(profile, offer)
    )


def accepted_algorithms(profile: Profile, listed: Sequence[str]) -> frozenset[str]:
    """Give the algorithms that a relying party accepts of an issuer that lists these."""
    if not profile.needs_listing:
        return profile.algorithms
    return profile.algorithms & frozenset(listed) or frozenset({_DEFAULT_ALGORITHM})


def _algorithm(profile: Profile, offer: Offer) -> Iterator[tuple[str, str, str]]:
    accepted = accepted_algorithms(profile, offer.listed)
    if refused := [key for key in offer.signing_keys if key.alg is not None and key.alg not in accepted]:
        algorithms = quote(", ".join(sorted({str(key.alg) for key in refused})), 60)
        what = (
            f"accepts {_listing(accepted)} only and will refuse {algorithms} tokens of {name_keys(refused)}"
        )
        yield "RPY001", what, "to use it, set jwt_key_type in the SPIRE server to a type that it accepts"


def _count(profile: Profile, offer: Offer) -> Iterator[tuple[str, str, str]]:
    keys = offer.signing_keys
    remedy = "have fewer SPIRE servers, and a KeyManager that keeps its keys, for that relying party"
    if profile.most_keys is not None and len(keys) > profile.most_keys:
        yield "RPY002", f"takes {profile.most_keys} keys, here are {len(keys)}", remedy
    for kty in ("RSA", "EC"):
        count = sum(key.members.get("kty") == kty for key in keys)
        if profile.most_keys_per_type is not None and count > profile.most_keys_per_type:
            yield "RPY002", f"takes {profile.most_keys_per_type} {kty} keys, here are {count}", remedy


def _url(profile: Profile, offer: Offer) -> Iterator[tuple[str, str, str]]:
    issuer, jwks_uri = urlsplit(offer.issuer.url), urlsplit(offer.jwks_uri)
    reasons = []
    if not profile.takes_port and (issuer.port is not None or jwks_uri.port is not None):
        reasons.append("takes no URL with a port")
    if not profile.takes_query and "?" in offer.jwks_uri:
        reasons.append("takes no URL with a query")
    if profile.fetches_over_internet and (_is_local(issuer) or _is_local(jwks_uri)):
        reasons.append("reads the documents over the internet, and this host is not on the internet")
    if reasons:
        upload = ", or upload the keys to it" if profile.takes_upload else ""
        remedy = f"publish to a public URL without port and query{upload}"
        yield "RPY003", " and ".join(reasons), remedy


def _caching(profile: Profile, offer: Offer) -> Iterator[tuple[str, str, str]]:
    if profile.needs_caching and offer.jwks_lifetime == timedelta(0):
        what = "fails under load when the JWKS document may not be cached"
        yield "RPY004", what, "serve it with Cache-Control: public, max-age=60"


def _rsa_size(profile: Profile, offer: Offer) -> Iterator[tuple[str, str, str]]:
    if profile.rsa_bits is None:
        return
    accepted = {None, *profile.rsa_bits}
    if refused := [key for key in offer.signing_keys if key.rsa_bits not in accepted]:
        bits = ", ".join(str(size) for size in sorted(profile.rsa_bits))
        what = f"takes RSA keys of {bits} bits and will refuse {name_keys(refused)}"
        yield "RPY005", what, "to use it, set jwt_key_type in the SPIRE server to rsa-2048"


def _members(profile: Profile, offer: Offer) -> Iterator[tuple[str, str, str]]:
    if profile.members is None:
        return
    if refused := [key for key in offer.keys if not key.members.keys() <= profile.members]:
        extra = sorted(refused[0].members.keys() - profile.members)
        what = f"takes no member {quote(', '.join(extra), 60)} and will refuse {name_keys(refused)}"
        yield "RPY006", what, "leave the member out; the documents of this publisher have none of the kind"


def _slash(profile: Profile, offer: Offer) -> Iterator[tuple[str, str, str]]:
    if profile.minds_slash and offer.issuer.url.endswith("/"):
        what = "compares the issuer with its final slash"
        yield "RPY007", what, f"enter {offer.issuer} there, slash included"


RULES: tuple[Rule, ...] = (_algorithm, _count, _url, _caching, _rsa_size, _members, _slash)
"""Every rule of a profile, in the order they are reported."""


def _is_local(url: SplitResult) -> bool:
    """Tell whether a host is surely not on the internet: a private address, or a name without a dot."""
    host = url.hostname or ""
    try:
        return not ip_address(host).is_global
    except ValueError:
        return "." not in host


def _listing(names: frozenset[str]) -> str:
    return ", ".join(sorted(names))
