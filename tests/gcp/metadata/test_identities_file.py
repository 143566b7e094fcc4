"""The file of identities is read strictly; so are the options."""

from pathlib import Path

import pytest

from publisher.errors import PublisherError, SettingsError, UsageError
from publisher.gcp.metadata_server.identities_file import MOST, Identity, parse_identities, read_identities
from publisher.settings.gcp import GcpReader
from publisher.settings.gcp_options.metadata_server_settings import (
    ADMIN_SOCKET,
    ManyIdentities,
    MetadataServerSettings,
    OneIdentity,
)

GOOD = b"""
[[identity]]
spiffe_id = "spiffe://example.org/b"
service_account = "b@project.iam.gserviceaccount.com"

[[identity]]
spiffe_id = "spiffe://example.org/a/c"
"""
NAME = "projects/123456789/locations/global/workloadIdentityPools/spire-pool/providers/spire"


def table(spiffe_id: str = "spiffe://example.org/a", more: str = "") -> bytes:
    return f'[[identity]]\nspiffe_id = "{spiffe_id}"\n{more}\n'.encode()


def test_identities_keep_their_order() -> None:
    identities = parse_identities(GOOD, where="file")
    assert list(identities.values()) == [
        Identity(spiffe_id="spiffe://example.org/b", service_account="b@project.iam.gserviceaccount.com"),
        Identity(spiffe_id="spiffe://example.org/a/c", service_account=None),
    ]


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (b"", "is no list"),
        (b"identity = 3", "is no list"),
        (b"identity = []", "is no list"),
        (b"identity = [3]", "is no table"),
        (GOOD + b'[other]\nx = "y"', "is no list"),
        (b"\xff", "is not TOML"),
        (b"[[identity", "is not TOML"),
        (table(more='service_acount = "x"'), "unknown member 'service_acount'"),
        (table() + table(), "stands there already"),
        (b"[[identity]]", "has no SPIFFE ID"),
        (table("https://example.org/a"), "has no SPIFFE ID"),
        (table("spiffe://example.org/a/"), "has no SPIFFE ID"),
        (table("spiffe://example.org/a//b"), "has no SPIFFE ID"),
        (table("spiffe://example.org/../a"), "has no SPIFFE ID"),
        (table("spiffe://Example.org/a"), "has no SPIFFE ID"),
        (table("spiffe://example.org/a?b"), "has no SPIFFE ID"),
        (table("spiffe://example.org/" + "a" * 2048), "has no SPIFFE ID"),
        (table(more='service_account = ""'), "no e-mail address"),
        (table(more='service_account = "a@example.org"'), "no e-mail address"),
        (table(more='service_account = "a/b@p.iam.gserviceaccount.com"'), "no e-mail address"),
        (table(more='service_account = "a@p.iam.gserviceaccount.com:x"'), "no e-mail address"),
        (table(more="service_account = 3"), "is no string"),
        (b"".join(table(f"spiffe://example.org/{n}") for n in range(MOST + 1)), "is no list"),
    ],
)
def test_what_could_be_a_mistake_is_refused(data: bytes, what: str) -> None:
    with pytest.raises(SettingsError, match=what):
        parse_identities(data, where="file")


def test_a_file_that_is_absent_or_too_large_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="cannot be read"):
        read_identities(tmp_path / "absent.toml")
    (tmp_path / "large.toml").write_bytes(b"#" * (1024 * 1024 + 1))
    with pytest.raises(SettingsError, match="more than 1048576 bytes"):
        read_identities(tmp_path / "large.toml")


def settings(**typed: object) -> MetadataServerSettings:
    line = {"provider": NAME, **{name.replace("_", "-"): value for name, value in typed.items()}}
    return MetadataServerSettings.read(
        GcpReader(command="metadata-server", command_line=line, environment={})
    )


def test_one_identity_by_default() -> None:
    read = settings()
    assert isinstance(read.identity, OneIdentity)
    assert read.identity.service_account is None
    assert read.audience == f"//iam.googleapis.com/{NAME}"
    assert read.listen == ("127.0.0.1", 8174)
    assert (read.machine.project_number, read.machine.project_id) == ("123456789", None)


def test_many_identities_by_a_file() -> None:
    read = settings(identities="/etc/identities.toml", listen="169.254.169.254:80")
    assert read.identity == ManyIdentities(identities=Path("/etc/identities.toml"), admin_socket=ADMIN_SOCKET)
    assert read.listen == ("169.254.169.254", 80)


@pytest.mark.parametrize(
    ("typed", "what"),
    [
        ({"provider": "x"}, "is no provider's name"),
        ({"listen": "0.0.0.0:80"}, "other machines"),
        ({"listen": "[::]:80"}, "other machines"),
        ({"listen": "192.0.2.1:80"}, "other machines"),
        ({"listen": "169.254.169.253:80"}, "other machines"),
        ({"listen": "localhost:80"}, "not an IP address"),
        ({"listen": "::1:80"}, "other machines|not an IP"),
        ({"listen": "127.0.0.1"}, "not an IP address|no port"),
        ({"listen": "127.0.0.1:0"}, "no port"),
        ({"listen": "127.0.0.1:65536"}, "no port"),
        ({"service_account": "x"}, "no e-mail address"),
        ({"scopes": ","}, "is no list of scopes"),
        ({"scopes": 'a"b'}, "is no list of scopes"),
        ({"instance_zone": "a/b"}, "is no zone"),
        ({"project_number": "x"}, "is no number"),
        ({"timeout": "1h"}, "out of bounds"),
        (
            {"identities": "f", "service_account": "a@p.iam.gserviceaccount.com"},
            "means nothing with --identities",
        ),
        ({"admin_socket": "unix:///x"}, "means nothing without --identities"),
    ],
)
def test_bad_options_are_refused(typed: dict[str, object], what: str) -> None:
    with pytest.raises(UsageError, match=what):
        settings(**typed)


def test_a_bad_override_of_an_endpoint_is_refused() -> None:
    with pytest.raises(PublisherError, match="must be https"):
        MetadataServerSettings.read(
            GcpReader(
                command="metadata-server",
                command_line={"provider": NAME},
                environment={"CLOUDSDK_API_ENDPOINT_OVERRIDES_STS": "http://sts.example"},
            )
        )
