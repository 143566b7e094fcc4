"""Judge a configuration document as served, by OIDC Discovery 1.0 and by what relying parties refuse.

An `error` breaks a MUST of the standard or locks out every relying party of some kind, a `warning` some
libraries; an `info` is worth knowing and breaks nobody.
"""

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any
from urllib.parse import urlsplit

from publisher import strict_json
from publisher.findings import Finding, Severity
from publisher.oidc.issuer import Issuer
from publisher.quoting import quote

CODES: Mapping[str, str] = MappingProxyType(
    {
        "CFG001": "The configuration document cannot be read",
        "CFG002": "The configuration document names another issuer",
        "CFG003": "A required member is missing or of the wrong type",
        "CFG004": "There is no authorization endpoint",
        "CFG005": "The authorization endpoint is not an https URL",
        "CFG006": "The response types do not include id_token",
        "CFG007": "The subject types include neither public nor pairwise",
        "CFG008": "No signing algorithm is listed",
        "CFG009": "RS256 is not listed",
        "CFG010": "jwks_uri is not a plain https URL",
        "CFG011": "jwks_uri is on another host than the issuer",
        "CFG012": "A signing algorithm is listed that needs no public key",
    }
)
"""Every code of this module with its title; `docs/findings.md` explains each."""

LISTED = "id_token_signing_alg_values_supported"
"""The member that lists the JWS algorithms an issuer may sign with."""

_PUBLISH = "publish again, or correct what writes this document"
_LONGEST_URL = 2048
_ARRAYS = ("response_types_supported", "subject_types_supported", LISTED)

Rule = Callable[[Mapping[str, Any], Issuer, str], Iterator[Finding]]


def read(data: bytes, *, where: str) -> Mapping[str, Any] | Finding:
    """Read the provider metadata; a document that leaves room for two readings is a finding (CFG001)."""
    try:
        value = strict_json.loads(data, where=where)
    except strict_json.MalformedError as error:
        return Finding(
            code="CFG001", severity=Severity.ERROR, where=where, what=error.what, remedy=error.remedy
        )
    if not isinstance(value, dict):
        what = f"is a JSON {type(value).__name__}, not an object"
        return Finding(code="CFG001", severity=Severity.ERROR, where=where, what=what, remedy=_PUBLISH)
    return value


def judge(metadata: Mapping[str, Any], issuer: Issuer, *, where: str) -> tuple[Finding, ...]:
    """Apply every rule; `where` is the URL the document came from."""
    return tuple(finding for rule in RULES for finding in rule(metadata, issuer, where))


def listed_algorithms(metadata: Mapping[str, Any]) -> tuple[str, ...]:
    """Give the listed signing algorithms; empty where there is no usable list."""
    listed = metadata.get(LISTED)
    return tuple(alg for alg in listed if isinstance(alg, str)) if isinstance(listed, list) else ()


def usable_jwks_uri(metadata: Mapping[str, Any]) -> str | None:
    """Give `jwks_uri` where it is an https URL that may be fetched; None: it is not."""
    uri = metadata.get("jwks_uri")
    return uri if isinstance(uri, str) and _plain_https(uri) else None


def _same_issuer(metadata: Mapping[str, Any], issuer: Issuer, where: str) -> Iterator[Finding]:
    """OIDC Discovery 1.0 section 4.3: `issuer` MUST be identical to the URL the document was asked under."""
    said = metadata.get("issuer")
    if said == issuer.url:
        return
    if "issuer" not in metadata:
        what = "has no issuer"
    elif isinstance(said, str) and said.rstrip("/") == issuer.url.rstrip("/"):
        what = f"issuer is {quote(said)}: its final slash differs from {issuer}"
    else:
        what = f"issuer is {quote(said)}, not {issuer}"
    yield _error("CFG002", where, what, "make issuer, the URL and the tokens' iss equal byte for byte")


def _required_members(metadata: Mapping[str, Any], _issuer: Issuer, where: str) -> Iterator[Finding]:
    """OIDC Discovery 1.0 section 3; `issuer` has a rule of its own."""
    if not isinstance(metadata.get("jwks_uri"), str):
        yield _error("CFG003", where, f"jwks_uri is {_shown(metadata, 'jwks_uri')}, not a string", _PUBLISH)
    for name in _ARRAYS:
        value = metadata.get(name)
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            what = f"{name} is {_shown(metadata, name)}, not an array of strings"
            yield _error("CFG003", where, what, _PUBLISH)


