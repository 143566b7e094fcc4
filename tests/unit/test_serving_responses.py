"""Answers to relying parties: each row of behaviour, framework-free."""

from dataclasses import replace
from datetime import timedelta
from email.utils import format_datetime
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.oidc.issuer import Issuer
from publisher.publication.document_set import sha256
from publisher.serving import responses
from publisher.serving.responses import Headers, MaxAges, Resource, answer
from tests.doubles import NOON
from tests.publications import published, snapshot
from tests.worlds import ISSUER

WORLD = published("a")
LOCATIONS = responses.paths(ISSUER, "keys")
KEYS, CONFIGURATION, MANIFEST = LOCATIONS
AGES = MaxAges(jwks=timedelta(seconds=60), configuration=timedelta(seconds=300))


class Sent(NamedTuple):
    status: int
    headers: Headers
    body: bytes

    def header(self, name: bytes) -> bytes | None:
        values = [value for key, value in self.headers if key == name]
        assert len(values) <= 1
        return values[0] if values else None


RESOURCES = responses.prepare(snapshot(WORLD), LOCATIONS, AGES, Sent, now=NOON)
ETAG = b'"' + sha256(WORLD.bodies()["keys"])[:32].encode() + b'"'
MODIFIED = format_datetime(NOON, usegmt=True).encode()
HOUR = timedelta(hours=1)
LATER = format_datetime(NOON + timedelta(seconds=1), usegmt=True).encode()
EARLIER = format_datetime(NOON - timedelta(seconds=1), usegmt=True).encode()


def get(
    path: str,
    *headers: tuple[bytes, bytes],
    method: str = "GET",
    resources: responses.Resources[Sent] = RESOURCES,
) -> Sent:
    sent = answer(resources[path], method, headers)
    assert sent is not None
    return sent


@pytest.mark.parametrize(
    ("issuer", "root"),
    [
        ("https://issuer.example", "/"),
        ("https://issuer.example/", "/"),
        ("https://issuer.example:8443/a/b", "/a/b/"),
        ("https://issuer.example/a/", "/a/"),
    ],
)
def test_paths_lie_below_the_issuers_own(issuer: str, root: str) -> None:
    keys, configuration, manifest = responses.paths(Issuer.parse(issuer), "jwks/keys")
    assert keys == f"{root}jwks/keys"
    assert configuration == f"{root}.well-known/openid-configuration"
    assert manifest == f"{root}.well-known/spire-oidc-publication.json"


@pytest.mark.parametrize(
    ("path", "cache_control"),
    [(KEYS, b"public, max-age=60"), (CONFIGURATION, b"public, max-age=300"), (MANIFEST, b"no-store")],
)
def test_each_document_has_its_bytes_and_every_header(path: str, cache_control: bytes) -> None:
    sent = get(path)
    body = WORLD.bodies()[path.removeprefix("/my-bucket/")]
    assert (sent.status, sent.body) == (200, body)
    assert dict(sent.headers) == {
        b"content-type": b"application/json",
        b"content-length": str(len(body)).encode(),
        b"etag": b'"' + sha256(body)[:32].encode() + b'"',
        b"last-modified": MODIFIED,
        b"cache-control": cache_control,
        b"x-content-type-options": b"nosniff",
        b"access-control-allow-origin": b"*",
    }


def test_head_is_get_without_a_body() -> None:
    assert get(KEYS, method="HEAD") == get(KEYS)._replace(body=b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH", "get", "", "TRACE"])
def test_no_other_method_is_answered(method: str) -> None:
    assert answer(RESOURCES[KEYS], method, ()) is None


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([(b"if-none-match", ETAG)], 304),
        ([(b"if-none-match", b"W/" + ETAG)], 304),
        ([(b"if-none-match", b"*")], 304),
        ([(b"if-none-match", b'"other", ' + ETAG)], 304),
        ([(b"if-none-match", b'"other"'), (b"if-none-match", ETAG)], 304),
        ([(b"if-none-match", b'"other"')], 200),
        ([(b"if-none-match", ETAG.strip(b'"'))], 200),
        ([(b"if-none-match", b"")], 200),
        ([(b"if-none-match", b'"x,' + ETAG)], 200),
        ([(b"if-modified-since", MODIFIED)], 304),
        ([(b"if-modified-since", LATER)], 200),
        ([(b"if-modified-since", EARLIER)], 200),
        ([(b"if-modified-since", b"yesterday")], 200),
        ([(b"if-modified-since", b"Sun, 22 Nov 2026 13:00:00 -0000")], 200),
        ([(b"if-modified-since", b"Sun, 22 Nov 99999999999 13:00:00 GMT")], 200),
        ([(b"if-modified-since", MODIFIED), (b"if-modified-since", MODIFIED)], 200),
        ([(b"if-none-match", b'"other"'), (b"if-modified-since", MODIFIED)], 200),
        ([(b"if-none-match", ETAG), (b"if-modified-since", EARLIER)], 304),
        ([(b"if-match", ETAG)], 200),
        ([(b"if-match", b"*")], 200),
        ([(b"if-match", b'"other", ' + ETAG)], 200),
        ([(b"if-match", ETAG), (b"if-none-match", ETAG)], 304),
        ([(b"if-match", b'"other"')], 412),
        ([(b"if-match", b"W/" + ETAG)], 412),
        ([(b"if-match", b"")], 412),
        ([(b"if-match", b'"other"'), (b"if-none-match", ETAG)], 412),
        ([(b"accept", b"*/*"), (b"host", b"issuer.example")], 200),
    ],
)
def test_conditions(headers: list[tuple[bytes, bytes]], status: int) -> None:
    for method in ("GET", "HEAD"):
        sent = get(KEYS, *headers, method=method)
        assert sent.status == status
        if status == 304:
            assert sent.body == b""
            assert sent.header(b"etag") == ETAG
            assert sent.header(b"cache-control") == b"public, max-age=60"
            assert sent.header(b"content-length") is None


