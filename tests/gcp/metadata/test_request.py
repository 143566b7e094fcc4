"""Requests that have one reading, and all those that have none."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.gcp.metadata_server.request import (
    LARGEST_BODY,
    LARGEST_HEAD,
    MOST_FIELDS,
    BadRequestError,
    Request,
    RequestReader,
)

PLAIN = b"GET /a?b=c HTTP/1.1\r\nHost: metadata\r\nMetadata-Flavor: Google\r\n\r\n"


def read(data: bytes) -> Request | None:
    reader = RequestReader()
    reader.feed(data)
    return reader.next()


def refused(data: bytes) -> tuple[int, str]:
    with pytest.raises(BadRequestError) as caught:
        read(data)
    return caught.value.status, caught.value.reason


def test_a_plain_request_is_read() -> None:
    request = read(PLAIN)
    assert request == Request(
        method="GET",
        path="/a",
        query="b=c",
        headers={"host": "metadata", "metadata-flavor": "Google"},
        keep_alive=True,
    )


@pytest.mark.parametrize("size", [1, 2, 7])
def test_it_is_read_in_whatever_pieces_it_comes(size: int) -> None:
    reader, found = RequestReader(), []
    for at in range(0, len(PLAIN) * 2, size):
        reader.feed((PLAIN * 2)[at : at + size])
        if request := reader.next():
            found.append(request)
    assert [request.path for request in found] == ["/a", "/a"]
    assert reader.is_between


def test_a_body_is_read_and_dropped() -> None:
    reader = RequestReader()
    reader.feed(b"POST /t HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nGET /")
    assert reader.next() is not None
    reader.feed(PLAIN)
    following = reader.next()
    assert following is not None
    assert following.path == "/a"


@pytest.mark.parametrize(
    ("line", "keeps"),
    [
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", True),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n", False),
        (b"GET / HTTP/1.1\r\nHost: x\r\nConnection: keep-alive, Close\r\n\r\n", False),
        (b"GET / HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n", False),
    ],
)
def test_who_ends_the_connection(line: bytes, keeps: bool) -> None:
    request = read(line)
    assert request is not None
    assert request.keep_alive is keeps


def head(*lines: bytes, first: bytes = b"GET / HTTP/1.1") -> bytes:
    return b"\r\n".join([first, b"Host: x", *lines, b"", b""])


SMUGGLED = {
    "chunked": head(b"Transfer-Encoding: chunked"),
    "chunked and a length": head(b"Transfer-Encoding: chunked", b"Content-Length: 3"),
    "chunked in disguise": head(b"Transfer-Encoding: xchunked"),
    "chunked with a tab": head(b"Transfer-Encoding:\tchunked"),
    "two lengths": head(b"Content-Length: 0", b"Content-Length: 5"),
    "two equal lengths": head(b"Content-Length: 5", b"Content-Length: 5", first=b"POST / HTTP/1.1"),
    "a list of lengths": head(b"Content-Length: 5, 5", first=b"POST / HTTP/1.1"),
    "a length with a sign": head(b"Content-Length: +5", first=b"POST / HTTP/1.1"),
    "a length with an underscore": head(b"Content-Length: 1_0", first=b"POST / HTTP/1.1"),
    "a length in hexadecimal": head(b"Content-Length: 0x5", first=b"POST / HTTP/1.1"),
    "an empty length": head(b"Content-Length:", first=b"POST / HTTP/1.1"),
    "a body of a GET": head(b"Content-Length: 5"),
    "a folded line": head(b"X: a", b" b"),
    "a folded line with a tab": head(b"X: a", b"\tTransfer-Encoding: chunked"),
    "a space before the colon": head(b"Transfer-Encoding : chunked"),
    "no colon": head(b"nonsense"),
    "no name": head(b": x"),
    "a NUL": head(b"X: a\0b"),
    "a bare carriage return": head(b"X: a\rTransfer-Encoding: chunked"),
    "a bare line feed": head(b"X: a\nTransfer-Encoding: chunked"),
    "bare line feeds only": b"GET / HTTP/1.1\nHost: x\n\n",
    "beyond ASCII": head("X: ä".encode()),
    "two hosts": head(b"Host: metadata"),
    "no host": b"GET / HTTP/1.1\r\nX: y\r\n\r\n",
    "two flavours": head(b"Metadata-Flavor: Google", b"Metadata-Flavor: Google"),
    "an absolute target": b"GET http://metadata/ HTTP/1.1\r\nHost: metadata\r\n\r\n",
    "an authority": b"CONNECT metadata:80 HTTP/1.1\r\nHost: metadata\r\n\r\n",
    "a star": b"OPTIONS * HTTP/1.1\r\nHost: metadata\r\n\r\n",
    "a fragment": b"GET /a#b HTTP/1.1\r\nHost: metadata\r\n\r\n",
    "two spaces": b"GET  / HTTP/1.1\r\nHost: metadata\r\n\r\n",
    "a tab": b"GET\t/ HTTP/1.1\r\nHost: metadata\r\n\r\n",
    "no version": b"GET /\r\nHost: metadata\r\n\r\n",
    "another version": b"GET / HTTP/2.0\r\nHost: metadata\r\n\r\n",
    "HTTP/2's preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "lower case": b"get / HTTP/1.1\r\nHost: metadata\r\n\r\n",
    "an empty line first": b"\r\n" + PLAIN,
    "TLS": b"\x16\x03\x01\x02\x00\x01",
}


@pytest.mark.parametrize("data", SMUGGLED.values(), ids=SMUGGLED.keys())
def test_what_could_be_read_in_two_ways_is_refused(data: bytes) -> None:
    status, reason = refused(data)
    assert status == 400
    assert reason


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET /" + b"a" * LARGEST_HEAD, 431),
        (head(*[b"X: y"] * MOST_FIELDS), 431),
        (head(b"Content-Length: %d" % (LARGEST_BODY + 1), first=b"POST / HTTP/1.1"), 413),
        (head(b"Expect: 100-continue", b"Content-Length: 5", first=b"POST / HTTP/1.1"), 417),
    ],
)
def test_what_is_too_large_is_refused(data: bytes, status: int) -> None:
    assert refused(data)[0] == status


@given(st.binary(max_size=300))
def test_no_bytes_raise_anything_else(data: bytes) -> None:
    reader = RequestReader()
    reader.feed(b"GET / HTTP/1.1\r\n" + data + b"\r\n\r\n")
    with contextlib.suppress(BadRequestError):
        reader.next()