def _authorization_endpoint(metadata: Mapping[str, Any], _issuer: Issuer, where: str) -> Iterator[Finding]:
    endpoint = metadata.get("authorization_endpoint")
    if "authorization_endpoint" not in metadata:
        yield Finding(
            code="CFG004",
            severity=Severity.INFO,
            where=where,
            what="has no authorization_endpoint, which the standard requires and one library in 38 misses",
            remedy="nothing to do where your relying parties accept the issuer; else give it an https URL",
        )
    elif not isinstance(endpoint, str) or not _https(endpoint):
        what = (
            f"authorization_endpoint is {quote(endpoint)}, not an https URL: one library in 38 refuses that"
        )
        yield _warning("CFG005", where, what, "set --authorization-endpoint to an https URL, or to none")


def _response_types(metadata: Mapping[str, Any], _issuer: Issuer, where: str) -> Iterator[Finding]:
    types = metadata.get("response_types_supported")
    if isinstance(types, list) and not any(
        isinstance(one, str) and "id_token" in one.split() for one in types
    ):
        what = f"response_types_supported is {quote(types)}, without id_token"
        yield _warning("CFG006", where, what, _PUBLISH)


def _subject_types(metadata: Mapping[str, Any], _issuer: Issuer, where: str) -> Iterator[Finding]:
    types = metadata.get("subject_types_supported")
    if isinstance(types, list) and not any(one in ("public", "pairwise") for one in types):
        what = f"subject_types_supported is {quote(types)}, without public or pairwise"
        yield _error(
            "CFG007", where, what, 'set it to ["public"]; older releases of SPIRE\'s provider leave it empty'
        )


def _algorithms(metadata: Mapping[str, Any], _issuer: Issuer, where: str) -> Iterator[Finding]:
    listed = metadata.get(LISTED)
    if not isinstance(listed, list):
        return  # CFG003 has said so
    if not listed:
        yield _error("CFG008", where, f"{LISTED} is empty", "list RS256 and what your keys sign with")
    elif "RS256" not in listed:
        what = f"{LISTED} is {quote(listed)}, without RS256, which the standard requires"
        yield _warning("CFG009", where, what, "add RS256, whatever the keys of today are")
    keyless = [alg for alg in listed if isinstance(alg, str) and (alg == "none" or alg.startswith("HS"))]
    if keyless:
        what = f"{LISTED} has {quote(keyless)}: no public key verifies those"
        yield _warning("CFG012", where, what, "take them out: a careless library might believe the list")


def _jwks_uri(metadata: Mapping[str, Any], issuer: Issuer, where: str) -> Iterator[Finding]:
    uri = metadata.get("jwks_uri")
    if not isinstance(uri, str):
        return  # CFG003 has said so
    if not _plain_https(uri):
        what = f"jwks_uri is {quote(uri)}, not https with a host and without user, password or fragment"
        yield _error("CFG010", where, what, _PUBLISH)
    elif urlsplit(uri).netloc.lower() != urlsplit(issuer.url).netloc:
        what = f"jwks_uri is {quote(uri)}, not on the issuer's host"
        yield _warning(
            "CFG011", where, what, "see that the other host is yours: who writes there signs for this issuer"
        )


RULES: tuple[Rule, ...] = (
    _same_issuer,
    _required_members,
    _authorization_endpoint,
    _response_types,
    _subject_types,
    _algorithms,
    _jwks_uri,
)
"""Every rule of the configuration document, in the order they are reported."""


def _https(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme == "https" and bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:  # a port or an IPv6 address that is none
        return False


def _plain_https(text: str) -> bool:
    """Tell whether a URL may be fetched: printable ASCII, https, and nothing that a request does not send."""
    if not (text.isascii() and text.isprintable() and " " not in text and len(text) <= _LONGEST_URL):
        return False
    return _https(text) and "#" not in text and "@" not in urlsplit(text).netloc


def _shown(metadata: Mapping[str, Any], name: str) -> str:
    return quote(metadata[name], 40) if name in metadata else "missing"


def _error(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.ERROR, where=where, what=what, remedy=remedy)


def _warning(code: str, where: str, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=Severity.WARNING, where=where, what=what, remedy=remedy)
