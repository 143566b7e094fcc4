from pathlib import Path

import pytest

from publisher.bundle.fetched import SourceKind
from publisher.settings.addresses import (
    BadSocketVariableError,
    BucketAddress,
    DirectoryAddress,
    SourceAddress,
    parse_sink,
)
from publisher.settings.values import BadValueError

SOURCES = [
    ("workload-api:", {}, "workload-api:unix:///tmp/spire-agent/public/api.sock"),
    ("workload-api:", {"SPIFFE_ENDPOINT_SOCKET": "unix:///run/a.sock"}, "workload-api:unix:///run/a.sock"),
    ("workload-api:", {"SPIFFE_ENDPOINT_SOCKET": ""}, "workload-api:unix:///tmp/spire-agent/public/api.sock"),
    ("workload-api:unix:///b", {"SPIFFE_ENDPOINT_SOCKET": "unix:///a"}, "workload-api:unix:///b"),
    ("workload-api:tcp://127.0.0.1:8000", {}, "workload-api:tcp://127.0.0.1:8000"),
    ("workload-api:tcp://[::1]:8000", {}, "workload-api:tcp://[::1]:8000"),
    ("server-api:", {"SPIFFE_ENDPOINT_SOCKET": "unix:///a"}, "server-api:unix:///tmp/spire-server/private/api.sock"),
    ("server-api:unix:///s", {}, "server-api:unix:///s"),
    ("bundle-endpoint:https://a:8443/b", {}, "bundle-endpoint:https://a:8443/b"),
    ("file:x/y", {}, "file:x/y"),
    ("file:-", {}, "file:-"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "environment", "address"), SOURCES)
def test_sources(text: str, environment: dict[str, str], address: str) -> None:
    assert str(SourceAddress.parse(text, environment)) == address


BAD_SOURCES = [
    "", "file", "file:", "/tmp/x", "workload:", "WORKLOAD-API:", "https://a", "gs://b", "workload-api:/run/a",
    "workload-api:unix://run/a", "workload-api:unix:/run/a", "workload-api:unix:///a?b", "workload-api:unix:///a%62",
    "workload-api:tcp://localhost:80", "workload-api:tcp://127.0.0.1", "workload-api:tcp://127.0.0.1:0",
    "workload-api:tcp://127.0.0.1:80/x", "workload-api:tcp://127.0.0.1:99999", "workload-api:tcp://u@127.0.0.1:1",
    "server-api:tcp://127.0.0.1:80", "server-api:unix:///" + "x" * 108, "bundle-endpoint:",
    "bundle-endpoint:a",
    "bundle-endpoint:http://a", "file:a\0b", "server-api:unix:///a\nb",
]  # fmt: skip


@pytest.mark.parametrize("text", BAD_SOURCES)
def test_what_is_no_source(text: str) -> None:
    with pytest.raises(BadValueError) as caught:
        SourceAddress.parse(text, {})
    assert caught.value.remedy
    assert caught.value.what.isprintable()


def test_a_bad_socket_variable_is_the_environments_fault() -> None:
    with pytest.raises(BadSocketVariableError, match="is not the absolute path of a socket"):
        SourceAddress.parse("workload-api:", {"SPIFFE_ENDPOINT_SOCKET": "/run/a.sock"})


def test_only_a_bundle_endpoint_never_tells_its_trust_domain() -> None:
    told = {kind: SourceAddress(kind=kind, place="x").tells_trust_domain for kind in SourceKind}
    assert [kind for kind, tells in told.items() if not tells] == [SourceKind.BUNDLE_ENDPOINT]


SINKS = [
    ("gs://bucket", BucketAddress(bucket="bucket", prefix="")),
    ("gs://bucket/", BucketAddress(bucket="bucket", prefix="")),
    ("gs://a.b-c_d/p/q/", BucketAddress(bucket="a.b-c_d", prefix="p/q")),
    ("directory:x", DirectoryAddress(path="x")),
    ("directory:gs://b", DirectoryAddress(path="gs:/b")),
    ("/srv/www", DirectoryAddress(path="/srv/www")),
    ("./a:b", DirectoryAddress(path="a:b")),
]


@pytest.mark.parametrize(("text", "address"), SINKS)
def test_sinks(text: str, address: object) -> None:
    assert parse_sink(text) == address


REMEDIES = [
    ("gs://b1", "'b1' is no name of a bucket", "3 to 63 characters"),
    ("gs://" + "b" * 64, "is no name of a bucket", "3 to 63 characters"),
    ("gs://bucket/a b", "'a b' is no plain prefix", "between single slashes"),
    ("s3://b", "'s3://b' is no kind of sink", "gs://bucket/prefix"),
]


@pytest.mark.parametrize(("text", "what", "remedy"), REMEDIES)
def test_a_bad_sink_says_which_part_is_bad(text: str, what: str, remedy: str) -> None:
    with pytest.raises(BadValueError) as caught:
        parse_sink(text)
    assert what in caught.value.what
    assert remedy in caught.value.remedy


@pytest.mark.parametrize(
    "text",
    ["gs://", "gs://B", "gs://ab", "gs://bucket//p", "gs://bucket/../p", "gs://bucket/a b", "gs:/b", "s3://b",
     "dir:/x", "directory:", "gs://bucket/" + "p" * 513, "gs://bucket/%41"],
)  # fmt: skip
def test_what_is_no_sink(text: str) -> None:
    with pytest.raises(BadValueError, match="is no"):
        parse_sink(text)


def test_one_directory_has_one_identity(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "real")
    spellings = [
        f"{tmp_path}/real",
        f"directory:{tmp_path}/real/",
        f"{tmp_path}/link",
        f"{tmp_path}/x/../real",
    ]
    assert {parse_sink(text).identity for text in spellings} == {str(tmp_path.resolve() / "real")}
