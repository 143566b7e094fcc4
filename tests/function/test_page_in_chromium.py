import os
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import quote, unquote

import pytest

from publisher.serving.status_page import CONTENT_SECURITY_POLICY, CONTENT_TYPE, render_page
from tests.function.chromium import PROGRAM, Chromium
from tests.statuses import STATUSES

pytestmark = pytest.mark.skipif(PROGRAM is None, reason="no Chromium here: apt-get install chromium")

PHONE, DESK = (360, 740), (1100, 800)
SHOTS = os.environ.get("PAGE_SCREENSHOTS")
"""A folder to keep the screenshots in, for people to look at."""


class _Handler(BaseHTTPRequestHandler):
    asked: list[str]

    def do_GET(self) -> None:
        self.asked.append(self.path)
        name = unquote(self.path.removeprefix("/status/"))
        if name in STATUSES:
            body = render_page(STATUSES[name])
        elif name == "broken":  # what the policy forbids, to see that the browser would tell
            page = render_page(STATUSES["fresh"]).decode()
            body = page.replace("<main>", '<main style="color:red"><img src="/picture.png">').encode()
        else:
            body = b""
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", CONTENT_TYPE)
        self.send_header("Content-Security-Policy", CONTENT_SECURITY_POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent: pytest prints what counts."""


class Site:
    """Serve the pages on loopback, and remember what was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        handler = type("Handler", (_Handler,), {"asked": self.asked})
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        self.thread = Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def url(self, name: str) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/status/{quote(name)}"

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join(10)


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    started = Site()
    yield started
    started.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Chromium]:
    assert PROGRAM
    with Chromium(PROGRAM) as browser:
        yield browser


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("size", [PHONE, DESK], ids=["phone", "desk"])
@pytest.mark.parametrize("name", STATUSES)
def test_a_page_is_drawn_without_complaint_overflow_or_request(
    name: str, size: tuple[int, int], scheme: str, site: Site, chromium: Chromium, tmp_path: Path
) -> None:
    width, height = size
    site.asked.clear()
    chromium.open(site.url(name), width=width, height=height, scheme=scheme)
    chromium.evaluate("document.querySelectorAll('details').forEach(part => { part.open = true })")

    assert chromium.complaints() == []
    assert chromium.requests() == [site.url(name)]
    assert site.asked == [f"/status/{quote(name)}"]
    assert chromium.evaluate("document.documentElement.scrollWidth") <= width
    assert chromium.evaluate(BEYOND_THE_EDGE) == []

    luminance = chromium.evaluate(
        "getComputedStyle(document.body).backgroundColor.match(/\\d+/g).map(Number)"
    )
    assert (max(luminance) < 64) if scheme == "dark" else (min(luminance) > 192)

    shot = Path(SHOTS or tmp_path) / f"{name.replace(' ', '-')}-{width}-{scheme}.png"
    chromium.screenshot(shot)
    assert shot.read_bytes().startswith(b"\x89PNG\r\n\x1a\n")
    assert shot.stat().st_size > 5_000


BEYOND_THE_EDGE = """[...document.querySelectorAll('body *')]
    .filter(part => !part.closest('svg') || part.matches('svg, text'))
    .filter(part => part.getClientRects().length)
    .filter(part => part.getBoundingClientRect().right > innerWidth + 0.5
                 || part.getBoundingClientRect().left < -0.5
                 || (part.scrollWidth > part.clientWidth + 1 && part.clientWidth && !part.closest('svg')))
    .map(part => part.outerHTML.slice(0, 200))"""


def test_the_state_is_what_one_reads_first(site: Site, chromium: Chromium) -> None:
    chromium.open(site.url("stale"), width=PHONE[0], height=PHONE[1])
    seen = "[...document.querySelectorAll('h1, .glance > .shape, .served')]"
    bottoms = chromium.evaluate(f"{seen}.map(part => part.getBoundingClientRect().bottom)")
    assert len(bottoms) == 3
    assert max(bottoms) < PHONE[1], "one has to scroll for it"


def test_the_browser_sees_the_headings_and_the_pictures_words(site: Site, chromium: Chromium) -> None:
    chromium.open(site.url("invalid"), width=DESK[0], height=DESK[1])
    nodes = chromium.call("Accessibility.getFullAXTree")["nodes"]
    named = {
        (node["role"]["value"], node.get("name", {}).get("value")) for node in nodes if not node["ignored"]
    }
    for heading in ("Invalid", "Findings 3", "Keys 4", "Details"):
        assert ("heading", heading) in named
    pictures = [name for role, name in named if role in {"image", "img"}]
    assert len(pictures) == 5
    assert all(name for name in pictures)


def test_a_breach_of_the_policy_would_be_seen(site: Site, chromium: Chromium) -> None:
    chromium.open(site.url("broken"), width=DESK[0], height=DESK[1])
    complaints = "".join(chromium.complaints())
    assert "style-src" in complaints
    assert "img-src" in complaints
    assert "/picture.png" not in site.asked
