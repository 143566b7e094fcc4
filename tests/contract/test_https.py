"""The contract of `ports.Web`, kept by `Https` against servers that do not keep theirs."""

import base64
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from publisher import strict_json
from publisher.errors import ExitStatus, SettingsError, WebError, WebUntrustedError
from publisher.https import Https
from publisher.ports import Deadline
from publisher.wiring import SystemClock
from tests.unit.sources.tls_peer import Peer, ProxyPeer, TlsPeer, response, says

if TYPE_CHECKING:
    from publisher.ports import Web

PROXY_VARIABLES = ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy", "NO_PROXY", "no_proxy")


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in PROXY_VARIABLES:
        monkeypatch.delenv(name, raising=False)


@pytest.fixture
def peer(tmp_path: Path) -> Iterator[TlsPeer]:
    with TlsPeer(tmp_path) as started:
        yield started


class PlainPeer(Peer):
    """A server without TLS."""

    def serve(self, connection: socket.socket) -> None:
        connection.recv(1000)
        connection.sendall(response(400))


def deadline(seconds: float = 20) -> Deadline:
    return Deadline(SystemClock(), seconds)


def refused(peer: TlsPeer, url: str | None = None, seconds: float = 20) -> WebError:
    with pytest.raises(WebError) as caught:
        Https(peer.ca_file).get(url or peer.url, deadline(seconds))
    assert caught.value.remedy
    assert str(caught.value).isprintable()
    return caught.value


def test_an_answer_with_its_headers(peer: TlsPeer) -> None:
    peer.behaviour = says(response(200, b'{"keys":[]}', Content_Type="application/json", X_A="1, 2", x_a="3"))
    web: Web = Https(peer.ca_file)
    answer = web.get(peer.url, deadline())
    assert (answer.url, answer.status, answer.body) == (peer.url, 200, b'{"keys":[]}')
    assert answer.headers["content-type"] == "application/json"
    assert answer.headers["x-a"] == "1, 2, 3"


def test_the_request_is_a_relying_partys(peer: TlsPeer) -> None:
    Https(peer.ca_file).get(peer.url + "?a=b", deadline())
    line, *headers = peer.heads[0].decode().rstrip().split("\r\n")
    assert line == "GET /bundle?a=b HTTP/1.1"
    assert dict(header.lower().split(": ") for header in headers) == {
        "host": f"localhost:{peer.port}",
        "accept": "application/json",
        "accept-encoding": "identity",
        "user-agent": "spire-oidc-publisher",
    }


@pytest.mark.parametrize("status", [204, 301, 302, 307, 308, 403, 404, 429, 500, 503])
def test_every_status_is_an_answer_and_no_redirect_is_followed(peer: TlsPeer, status: int) -> None:
    peer.behaviour = says(response(status, b"", Location=peer.url + "/other"))
    assert Https(peer.ca_file).get(peer.url, deadline()).status == status
    assert len(peer.heads) == 1


def test_a_body_is_cut_one_byte_above_the_limit(peer: TlsPeer) -> None:
    largest = strict_json.LARGEST
    for size, read in ((largest, largest), (largest + 1, largest + 1), (largest * 3, largest + 1)):
        peer.behaviour = says(response(200, b"a" * size))
        assert len(Https(peer.ca_file).get(peer.url, deadline()).body) == read


