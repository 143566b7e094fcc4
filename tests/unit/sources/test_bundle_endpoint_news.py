import threading
from pathlib import Path

import pytest

from publisher.errors import SourceSettingsError, WebError, WebUntrustedError
from publisher.https import Https
from publisher.ports import Deadline, WebAnswer
from publisher.sources.bundle_endpoint_news import BundleEndpointNews
from publisher.wiring import SystemClock
from tests import keys
from tests.unit.sources.listening import PATIENCE, Listening, pauses_of
from tests.unit.sources.tls_peer import TlsPeer, response, says

URL = "https://spire.example.org/bundle"
DOWN = WebError(URL, "cannot be read", "look")


class ListedWeb:
    """The web, with these answers in turn; the last for ever."""

    def __init__(self, *answers: WebAnswer | WebError) -> None:
        self._answers = list(answers)

    def get(self, url: str, deadline: Deadline) -> WebAnswer:
        assert url == URL
        assert 0 < deadline.remaining() <= 10
        given = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(given, WebError):
            raise given
        return given


def answer(*kids: str, hint: int | None = 60, status: int = 200, **headers: str) -> WebAnswer:
    body = keys.spiffe_bundle(*kids, **({} if hint is None else {"spiffe_refresh_hint": hint}))
    return WebAnswer(
        url=URL,
        status=status,
        headers={name.replace("_", "-"): value for name, value in headers.items()},
        body=body,
    )


def heard(
    *answers: WebAnswer | WebError, shortest: float = 10, longest: float = 300
) -> tuple[list[float], int]:
    news = BundleEndpointNews(
        URL, keys.EXAMPLE_ORG, ListedWeb(*answers), SystemClock(), shortest=shortest, longest=longest
    )
    return pauses_of(news, len(answers))


def test_only_another_content_rings() -> None:
    assert heard(answer("a"), answer("a"), answer("b"), answer("b"), answer("a"))[1] == 3


def test_another_order_of_the_keys_does_not() -> None:
    assert heard(answer("a", "b"), answer("b", "a"), answer("a", "b"))[1] == 1


@pytest.mark.parametrize(
    ("hint", "pause"), [(60, 60), (10, 10), (9, 10), (300, 300), (301, 300), (None, 300), (0, 300), (-5, 300)]
)
def test_the_refresh_hint_counts_within_bounds_and_a_little_at_random(hint: int | None, pause: float) -> None:
    pauses, _ = heard(*[answer("a", hint=hint)] * 20)
    assert pause <= min(pauses) <= max(pauses) <= pause * 1.1
    assert len(set(pauses)) > 1


def test_what_is_no_bundle_is_news_all_the_same_and_has_no_hint() -> None:
    html = WebAnswer(url=URL, status=200, headers={}, body=b"<html>")
    pauses, rings = heard(answer("a"), html, html, answer("a"))
    assert rings == 3
    assert all(300 <= pause <= 330 for pause in pauses[1:3])


@pytest.mark.parametrize(
    "failure",
    [DOWN, WebUntrustedError(URL, "is not trusted", "look"), answer(status=404), answer(status=500)],
)
def test_failures_are_asked_again_ever_later_and_the_return_rings(failure: WebAnswer | WebError) -> None:
    pauses, rings = heard(answer("a"), *[failure] * 5, answer("a"))
    assert rings == 2
    for pause, (least, most) in zip(
        pauses[1:6], [(10, 10), (10, 20), (20, 40), (30, 60), (30, 60)], strict=True
    ):
        assert least <= pause <= most


def test_failures_stay_within_the_bounds() -> None:
    assert max(heard(*[DOWN] * 9, shortest=1, longest=7)[0]) <= 7
    assert heard(*[DOWN] * 9, shortest=90, longest=90)[0] == [90] * 9


@pytest.mark.parametrize(("asked", "pause"), [("45", 45), ("3600", 300), ("3", 10)])
def test_an_endpoint_that_asks_for_a_pause_gets_it(asked: str, pause: float) -> None:
    assert heard(answer(status=429, retry_after=asked))[0] == [pause]


def test_a_silent_endpoint_is_left_at_the_stop(tmp_path: Path) -> None:
    reached, ended = threading.Event(), threading.Event()
    with TlsPeer(tmp_path) as peer:
        bundles = [keys.spiffe_bundle("a"), keys.spiffe_bundle("b")]
        peer.behaviour = says(response(body=bundles[0]))
        web = Https(peer.ca_file)
        news = BundleEndpointNews(peer.url, keys.EXAMPLE_ORG, web, SystemClock(), shortest=0.02, longest=0.02)
        with Listening(news) as listening:
            assert listening.has_rung(1)
            peer.behaviour = says(response(body=bundles[1]))
            assert listening.has_rung(2)

            def silent(_connection: object) -> None:
                reached.set()
                ended.wait(PATIENCE)

            peer.behaviour = silent
            assert reached.wait(PATIENCE)
        ended.set()


def test_another_kind_of_url_is_refused() -> None:
    with pytest.raises(SourceSettingsError, match="must be https"):
        BundleEndpointNews(
            "http://x", keys.EXAMPLE_ORG, ListedWeb(DOWN), SystemClock(), shortest=1, longest=2
        )
