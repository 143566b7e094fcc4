"""The documents that a trust bundle arrives in."""

import base64
import binascii
from collections.abc import Iterable, Mapping
from typing import Any

from publisher import strict_json
from publisher.bundle.jwt_authority import JwtAuthority
from publisher.bundle.public_key import PublicKey, refuse_private
from publisher.bundle.trust_bundle import LARGEST_NUMBER, MOST_KEYS, TrustBundle
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError
from publisher.findings import Finding, Severity
from publisher.quoting import quote

LARGEST = strict_json.LARGEST
"""The most bytes of a bundle document."""

_JWT_USE, _X509_USE = "jwt-svid", "x509-svid"
_SPIFFE_USES = (_JWT_USE, _X509_USE, "wit-svid")  # no set: a hostile `use` may be unhashable
_SPIFFE_MEMBERS = frozenset({"spiffe_sequence", "spiffe_refresh_hint"})

_FORMATS = "give a JWKS, a SPIFFE bundle or the output of: spire-agent api fetch jwt -output json"

Parsed = tuple[TrustBundle, tuple[Finding, ...]]


def choose_trust_domain(
    offered: Iterable[TrustDomain], wanted: TrustDomain | None, *, where: str
) -> TrustDomain:
    """Choose the trust domain to publish: the wanted one, or the only one. Domains are never merged.

    Raises:
        BundleError: the wanted one is not offered, or none is wanted and there are several or none.

    """
    names = sorted(offered)
    shown = ", ".join(str(name) for name in names[:5]) + (", ..." if len(names) > 5 else "")  # noqa: PLR2004
    if wanted is not None:
        if wanted in names:
            return wanted
        raise BundleError(
            where,
            f"offers {shown or 'no trust domain'}, not {wanted}",
            "correct --trust-domain, or the source",
        )
    match names:
        case []:
            raise BundleError(where, "offers no trust domain", "look at what wrote it, or at the agent's log")
        case [only]:
            return only
        case _:
            raise BundleError(
                where,
                f"offers several trust domains ({shown})",
                "set --trust-domain to the one whose tokens name this issuer",
            )


def parse_jwks(data: bytes, *, trust_domain: TrustDomain, where: str) -> Parsed:
    """Parse a JWK Set (RFC 7517 section 5) whose every key is a JWT authority.

    That is what the Workload API gives for one trust domain (SPIFFE-JWT-SVID section 4).

    Raises:
        BundleError: for any key that is not one, and for everything that `TrustBundle` refuses.

    """
    return _jwks(_object(data, where), trust_domain, where)


def parse_spiffe_bundle(data: bytes, *, trust_domain: TrustDomain, where: str) -> Parsed:
    """Parse a SPIFFE bundle (SPIFFE-Trust-Domain-and-Bundle section 4).

    Only keys of use `jwt-svid` are JWT authorities. X.509 authorities are set aside; a key of another
    use is ignored, as the specification says, and reported.

    Raises:
        BundleError: for any JWT authority that is not one, for an X.509 authority with private members,
            and for everything that `TrustBundle` refuses.

    """
    return _spiffe_bundle(_object(data, where), trust_domain, where)


def parse_file(data: bytes, *, trust_domain: TrustDomain | None, where: str) -> Parsed:
    """Parse a JWKS, a SPIFFE bundle, or the array that `spire-agent api fetch jwt -output json` prints.

    Only the array names its trust domains; for the other two `trust_domain` is required.

    Raises:
        BundleError: none of the three, or no trust domain to choose, or as the parsers above.

    """
    value = _load(data, where)
    if isinstance(value, list):
        bundles = _agent_bundles(value, where)
        chosen = choose_trust_domain(bundles, trust_domain, where=where)
        return parse_jwks(bundles[chosen], trust_domain=chosen, where=f"{where}: bundle of {chosen}")
    document = _as_object(value, where)
    if trust_domain is None:
        raise BundleError(
            where,
            "does not name its trust domain",
            "set --trust-domain to the one this bundle was fetched from",
        )
    if document.keys() & _SPIFFE_MEMBERS or any(
        key.get("use") in _SPIFFE_USES for key in _keys(document, where)
    ):
        return _spiffe_bundle(document, trust_domain, where)
    return _jwks(document, trust_domain, where)


def _load(data: bytes, where: str) -> Any:
    try:
        return strict_json.loads(data, where=where, largest=LARGEST)
    except strict_json.MalformedError as error:
        raise BundleError(error.where, error.what, _FORMATS) from error


