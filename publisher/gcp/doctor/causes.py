"""Tell the causes of "Error connecting to the given credential's issuer." apart, by what is seen here."""

import ipaddress
import socket
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final
from urllib.parse import urlsplit

from publisher.findings import Severity
from publisher.gcp.doctor.exchange import CONNECTING
from publisher.gcp.doctor.published import Published
from publisher.gcp.doctor.stage import Seen, error
from publisher.gcp.doctor.token import JwtSeen
from publisher.quoting import quote

RECENT: Final = timedelta(hours=1)
"""How long after its publication Google may not know a key; how long it keeps others is undocumented."""

_SECONDS = 3.0
_OUTSIDE = (
    "see that everybody on the Internet can read it, from every address and country: curl from elsewhere"
)

_OF_GOOGLE = (".googleapis.com", ".run.app")
"""Names that are public whatever they lead to from here: Private Service Connect and split DNS do that."""

Resolve = Callable[[str], tuple[str, ...]]
"""Give the addresses of a host; empty: none, or unknown."""


def resolve(host: str) -> tuple[str, ...]:
    """Look a name up, for some seconds at most: the system's own patience may be longer."""
    found: list[str] = []

    def look() -> None:
        try:
            found.extend(str(info[4][0]) for info in socket.getaddrinfo(host, 443, type=socket.SOCK_STREAM))
        except (OSError, UnicodeError):
            return

    thread = threading.Thread(target=look, name="resolve", daemon=True)
    thread.start()
    thread.join(_SECONDS)
    return tuple(found)


def explain(  # noqa: PLR0911 (one for each cause)
    svid: JwtSeen, published: Published, where: str, *, now: datetime, resolve: Resolve
) -> Seen:
    """Say which cause is the likely one. What Google sees of an issuer, nobody else can."""

    def because(cause: str, remedy: str) -> Seen:
        what = f"says {quote(CONNECTING)}, which has several causes; the likely one: {cause}"
        return error("GCP017", where, what, remedy, notes=published.suspects)

    if published.issuer_url is None:
        if published.keys is None:
            return because(
                "unknown: whether the keys are uploaded or fetched could not be seen from here",
                "give credentials that may read the provider, and run again",
            )
        return because(
            "the provider's keys were uploaded a moment ago, or one of them is malformed",
            "wait a minute and run again; if it lasts, upload them anew: --sink wif-provider:NAME",
        )
    since = published.since.get(svid.kid or "")
    age = None if since is None else now - since
    is_recent = age is not None and age < RECENT
    inside = _private_address(published.issuer_url, resolve)
    if inside is not None:
        wait = "wait and run again; if it lasts, " if is_recent else ""
        too = f"; or Google still has older keys: {quote(svid.kid, 40)} is new as well" if is_recent else ""
        return because(
            f"the issuer's host is {inside} from here, an address that Google cannot reach{too}",
            f"{wait}give the issuer a public address, or upload the keys: --sink wif-provider:NAME",
        )
    if published.keys is None:
        return because(
            f"Google cannot read the issuer either; from here: {published.reason}",
            f"{_OUTSIDE}; or upload the keys: --sink wif-provider:NAME",
        )
    if age is not None and is_recent:
        return because(
            f"Google still has older keys: {quote(svid.kid, 40)} was published {int(age.total_seconds())} s "
            "ago, and all is well from here",
            "wait and run again; if it lasts for more than an hour, the issuer is unreachable from outside. "
            "Keys must be published before they sign (lead time): raise ca_ttl in SPIRE's server.conf",
        )
    # Only what is wrong with the documents: Google reads no manifest, and warnings stay notes.
    wrong = (
        one for one in published.suspects if one.severity is Severity.ERROR and not one.code.startswith("FRE")
    )
    first = next(wrong, None)
    if first is not None:
        return because(
            f"the documents have something that Google may mind: {first.code} {first.where}: {first.what}",
            first.remedy,
        )
    known = "when the key was published is not known" if age is None else "the key was published long ago"
    return because(
        f"the issuer is unreachable from outside, for all is well from here and {known}",
        f"{_OUTSIDE}; after a rotation wait, Google may have older keys",
    )


def _private_address(issuer_url: str, resolve: Resolve) -> str | None:
    """Give the address of the issuer's host that is none of the Internet; None: there is no such."""
    host = urlsplit(issuer_url).hostname or ""
    if host.endswith(_OF_GOOGLE):
        return None
    try:
        found: tuple[str, ...] = (str(ipaddress.ip_address(host)),)
    except ValueError:
        found = resolve(host)
    for one in found:
        try:
            if not ipaddress.ip_address(one.partition("%")[0]).is_global:
                return one
        except ValueError:
            continue
    return None