def test_a_failed_precondition_has_no_body_and_nobody_keeps_it() -> None:
    sent = get(KEYS, (b"if-match", b'"other"'))
    assert (sent.body, sent.header(b"content-length")) == (b"", b"0")
    assert sent.header(b"cache-control") == b"no-store"


def test_what_is_older_than_a_readers_copy_is_no_304() -> None:
    # It was rolled back, or an instance with another clock published: the bytes are others all the same.
    before = replace(snapshot(published("b")), manifest=replace(WORLD.manifest(), modified_at=NOON - HOUR))
    resources = responses.prepare(before, LOCATIONS, AGES, Sent, now=NOON)
    assert get(KEYS, (b"if-modified-since", MODIFIED), resources=resources).status == 200


def test_documents_that_are_not_the_manifests_have_no_date() -> None:
    unfinished = replace(snapshot(WORLD), jwks=WORLD.bodies()["keys"].replace(b'"a"', b'"c"'))
    resources = responses.prepare(unfinished, LOCATIONS, AGES, Sent, now=NOON)
    for path in (KEYS, CONFIGURATION):
        sent = get(path, (b"if-modified-since", MODIFIED), resources=resources)
        assert (sent.status, sent.header(b"last-modified")) == (200, None)
        assert get(path, (b"if-none-match", sent.header(b"etag") or b""), resources=resources).status == 304
    assert get(MANIFEST, resources=resources).header(b"last-modified") == MODIFIED


def test_where_each_instance_makes_its_own_manifest_nothing_has_a_date() -> None:
    resources = responses.prepare(snapshot(WORLD), LOCATIONS, AGES, Sent)
    for path in LOCATIONS:
        sent = get(path, (b"if-modified-since", MODIFIED), resources=resources)
        assert (sent.status, sent.header(b"last-modified")) == (200, None)
        assert get(path, (b"if-none-match", sent.header(b"etag") or b""), resources=resources).status == 304


def test_a_date_from_the_future_is_said_to_be_now_and_decides_nothing() -> None:
    now = NOON - HOUR
    text = format_datetime(now, usegmt=True).encode()
    resources = responses.prepare(snapshot(WORLD), LOCATIONS, AGES, Sent, now=now)
    for path in LOCATIONS:
        sent = get(path, (b"if-modified-since", text), resources=resources)
        assert (sent.status, sent.header(b"last-modified")) == (200, text)
        assert sent.header(b"etag") == get(path).header(b"etag")


def test_while_nothing_may_be_served_every_document_is_503_and_no_condition_counts() -> None:
    refused = responses.unavailable(LOCATIONS, Sent, retry_after=7)
    for path in LOCATIONS:
        sent = answer(refused[path], "GET", [(b"if-none-match", b"*")])
        assert sent is not None
        assert (sent.status, sent.body) == (503, b'{"error":"service unavailable"}')
        assert sent.header(b"retry-after") == b"7"
        assert sent.header(b"cache-control") == b"no-store"
        assert sent.header(b"access-control-allow-origin") == b"*"
        assert answer(refused[path], "HEAD", ()) == sent._replace(body=b"")


NAMES = st.sampled_from([b"if-match", b"if-none-match", b"if-modified-since", b"accept", b"range", b"x"])
VALUES = st.one_of(
    st.binary(max_size=60),
    st.sampled_from([ETAG, MODIFIED, b"*"]),
    st.from_regex(rb"[A-Z][a-z]{2}, [0-9]{1,3} [A-Z][a-z]{2} [0-9]{1,8} [0-9:]{1,9} [A-Z+0-9-]{0,7}"),
)


@given(
    path=st.sampled_from(LOCATIONS),
    method=st.sampled_from(["GET", "HEAD"]),
    headers=st.lists(st.tuples(NAMES, VALUES), max_size=6),
)
def test_whatever_the_headers_say_the_answer_is_the_document_or_about_a_condition(
    path: str, method: str, headers: list[tuple[bytes, bytes]]
) -> None:
    resource: Resource[Sent] = RESOURCES[path]
    whole = resource.get if method == "GET" else resource.head
    assert get(path, *headers, method=method) in (resource.not_modified, resource.failed, whole)