def test_chunked_and_unsized_bodies_are_read_whole(peer: TlsPeer) -> None:
    peer.behaviour = says(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n")
    assert Https(peer.ca_file).get(peer.url, deadline()).body == b"{}"
    peer.behaviour = says(b"HTTP/1.1 200 OK\r\n\r\n", b"{", b"}")
    assert Https(peer.ca_file).get(peer.url, deadline()).body == b"{}"


def test_an_encoded_body_is_left_as_it_is(peer: TlsPeer) -> None:
    peer.behaviour = says(response(200, b"\x1f\x8bnonsense", Content_Encoding="gzip"))
    answer = Https(peer.ca_file).get(peer.url, deadline())
    assert (answer.body, answer.headers["content-encoding"]) == (b"\x1f\x8bnonsense", "gzip")


@pytest.mark.parametrize(
    "sent",
    [
        b"",
        b"nonsense\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{}",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 " + b"a" * 100_000 + b"\r\n\r\n",
    ],
)
def test_half_an_answer_is_none(peer: TlsPeer, sent: bytes) -> None:
    peer.behaviour = says(sent)
    error = refused(peer)
    assert not isinstance(error, WebUntrustedError)
    assert error.exit_status is ExitStatus.TEMPORARY
    assert "cannot be read" in error.what


def drip(peer: TlsPeer, start: bytes, again: bytes) -> None:
    def behave(connection: socket.socket) -> None:
        connection.sendall(start)
        while not peer.ended.wait(0.05):
            connection.sendall(again)

    peer.behaviour = behave


@pytest.mark.parametrize(
    ("start", "again"),
    [
        (b"", b""),
        (b"", b"a"),
        (b"HTTP/1.1 200 OK\r\nA: ", b"b"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n", b""),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 900000\r\n\r\n", b"b"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    ],
)
def test_a_stall_and_a_drip_end_with_the_deadline(peer: TlsPeer, start: bytes, again: bytes) -> None:
    drip(peer, start, again)
    begun = time.monotonic()
    error = refused(peer, seconds=0.7)
    assert time.monotonic() - begun < 15
    assert "time" in error.what


def test_a_server_that_never_shakes_hands(peer: TlsPeer) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        error = refused(peer, f"https://localhost:{silent.getsockname()[1]}/", seconds=0.7)
    assert "time" in error.what


def test_nobody_listens_and_nobody_is_known(peer: TlsPeer) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        assert "Connection refused" in refused(peer, f"https://localhost:{unused.getsockname()[1]}/").what
    assert "cannot be read" in refused(peer, "https://a..b/").what


@pytest.mark.parametrize("url", ["http://localhost/", "https://", "https://localhost:99999/", "localhost"])
def test_only_https_is_read(peer: TlsPeer, url: str) -> None:
    assert "cannot be read" in refused(peer, url).what


def test_an_url_cannot_carry_a_second_request(peer: TlsPeer) -> None:
    refused(peer, peer.url + "/a b\x7f")
    assert peer.heads in ([], [b""])


class TestTrust:
    def test_an_unknown_authority(self, peer: TlsPeer) -> None:
        with pytest.raises(WebUntrustedError, match="certificate is not trusted") as caught:
            Https(None).get(peer.url, deadline())
        assert caught.value.exit_status is ExitStatus.SETTINGS
        assert peer.heads == []

    def test_another_host(self, tmp_path: Path) -> None:
        with TlsPeer(tmp_path, name="other.example") as other:
            assert isinstance(refused(other), WebUntrustedError)
            assert other.heads == []

    def test_an_address_without_its_name(self, peer: TlsPeer) -> None:
        error = refused(peer, f"https://127.0.0.1:{peer.port}/")
        assert isinstance(error, WebUntrustedError)

    def test_a_private_authority_is_trusted_besides_the_systems(
        self, peer: TlsPeer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "other").mkdir()
        with TlsPeer(tmp_path / "other") as other:
            monkeypatch.setenv("SSL_CERT_FILE", str(other.ca_file))
            web = Https(peer.ca_file)
            assert {web.get(server.url, deadline()).status for server in (peer, other)} == {200}

    def test_plain_http_on_the_port_is_no_answer(self, peer: TlsPeer) -> None:
        with PlainPeer() as plain:
            error = refused(peer, f"https://localhost:{plain.port}/")
        assert not isinstance(error, WebUntrustedError)

    @pytest.mark.parametrize("content", [None, b"", b"nonsense", b"\xff"])
    def test_a_ca_file_without_certificates_is_refused_at_once(
        self, tmp_path: Path, content: bytes | None
    ) -> None:
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(SettingsError, match=r"CA file .* holds no certificate"):
            Https(path)


class TestProxy:
    def test_the_environments_proxy_tunnels(self, peer: TlsPeer, monkeypatch: pytest.MonkeyPatch) -> None:
        with ProxyPeer(peer.port) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:p%40ss@127.0.0.1:{proxy.port}")
            assert Https(peer.ca_file).get("https://localhost/bundle", deadline()).status == 200
        head = proxy.heads[0].decode()
        assert head.startswith("CONNECT localhost:443 HTTP/1")
        assert f"Basic {base64.b64encode(b'me:p@ss').decode()}" in head
        assert "authorization" not in peer.heads[0].decode().lower()

    def test_a_proxy_without_scheme_and_hosts_without_proxy(
        self, peer: TlsPeer, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with ProxyPeer(peer.port) as proxy:
            monkeypatch.setenv("https_proxy", f"127.0.0.1:{proxy.port}")
            assert Https(peer.ca_file).get(peer.url, deadline()).status == 200
            assert len(proxy.heads) == 1
            monkeypatch.setenv("no_proxy", "localhost")
            assert Https(peer.ca_file).get(peer.url, deadline()).status == 200
            assert len(proxy.heads) == 1

    def test_a_refusing_proxy_and_its_password(self, peer: TlsPeer, monkeypatch: pytest.MonkeyPatch) -> None:
        with ProxyPeer(peer.port, refusal=response(407)) as proxy:
            monkeypatch.setenv("HTTPS_PROXY", f"http://me:hidden@127.0.0.1:{proxy.port}")
            error = refused(peer)
        assert "407" in error.what
        assert "hidden" not in str(error)

    def test_a_proxy_over_tls_is_not_spoken(self, peer: TlsPeer, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("HTTPS_PROXY", "https://me:hidden@127.0.0.1:1")
        error = refused(peer)
        assert "HTTPS_PROXY must be http://host:port" in error.what
        assert "hidden" not in str(error)
