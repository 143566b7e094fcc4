from pathlib import Path

import pytest

from publisher import strict_json
from publisher.bundle.fetched import SourceKind
from publisher.errors import (
    BundleError,
    PublisherError,
    SourceSettingsError,
    SourceUnavailableError,
    WebError,
    WebUntrustedError,
)
from publisher.https import Https
from publisher.ports import Deadline, WebAnswer
from publisher.sources.bundle_endpoint import BundleEndpointSource
from publisher.wiring import SystemClock
from tests import keys
from tests.doubles import StoppedClock
from tests.unit.sources.tls_peer import TlsPeer, response, says

URL = "https://spire.example.org:8443/bundle?a=b"


class ListedWeb:
    """The web, with these answers in turn; the last for ever."""

    def __init__(self, *answers: WebAnswer | WebError) -> None:
        self.answers = list(answers)
        self.urls: list[str] = []

    def get(self, url: str, deadline: Deadline) -> WebAnswer:
        assert deadline.remaining() > 0
        self.urls.append(url)
        given = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(given, WebError):
            raise given
        return given


def answer(status: int = 200, body: bytes | None = None, **headers: str) -> WebAnswer:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return WebAnswer(
        url=URL, status=status, headers=named, body=keys.spiffe_bundle("a") if body is None else body
    )


def refused(web: ListedWeb, error: type[PublisherError], clock: StoppedClock | None = None) -> PublisherError:
    with pytest.raises(error) as caught:
        BundleEndpointSource(URL, keys.EXAMPLE_ORG, web).fetch(Deadline(clock or StoppedClock(), 30))
    assert str(caught.value).isprintable()
    return caught.value


def test_a_bundle_with_sequence_number_and_hint() -> None:
    body = keys.spiffe_bundle("a", keys.x509_jwk(), spiffe_sequence=7, spiffe_refresh_hint=300)
    web = ListedWeb(answer(body=body))
    fetched = BundleEndpointSource(URL, keys.EXAMPLE_ORG, web).fetch(Deadline(StoppedClock(), 30))
    assert fetched.bundle == keys.bundle("a", sequence_number=7, refresh_hint=300)
    assert (fetched.source, fetched.findings, fetched.witness) == (SourceKind.BUNDLE_ENDPOINT, (), None)
    assert web.urls == [URL]


def test_the_trust_domain_must_be_said() -> None:
    web = ListedWeb(answer())
    with pytest.raises(BundleError, match="does not name its trust domain; set --trust-domain"):
        BundleEndpointSource(URL, None, web).fetch(Deadline(StoppedClock(), 30))
    assert web.urls == []


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_what_may_pass_is_tried_again(status: int) -> None:
    web = ListedWeb(answer(status), WebError(URL, "is away", "wait"), answer())
    fetched = BundleEndpointSource(URL, keys.EXAMPLE_ORG, web).fetch(Deadline(StoppedClock(), 30))
    assert fetched.bundle == keys.bundle("a")
    clock, web = StoppedClock(), ListedWeb(answer(status))
    assert f"status {status}" in refused(web, SourceUnavailableError, clock).what
    assert len(web.urls) > 5
    assert sum(clock.slept) <= 22.5


def test_a_server_that_asks_for_a_pause_gets_it() -> None:
    clock, web = StoppedClock(), ListedWeb(answer(503, retry_after="9"), answer())
    BundleEndpointSource(URL, keys.EXAMPLE_ORG, web).fetch(Deadline(clock, 30))
    assert clock.slept == [9]
    for text in ("Wed, 21 Oct 2026 07:28:00 GMT", "-1", "1e9", "٣", "9" * 400):
        clock, web = StoppedClock(), ListedWeb(answer(503, retry_after=text), answer())
        BundleEndpointSource(URL, keys.EXAMPLE_ORG, web).fetch(Deadline(clock, 30))
        assert len(clock.slept) == 1
        assert clock.slept[0] <= 0.1


@pytest.mark.parametrize(
    ("given", "what"),
    [
        (answer(401), "status 401"),
        (answer(403), "status 403"),
        (answer(404), "status 404"),
        (answer(410), "status 410"),
        (answer(204), "status 204"),
        (answer(206), "status 206"),
        (answer(304), "redirects to 'nowhere'"),
        (answer(302, location="https://thief.example/\r\nx"), r"redirects to 'https://thief.example/\r\nx'"),
        (WebUntrustedError(URL, "its certificate is not trusted", "trust it"), "not trusted"),
    ],
)
def test_what_a_person_must_change_is_not_tried_again(given: WebAnswer | WebError, what: str) -> None:
    web = ListedWeb(given)
    error = refused(web, SourceSettingsError)
    assert what in error.what
    assert error.remedy
    assert len(web.urls) == 1


@pytest.mark.parametrize(
    ("body", "what"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (keys.spiffe_bundle(), "no JWT authorities"),
        (keys.spiffe_bundle(keys.x509_jwk()), "no JWT authorities"),
        (keys.spiffe_bundle("a", spiffe_sequence=-1), "spiffe_sequence"),
        (b" " * (strict_json.LARGEST + 1), "more than the limit"),
    ],
)
def test_bad_content_is_unsafe_and_not_fetched_again(body: bytes, what: str) -> None:
    web = ListedWeb(answer(body=body))
    assert what in refused(web, BundleError).what
    assert len(web.urls) == 1


@pytest.mark.parametrize(
    "url",
    [
        "",
        "http://spire.example.org/",
        "https://",
        "https:///bundle",
        "https://me:secret@spire.example.org/",
        "https://spire.example.org/#a",
        "https://spire.example.org:port/",
        "https://[::1/",
        "https://spire.example.org/a b",
        "https://spire.example.org/\n",
        "https://spire.example.ö/",
    ],
)
def test_only_plain_https_urls_are_taken(url: str) -> None:
    with pytest.raises(SourceSettingsError, match="set --source bundle-endpoint:") as caught:
        BundleEndpointSource(url, keys.EXAMPLE_ORG, ListedWeb(answer()))
    assert str(caught.value).isprintable()
    assert "secret" not in str(caught.value)


def test_over_real_https(tmp_path: Path) -> None:
    with TlsPeer(tmp_path) as peer:
        peer.behaviour = says(response(200, keys.spiffe_bundle("a")))
        source = BundleEndpointSource(peer.url, keys.EXAMPLE_ORG, Https(peer.ca_file))
        assert source.fetch(Deadline(SystemClock(), 20)).bundle == keys.bundle("a")
        untrusted = BundleEndpointSource(peer.url, keys.EXAMPLE_ORG, Https(None))
        with pytest.raises(SourceSettingsError, match="certificate is not trusted"):
            untrusted.fetch(Deadline(SystemClock(), 20))
