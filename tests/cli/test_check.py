"""`check` against a real https server with a private CA."""

import functools
import http.server
import ssl
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import trustme

from tests.cli.running import Place, invoke


class _Files(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 (the library's name)
        """Say nothing."""

    def end_headers(self) -> None:
        self.send_header("Cache-Control", "public, max-age=60")
        super().end_headers()

    def guess_type(self, path: object) -> str:
        return "application/json"


@dataclass(frozen=True, kw_only=True)
class Site:
    place: Place
    url: str
    ca_file: Path

    def publish(self, *more: str) -> None:
        options = (*self.place.source, "--issuer", self.url, "--sink", str(self.place.sink))
        assert invoke("publish", *options, "--ca-file", str(self.ca_file), *more).status == 0

    @property
    def options(self) -> tuple[str, ...]:
        return ("check", "--issuer", self.url, "--ca-file", str(self.ca_file), "--timeout", "20")


@pytest.fixture
def site(place: Place) -> Iterator[Site]:
    authority = trustme.CA()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    ca_file = place.folder / "ca.pem"
    authority.cert_pem.write_to_path(ca_file)
    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(_Files, directory=str(place.sink))
    )
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield Site(place=place, url=f"https://127.0.0.1:{server.server_port}", ca_file=ca_file)
    server.shutdown()
    server.server_close()
    thread.join(10)


def test_publish_verifies_and_check_agrees(site: Site) -> None:
    options = (*site.place.source, "--issuer", site.url, "--sink", str(site.place.sink))
    published = invoke("publish", *options, "--ca-file", str(site.ca_file))
    assert published.status == 0
    assert "the public URL serves it" in published.out
    ran = invoke(*site.options, "--fail-on", "error")
    assert ran.status == 0, ran.out
    assert ran.out.splitlines()[-1].startswith(f"{site.url}: ")


def test_the_exit_status_follows_fail_on(site: Site) -> None:
    site.publish()
    found = invoke(*site.options, "--output", "json").json["publications"][0]["findings"]
    severities = {finding["severity"] for finding in found}
    for fail_on, fails in (
        ("error", bool(severities & {"error"})),
        ("warning", bool(severities & {"error", "warning"})),
        ("info", bool(severities)),
    ):
        assert invoke(*site.options, "--fail-on", fail_on).status == int(fails)


def test_an_absent_manifest_is_a_remark_unless_it_is_required(site: Site) -> None:
    site.publish()
    (site.place.sink / ".well-known/spire-oidc-publication.json").unlink()
    assert invoke(*site.options, "--fail-on", "error").status == 0
    required = invoke(*site.options, "--fail-on", "error", "--require-manifest")
    assert required.status == 1
    assert " error: " in required.out
    assert invoke(*site.options, "--fail-on", "error", SPIRE_OIDC_PUBLISHER_REQUIRE_MANIFEST="1").status == 1


def test_a_certificate_of_nobody_known_is_found(site: Site) -> None:
    site.publish()
    ran = invoke("check", "--issuer", site.url, "--timeout", "20")
    assert ran.status == 1
    assert "error" in ran.out


def test_a_public_url_that_serves_something_else_is_75_and_the_publication_stands(site: Site) -> None:
    elsewhere = site.place.folder / "elsewhere"
    elsewhere.mkdir()
    options = (*site.place.source, "--issuer", site.url, "--sink", str(elsewhere))
    ran = invoke("publish", *options, "--ca-file", str(site.ca_file), "--output", "json")
    assert ran.status == 75
    (one,) = ran.json["publications"]
    assert (one["exit_status"], one["verified"], one["error"]) == (75, "failed", None)
    assert (elsewhere / "keys").is_file()
    assert [entry for entry in ran.log if entry["severity"] == "ERROR"]


def test_a_file_that_holds_no_certificate(site: Site) -> None:
    site.ca_file.write_text("nothing")
    assert invoke(*site.options).status == 78
