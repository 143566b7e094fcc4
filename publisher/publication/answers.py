"""Judge the answer of a public URL: status, headers, caching. The body is the business of other rules."""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from enum import StrEnum
from types import MappingProxyType

from publisher.findings import Finding, Severity
from publisher.publication.document_set import CONTENT_TYPE
from publisher.quoting import quote

CODES: Mapping[str, str] = MappingProxyType(
    {
        "WEB001": "A URL gives no answer",
        "WEB002": "A URL redirects",
        "WEB003": "A URL does not answer with status 200",
        "WEB004": "The Content-Type is not application/json",
        "WEB005": "No header says how long caches may keep a document",
        "WEB006": "The JWKS document may not be cached",
        "WEB007": "Caches keep a document for long",
        "WEB008": "A cache serves a document beyond its lifetime",
        "WEB009": "The body is compressed without having been asked for",
        "WEB010": "The certificate of a URL is not trusted",
    }
)
"""Every code of reading URLs with its title; `check` itself reports those of URLs that give no answer."""

USUAL_LIFETIME = timedelta(minutes=5)
"""No document of ours is cached for longer unless an option says so."""

LONG_LIFETIME = timedelta(hours=1)
"""What Cloud Storage gives public objects without metadata: a revoked key would live on for an hour."""

_OK = 200
_ABSENT = frozenset({403, 404, 410})
_REDIRECTS = range(300, 400)
_SECONDS = re.compile(r"[0-9]{1,10}", re.ASCII)
_CACHE = "serve it with Cache-Control: public, max-age=60"


class Kind(StrEnum):
    """Name what was asked for."""

    CONFIGURATION = "configuration document"
    JWKS = "JWKS document"
    MANIFEST = "manifest"


