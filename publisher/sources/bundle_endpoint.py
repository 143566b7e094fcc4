"""Fetch the bundle from a SPIFFE bundle endpoint of profile `https_web`."""

from http import HTTPStatus
from urllib.parse import urlsplit

from publisher.bundle.fetched import Fetched, SourceKind
from publisher.bundle.formats import parse_spiffe_bundle
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import (
    BundleError,
    SourceError,
    SourceSettingsError,
    SourceUnavailableError,
    WebError,
    WebUntrustedError,
)
from publisher.ports import Deadline, Web, WebAnswer
from publisher.quoting import quote
from publisher.sources.retry import LaterError, retry

_PASSING = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_EARLY, HTTPStatus.TOO_MANY_REQUESTS})
_SETTING = "set --source bundle-endpoint: to the https URL of the trust domain's bundle endpoint"


class BundleEndpointSource:
    """Implement `ports.Source` over a bundle endpoint (SPIFFE-Federation section 5.2.1, `https_web`).

    `url` is https, without user and fragment. A redirect is refused: whoever may answer for that URL answers
    for the trust domain. The document does not name its trust domain, so `trust_domain` must.

    Raises:
        SourceSettingsError: another kind of URL.

    """

    def __init__(self, url: str, trust_domain: TrustDomain | None, web: Web) -> None:
        where = f"bundle endpoint {quote(url)}"
        try:
            parts = urlsplit(url)
            _ = parts.port
        except ValueError as error:
            raise SourceSettingsError(where, f"is no URL ({quote(str(error))})", _SETTING) from error
        if "@" in parts.netloc or "#" in url:  # not shown: before the @ there may be a password
            raise SourceSettingsError("bundle endpoint", "must have neither user nor fragment", _SETTING)
        if parts.scheme != "https" or not parts.hostname:
            raise SourceSettingsError(where, "must be https and name a host", _SETTING)
        if not (url.isascii() and url.isprintable()) or " " in url:
            raise SourceSettingsError(where, "has characters that no URL has", _SETTING)
        self._where = where
        self._url = url
        self._wanted = trust_domain
        self._web = web

    def fetch(self, deadline: Deadline) -> Fetched:
        """Fetch once, retrying within the deadline what may pass: no connection, 408, 425, 429, 5xx.

        Raises:
            SourceSettingsError: a certificate that is not trusted, a redirect, any other status.
            SourceUnavailableError: what was retried in vain.
            BundleError: no trust domain given, or the content.

        """
        if self._wanted is None:
            raise BundleError(
                self._where,
                "a bundle endpoint does not name its trust domain",
                "set --trust-domain to the one whose bundle it serves",
            )
        body = retry(self.read, deadline)
        bundle, findings = parse_spiffe_bundle(body, trust_domain=self._wanted, where=self._where)
        return Fetched(bundle=bundle, source=SourceKind.BUNDLE_ENDPOINT, findings=findings)

    def read(self, deadline: Deadline) -> bytes:
        """Read the document once, unparsed.

        Raises:
            LaterError: what may pass; the endpoint may have asked for time.
            SourceError: as `fetch`.

        """
        try:
            answer = self._web.get(self._url, deadline)
        except WebUntrustedError as error:
            raise SourceSettingsError(self._where, error.what, error.remedy) from error
        except WebError as error:
            raise SourceUnavailableError(self._where, error.what, error.remedy) from error
        if answer.status == HTTPStatus.OK:
            return answer.body
        raise self._refusal(answer)

    def _refusal(self, answer: WebAnswer) -> SourceError:
        what = f"answers with status {answer.status}"
        if answer.status >= HTTPStatus.INTERNAL_SERVER_ERROR or answer.status in _PASSING:
            return LaterError(self._where, what, "look at what serves it", seconds=_retry_after(answer))
        if HTTPStatus.MULTIPLE_CHOICES <= answer.status < HTTPStatus.BAD_REQUEST:
            target = quote(answer.headers.get("location", "nowhere"))
            return SourceSettingsError(
                self._where, f"redirects to {target}, and a redirect is never followed", _SETTING
            )
        if answer.status in {HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN}:
            return SourceSettingsError(
                self._where, what, "let this host read it without credentials: the bundle is public"
            )
        return SourceSettingsError(self._where, what, _SETTING)


def _retry_after(answer: WebAnswer) -> float:
    """Read `Retry-After` in seconds (RFC 9110 section 10.2.3); its form as a date is not used."""
    text = answer.headers.get("retry-after", "")
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 5 else 0.0  # noqa: PLR2004 (a day)
