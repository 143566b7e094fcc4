"""Say in words what the libraries below Google's client say in nested exceptions."""

import http.client
import re
import socket
import ssl
from collections.abc import Iterator
from urllib.parse import urlsplit

import requests
import urllib3.exceptions

from publisher.quoting import LONGEST, quote

_TOKEN = re.compile(r"eyJ[\w-]{8,}[\w.-]*|ya29\.[\w.-]+|(?i:bearer)\s+\S+")
_MOST_LINKS = 32
_LONGEST = 320
"""The most characters of what a library says: it may name a long URL before it comes to the point."""

_WORDS: tuple[tuple[type[BaseException] | tuple[type[BaseException], ...], str], ...] = (
    (socket.gaierror, "cannot find the address of its name"),
    (ConnectionRefusedError, "cannot connect: connection refused"),
    (
        (http.client.IncompleteRead, urllib3.exceptions.IncompleteRead),
        "the connection ended in the middle of the answer",
    ),
    (http.client.RemoteDisconnected, "the connection was closed before an answer came"),
    (ConnectionError, "the connection was reset"),
    (
        (requests.ConnectTimeout, urllib3.exceptions.ConnectTimeoutError),
        "cannot connect: no answer in time",
    ),
    ((requests.Timeout, urllib3.exceptions.TimeoutError, TimeoutError), "no answer in time"),
)
"""What an exception means, wherever it is in the chain; the first that fits counts."""


def in_words(error: BaseException) -> str | None:
    """Describe an exchange that the network, TLS or a proxy broke; None: something else went wrong.

    Safe to print. Named is the host that was asked, where it is known.
    """
    chain = list(_chain(error))
    said = _tls(chain) or _network(chain)
    if said is None:
        return None
    if any(isinstance(link, urllib3.exceptions.ProxyError) for link in chain):
        said = f"through the proxy: {said}"
    host = _host(chain)
    return f"{said} (host {quote(host)})" if host else said


def shown(error: Exception) -> str:
    """Show an error by its own words, or by its type where it has none. No token is shown."""
    said = ": ".join(dict.fromkeys(part for part in error.args if isinstance(part, str))) or str(error)
    return safe(said, _LONGEST) if said else type(error).__name__


def safe(text: str, longest: int = LONGEST) -> str:
    """Quote a text from outside, without what looks like a token."""
    return quote(_TOKEN.sub("(token)", text), longest)


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Give an exception and all that it carries or was caused by, nearest first."""
    left: list[object] = [error]
    seen: list[object] = []
    while left and len(seen) < _MOST_LINKS:
        link = left.pop(0)
        if not isinstance(link, BaseException) or any(link is other for other in seen):
            continue
        seen.append(link)
        yield link
        left += [*link.args, getattr(link, "reason", None), link.__cause__, link.__context__]


def _tls(chain: list[BaseException]) -> str | None:
    for link in chain:
        if isinstance(link, ssl.SSLCertVerificationError):
            said = getattr(link, "verify_message", link.strerror)
            return f"the server's TLS certificate is not trusted ({quote(said)})"
        if isinstance(link, ssl.SSLError):
            # Python itself sets `reason` after it made the error, and not always.
            return f"no TLS connection can be made ({quote(getattr(link, 'reason', None) or link.strerror)})"
    return None


def _network(chain: list[BaseException]) -> str | None:
    # Every connection that cannot be made is a timeout by class; its cause says which one it was.
    telling = [link for link in chain if not isinstance(link, urllib3.exceptions.NewConnectionError)]
    for kind, words in _WORDS:
        if any(isinstance(link, kind) for link in telling):
            return words
    if not any(isinstance(link, requests.RequestException | urllib3.exceptions.HTTPError) for link in chain):
        return None  # a file that cannot be read is no network
    for link in chain:
        # An error of `requests` is an OSError that the operating system never said.
        if isinstance(link, OSError) and not isinstance(link, requests.RequestException):
            return f"cannot connect: {quote(link.strerror or str(link))}"
    return None


def _host(chain: list[BaseException]) -> str | None:
    for link in chain:
        url = getattr(getattr(link, "request", None), "url", None)
        if isinstance(url, str):
            return urlsplit(url).hostname
    return None
