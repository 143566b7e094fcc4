"""Judge a JWKS document as served, by RFC 7517 and by what relying parties were seen to refuse.

Each rule gives at most one finding, which names the first few of the keys concerned.
"""

from base64 import urlsafe_b64decode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

from publisher import strict_json
from publisher.bundle.jwt_authority import LONGEST_KID
from publisher.bundle.public_key import PRIVATE_MEMBERS, PublicKey
from publisher.bundle.trust_bundle import MOST_KEYS
from publisher.errors import BundleError
from publisher.findings import Finding, Severity
from publisher.quoting import quote

CODES: Mapping[str, str] = MappingProxyType(
    {
        "JWK001": "The JWKS document cannot be read",
        "JWK002": "The key set is empty",
        "JWK003": "A private or symmetric key is public",
        "JWK004": "A key has no usable kid",
        "JWK005": "Two keys have the same kid",
        "JWK006": "A key is of a SPIFFE use",
        "JWK007": "A key has no use",
        "JWK008": "A key is not for signatures",
        "JWK009": "A key has no alg",
        "JWK010": "The alg of a key does not fit it",
        "JWK011": "A key is broken or weak",
        "JWK012": "A key is of an unknown kind",
        "JWK013": "A key's algorithm is not listed in the configuration document",
    }
)
"""Every code of this module with its title; `docs/findings.md` explains each."""

_SPIFFE_USES = ("jwt-svid", "x509-svid", "wit-svid")
_RSA = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512")
_FITTING: Mapping[object, Sequence[str]] = {"P-256": ("ES256",), "P-384": ("ES384",), "RSA": _RSA}
_MOST_NAMED = 3
_PUBLISH = "publish again, or correct what writes this document"


@dataclass(frozen=True, slots=True, kw_only=True)
class ServedKey:
    """Hold one JWK as served. `key` is None where the key members are not those of an RSA or EC key."""

    number: int
    members: Mapping[str, Any]
    key: PublicKey | None
    flaw: str

    @property
    def kid(self) -> str | None:
        """Give the `kid`; None: absent or unusable."""
        kid = self.members.get("kid")
        usable = isinstance(kid, str) and kid and kid.isprintable() and len(kid.encode()) <= LONGEST_KID
        return kid if usable else None

    @property
    def alg(self) -> str | None:
        """Give the algorithm that a relying party takes the key for; None: nobody can tell."""
        alg = self.members.get("alg")
        if isinstance(alg, str):
            return alg
        return None if self.key is None else self.key.alg

    @property
    def rsa_bits(self) -> int | None:
        """Give the size of a sound RSA key's modulus; None: not one."""
        modulus = dict(self.key.members).get("n") if self.key is not None else None
        if modulus is None:
            return None
        return int.from_bytes(urlsafe_b64decode(modulus + "=" * (-len(modulus) % 4))).bit_length()

    @property
    def signs(self) -> bool:
        """Tell whether the key may be one that tokens are verified with."""
        return bool(self.members.get("use", "sig") == "sig")

    @property
    def is_private(self) -> bool:
        """Tell whether the JWK gives away more than a public key (RFC 7518 section 6)."""
        return self.members.get("kty") == "oct" or bool(PRIVATE_MEMBERS & self.members.keys())

    @property
    def is_known(self) -> bool:
        """Tell whether this is of a kind that SPIRE makes: RSA, P-256 or P-384, sound or not."""
        kty, crv = self.members.get("kty"), self.members.get("crv")
        return kty == "RSA" or (kty == "EC" and crv in ("P-256", "P-384"))

    def __str__(self) -> str:
        return f"keys[{self.number}] kid {quote(self.members.get('kid'), 40)}"


Keys = tuple[ServedKey, ...]
Rule = Callable[[Keys], Iterator[tuple[str, Severity, str, str]]]


def read(data: bytes, *, where: str) -> Keys | Finding:
    """Read the keys of a JWK Set; a document that is none, or an empty one, is a finding."""
    try:
        value = strict_json.loads(data, where=where)
    except strict_json.MalformedError as error:
        return _finding("JWK001", where, error.what, error.remedy)
    keys = value.get("keys") if isinstance(value, dict) else None
    if keys is None and isinstance(value, dict) and "keys" in value:
        return _finding("JWK002", where, "keys is null, as SPIRE's provider serves an empty set", _EMPTY)
    if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
        return _finding("JWK001", where, "is not an object with an array `keys` of objects", _PUBLISH)
    if not keys:
        return _finding("JWK002", where, "has no key, so no token verifies", _EMPTY)
    if len(keys) > MOST_KEYS:
        return _finding("JWK001", where, f"has {len(keys)} keys, more than {MOST_KEYS}", _PUBLISH)
    return tuple(_served(number, key) for number, key in enumerate(keys))