_LATE: Mapping[Kind, str] = {
    Kind.CONFIGURATION: "a change comes late",
    Kind.JWKS: "a revoked key lives on, a new one comes late",
    Kind.MANIFEST: "a publisher that stopped is noticed late",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Hold one answer as data. Header names are lower-case; `read_at` is when it came, in UTC."""

    url: str
    kind: Kind
    status: int
    headers: Mapping[str, str]
    read_at: datetime

    @property
    def is_whole(self) -> bool:
        """Tell whether the body is the document: status 200."""
        return self.status == _OK

    @property
    def is_absent(self) -> bool:
        """Tell whether nothing is there. Buckets answer 403 for that when the reader may not list them."""
        return self.status in _ABSENT

    @property
    def lifetime(self) -> timedelta | None:
        """Give how long caches may keep this answer (RFC 9111 section 4.2.1); None: no header says it."""
        return _lifetime(self)

    @property
    def last_modified(self) -> datetime | None:
        """Give when the document changed, by its server; None: unknown."""
        return _date(self.headers.get("last-modified"))


Rule = Callable[[Answer], Iterator[Finding]]


def judge(answer: Answer) -> tuple[Finding, ...]:
    """Apply every rule that fits the status; the headers of an answer without document matter to nobody."""
    if not answer.is_whole:
        return tuple(_status(answer))
    return tuple(finding for rule in RULES for finding in rule(answer))


def _status(answer: Answer) -> Iterator[Finding]:
    if answer.status in _REDIRECTS:
        target = quote(answer.headers.get("location", ""))
        what = (
            f"the {answer.kind} redirects (status {answer.status}) to {target}; many libraries do not follow"
        )
        yield _error("WEB002", answer, what, "serve the document at this very URL")
        return
    if answer.is_absent:
        remedy = "publish it, and let everybody read it: buckets answer 403 for what is absent, too"
    else:
        remedy = "look at the server of that URL; a relying party accepts no token meanwhile"
    yield _error("WEB003", answer, f"the {answer.kind} is answered with status {answer.status}", remedy)


def _content_type(answer: Answer) -> Iterator[Finding]:
    """OIDC Discovery 1.0 section 4.2 demands it, and three libraries in 38 refuse anything else."""
    stated = answer.headers.get("content-type", "")
    media_type, _, parameters = stated.partition(";")
    charset = parameters.strip().lower().replace('"', "")
    if media_type.strip().lower() != CONTENT_TYPE or charset not in ("", "charset=utf-8"):
        what = f"the {answer.kind} has Content-Type {quote(stated)}"
        yield _error(
            "WEB004", answer, what, f"serve it as {CONTENT_TYPE}; three libraries in 38 refuse others"
        )


def _caching(answer: Answer) -> Iterator[Finding]:
    lifetime = answer.lifetime
    if lifetime is None:
        what = f"the {answer.kind} has no Cache-Control with max-age: caches choose for themselves"
        yield _finding("WEB005", Severity.WARNING, answer, what, _CACHE)
    elif not lifetime and answer.kind is Kind.JWKS:
        shown = quote(answer.headers.get("cache-control", "an Expires that has passed"))
        what = f"the JWKS document may not be cached ({shown}): AWS fails under load"
        yield _finding("WEB006", Severity.WARNING, answer, what, _CACHE)
    elif lifetime > USUAL_LIFETIME:
        severity = Severity.WARNING if lifetime >= LONG_LIFETIME else Severity.INFO
        seconds = int(lifetime.total_seconds())
        what = f"caches keep the {answer.kind} for {seconds} s: {_LATE[answer.kind]}"
        yield _finding("WEB007", severity, answer, what, _CACHE)


def _age(answer: Answer) -> Iterator[Finding]:
    """RFC 9111 section 5.1: `Age` is the seconds since the origin gave or validated this answer."""
    age, lifetime = _SECONDS.fullmatch(answer.headers.get("age", "")), answer.lifetime
    if age and lifetime is not None and int(age[0]) > lifetime.total_seconds():
        what = (
            f"a cache served the {answer.kind} {age[0]} s old, of {int(lifetime.total_seconds())} s allowed"
        )
        yield _finding("WEB008", Severity.WARNING, answer, what, "let that cache serve nothing stale")


def _encoding(answer: Answer) -> Iterator[Finding]:
    encoding = answer.headers.get("content-encoding", "identity").strip().lower()
    if encoding not in ("", "identity"):
        what = f"the {answer.kind} comes with Content-Encoding {quote(encoding)} though none was asked for"
        yield _error("WEB009", answer, what, "store and serve it uncompressed")


RULES: tuple[Rule, ...] = (_content_type, _caching, _age, _encoding)
"""Every rule of an answer that holds a document, in the order they are reported."""


def _lifetime(answer: Answer) -> timedelta | None:
    directives: dict[str, str] = {}
    for part in answer.headers.get("cache-control", "").split(","):
        name, _, value = part.partition("=")
        directives.setdefault(name.strip().lower(), value.strip().strip('"'))
    if "no-store" in directives or "no-cache" in directives:
        return timedelta(0)
    ages = [directives[name] for name in ("max-age", "s-maxage") if name in directives]
    if ages:
        # Shared caches go by s-maxage, private ones by max-age; what is no number makes it stale at once.
        return timedelta(seconds=max(int(age) if _SECONDS.fullmatch(age) else 0 for age in ages))
    if "expires" not in answer.headers:
        return None
    expires = _date(answer.headers["expires"])
    begun = _date(answer.headers.get("date")) or answer.read_at
    return timedelta(0) if expires is None else max(expires - begun, timedelta(0))


def _date(text: str | None) -> datetime | None:
    """Read an HTTP date (RFC 9110 section 5.6.7); None: absent or none."""
    try:
        date = parsedate_to_datetime(text or "")
    except (ValueError, OverflowError):
        return None
    return date if date.tzinfo else date.replace(tzinfo=UTC)


def _error(code: str, answer: Answer, what: str, remedy: str) -> Finding:
    return _finding(code, Severity.ERROR, answer, what, remedy)


def _finding(code: str, severity: Severity, answer: Answer, what: str, remedy: str) -> Finding:
    return Finding(code=code, severity=severity, where=answer.url, what=what, remedy=remedy)