def _object(data: bytes, where: str) -> Mapping[str, Any]:
    return _as_object(_load(data, where), where)


def _as_object(value: Any, where: str) -> Mapping[str, Any]:
    if not isinstance(value, dict):
        raise BundleError(where, "is not a JSON object", _FORMATS)
    return value


def _keys(document: Mapping[str, Any], where: str) -> list[Mapping[str, Any]]:
    keys = document.get("keys")
    if not isinstance(keys, list):
        raise BundleError(where, "has no array `keys`", _FORMATS)
    for number, key in enumerate(keys):
        if not isinstance(key, dict):
            raise BundleError(f"{where}: keys[{number}]", "is not an object", _FORMATS)
    if len(keys) > MOST_KEYS:
        raise BundleError(where, f"has {len(keys)} keys, more than {MOST_KEYS}", _FORMATS)
    return keys


def _jwks(document: Mapping[str, Any], trust_domain: TrustDomain, where: str) -> Parsed:
    keys = _keys(document, where)
    for number, key in enumerate(keys):
        use = key.get("use", "sig")
        if use != "sig":
            raise BundleError(
                _place(where, number, key),
                f"use {quote(use, 40)} is not that of a signing key",
                "give only keys that sign JWT-SVIDs",
            )
    authorities = tuple(_authority(key, _place(where, number, key)) for number, key in enumerate(keys))
    return TrustBundle(trust_domain=trust_domain, jwt_authorities=authorities), ()


def _spiffe_bundle(document: Mapping[str, Any], trust_domain: TrustDomain, where: str) -> Parsed:
    authorities: list[JwtAuthority] = []
    findings: list[Finding] = []
    for number, key in enumerate(_keys(document, where)):
        place, use = _place(where, number, key), key.get("use")
        if use == _JWT_USE:
            authorities.append(_authority(key, place))
        elif use == _X509_USE:
            refuse_private(key, where=place)
        else:
            findings.append(
                Finding(
                    code="BUN001",
                    severity=Severity.INFO,
                    where=place,
                    what=f"a key of use {quote(use, 40)} was ignored",
                    remedy="nothing to do where SPIRE wrote it: it signs no JWT-SVIDs",
                )
            )
    bundle = TrustBundle(
        trust_domain=trust_domain,
        jwt_authorities=tuple(authorities),
        sequence_number=_number(document, "spiffe_sequence", where),
        refresh_hint=_number(document, "spiffe_refresh_hint", where),
    )
    return bundle, tuple(findings)


def _agent_bundles(answers: list[Any], where: str) -> dict[TrustDomain, bytes]:
    bundles: dict[TrustDomain, bytes] = {}
    for answer in answers:
        offered = answer.get("bundles", {}) if isinstance(answer, dict) else {}
        if not isinstance(offered, dict):
            raise BundleError(where, "member `bundles` is not an object", _FORMATS)
        for name, encoded in offered.items():
            trust_domain = TrustDomain.parse(name)
            if trust_domain in bundles:
                raise BundleError(where, f"has two bundles of {trust_domain}", _FORMATS)
            try:
                bundles[trust_domain] = base64.b64decode(encoded, validate=True)
            except (binascii.Error, TypeError, ValueError) as error:
                raise BundleError(f"{where}: bundle of {trust_domain}", "is not base64", _FORMATS) from error
    return bundles


def _authority(jwk: Mapping[str, Any], where: str) -> JwtAuthority:
    kid = jwk.get("kid")
    if not isinstance(kid, str):
        raise BundleError(where, "has no `kid`, so no token can name it", "SPIRE gives every key one")
    key = PublicKey.from_jwk(jwk, where=where)
    if jwk.get("alg", key.alg) != key.alg:
        raise BundleError(
            where, f"alg {quote(jwk['alg'], 40)} does not fit its key: {key.alg}", "remove or correct it"
        )
    try:
        return JwtAuthority(kid=kid, key=key)
    except BundleError as error:
        raise BundleError(where, f"its kid {error.what}", error.remedy) from error


def _place(where: str, number: int, key: Mapping[str, Any]) -> str:
    return f"{where}: keys[{number}] kid {quote(key.get('kid'), 40)}"


def _number(document: Mapping[str, Any], name: str, where: str) -> int | None:
    number = document.get(name)
    if name in document and not (type(number) is int and 0 <= number <= LARGEST_NUMBER):
        raise BundleError(
            where, f"{name} is {quote(number, 40)}, not a number from 0 to 2^63 - 1", "remove or correct it"
        )
    return number