def judge(keys: Keys, *, listed: Sequence[str], where: str) -> tuple[Finding, ...]:
    """Apply every rule. `listed` are the configuration's signing algorithms; empty: unknown."""
    found = [broken for rule in RULES for broken in rule(keys)]
    found.extend(_agree(keys, listed))
    return tuple(
        Finding(code=code, severity=severity, where=where, what=what, remedy=remedy)
        for code, severity, what, remedy in found
    )


def name_keys(keys: Sequence[ServedKey]) -> str:
    """Name the first few keys for a person."""
    rest = len(keys) - _MOST_NAMED
    return ", ".join(str(key) for key in keys[:_MOST_NAMED]) + (f" and {rest} more" if rest > 0 else "")


def _served(number: int, members: Mapping[str, Any]) -> ServedKey:
    try:
        key = PublicKey.from_jwk(members, where=f"keys[{number}]")
    except BundleError as error:
        return ServedKey(number=number, members=members, key=None, flaw=error.what)
    return ServedKey(number=number, members=members, key=key, flaw="")


def _private(keys: Keys) -> Iterator[tuple[str, Severity, str, str]]:
    if bad := [key for key in keys if key.is_private]:
        what = f"{name_keys(bad)}: private or symmetric members are readable by everybody"
        yield "JWK003", Severity.ERROR, what, "treat the key as leaked: rotate, taint and revoke it in SPIRE"


def _kid(keys: Keys) -> Iterator[tuple[str, Severity, str, str]]:
    if bad := [key for key in keys if key.kid is None]:
        what = f"{name_keys(bad)}: a kid that is missing, empty, not printable or too long"
        yield "JWK004", Severity.ERROR, what, f"{_PUBLISH}; some libraries refuse the whole set for it"
    counts = Counter(key.kid for key in keys)
    if bad := [key for key in keys if key.kid is not None and counts[key.kid] > 1]:
        what = f"{name_keys(bad)}: a kid must name one key"
        yield "JWK005", Severity.ERROR, what, f"{_PUBLISH}; some libraries refuse every token of that kid"


def _use(keys: Keys) -> Iterator[tuple[str, Severity, str, str]]:
    if bad := [key for key in keys if key.members.get("use") in _SPIFFE_USES]:
        what = f"{name_keys(bad)}: use {quote(bad[0].members['use'], 40)} is for SPIFFE bundles"
        remedy = "serve use sig and no X.509 keys: most libraries refuse the key, one the whole set"
        yield "JWK006", Severity.ERROR, what, remedy
    if bad := [key for key in keys if "use" not in key.members]:
        yield (
            "JWK007",
            Severity.WARNING,
            f"{name_keys(bad)}: no use",
            "add use sig: some libraries ask for it",
        )
    if bad := [key for key in keys if not key.signs and key.members["use"] not in _SPIFFE_USES]:
        what = f"{name_keys(bad)}: use {quote(bad[0].members['use'], 40)} verifies no token"
        yield "JWK008", Severity.WARNING, what, "set use to sig, or leave the key out"


def _alg(keys: Keys) -> Iterator[tuple[str, Severity, str, str]]:
    if bad := [key for key in keys if key.signs and "alg" not in key.members]:
        yield "JWK009", Severity.WARNING, f"{name_keys(bad)}: no alg", "add alg: two checks in 38 ask for it"
    if bad := [key for key in keys if "alg" in key.members and not _fits(key)]:
        what = f"{name_keys(bad)}: alg {quote(bad[0].members['alg'], 40)} is not one of its key"
        yield "JWK010", Severity.ERROR, what, _PUBLISH


def _kind(keys: Keys) -> Iterator[tuple[str, Severity, str, str]]:
    public = [key for key in keys if key.key is None and not key.is_private]
    if bad := [key for key in public if key.is_known]:
        yield "JWK011", Severity.ERROR, f"{name_keys(bad)}: {bad[0].flaw}", "replace it by a sound key"
    if bad := [key for key in public if not key.is_known]:
        what = f"{name_keys(bad)}: {bad[0].flaw}"
        remedy = "leave it out unless your relying parties know it; most ignore it"
        yield "JWK012", Severity.WARNING, what, remedy


def _agree(keys: Keys, listed: Sequence[str]) -> Iterator[tuple[str, Severity, str, str]]:
    bad = [key for key in keys if key.signs and key.alg is not None and key.alg not in listed]
    if listed and bad:
        what = f"{name_keys(bad)}: {quote(bad[0].alg, 40)} is not listed in the configuration document"
        yield "JWK013", Severity.ERROR, what, "list it: some relying parties refuse what is not listed"


RULES: tuple[Rule, ...] = (_private, _kid, _use, _alg, _kind)
"""Every rule of the JWKS document alone, in the order they are reported."""

_EMPTY = "find out why SPIRE has no JWT authorities; never publish an empty set"


def _fits(key: ServedKey) -> bool:
    """Tell whether `alg` is one of the key's; only kinds that SPIRE makes are judged."""
    kind = key.members.get("crv") if key.members.get("kty") == "EC" else "RSA"
    return not key.is_known or key.members["alg"] in _FITTING[kind]


def _finding(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, where=where, what=what, remedy=remedy)
