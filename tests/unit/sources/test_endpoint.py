import pytest

from publisher.errors import ExitStatus, SourceSettingsError
from publisher.sources.endpoint import Endpoint


@pytest.mark.parametrize(
    ("text", "path", "target"),
    [
        ("unix:///run/spire/api.sock", "/run/spire/api.sock", "unix:/run/spire/api.sock"),
        ("unix:/run/spire/api.sock", "/run/spire/api.sock", "unix:/run/spire/api.sock"),
        ("unix:////run/api.sock", "/run/api.sock", "unix:/run/api.sock"),
        ("unix:///run/a%20b/100%25", "/run/a b/100%", "unix:/run/a%20b/100%25"),
    ],
)
def test_unix_endpoints(text: str, path: str, target: str) -> None:
    endpoint = Endpoint.parse(text, setting="--source")
    assert (endpoint.text, endpoint.path, endpoint.address) == (text, path, None)
    assert endpoint.target == target


@pytest.mark.parametrize(
    ("text", "address", "target"),
    [
        ("tcp://127.0.0.1:8081", ("127.0.0.1", 8081), "ipv4:127.0.0.1:8081"),
        ("tcp://[::1]:8081", ("::1", 8081), "ipv6:[::1]:8081"),
    ],
)
def test_tcp_endpoints(text: str, address: tuple[str, int], target: str) -> None:
    endpoint = Endpoint.parse(text, setting="--source")
    assert (endpoint.path, endpoint.address) == (None, address)
    assert endpoint.target == target


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("", "scheme ''"),
        ("/run/api.sock", "scheme ''"),
        ("http://127.0.0.1:80", "scheme 'http'"),
        ("unix://run/api.sock", "names a host"),
        ("unix:run/api.sock", "not an absolute path"),
        ("unix://", "not an absolute path"),
        ("unix:///run/%00", "not an absolute path"),
        ("unix:///run/api.sock?a", "query"),
        ("unix:///run/api.sock?", "query"),
        ("unix:///run/api.sock#a", "fragment"),
        ("unix:///run/api sock", "characters"),
        ("unix:///run/\x1b[2J", "characters"),
        ("unix:///run/ü", "characters"),
        (f"unix:///{'a' * 107}", "108 bytes"),
        ("tcp://localhost:8081", "by an IP address"),
        ("tcp://:8081", "by an IP address"),
        ("tcp://127.0.0.1", "IP address and a port"),
        ("tcp://127.0.0.1:0", "IP address and a port"),
        ("tcp://127.0.0.1:8081/", "IP address and a port"),
        ("tcp://127.0.0.1:70000", "no URI"),
        ("tcp://[::1:8081", "no URI"),
        ("tcp://me@127.0.0.1:8081", "user"),
    ],
)
def test_refused_endpoints(text: str, what: str) -> None:
    with pytest.raises(SourceSettingsError) as caught:
        Endpoint.parse(text, setting="--source")
    assert what in caught.value.what
    assert caught.value.remedy == "set --source to unix:///absolute/path or tcp://IP:port"
    assert caught.value.exit_status is ExitStatus.SETTINGS
    assert str(caught.value).isprintable()


def test_an_interface_without_tcp_refuses_it() -> None:
    with pytest.raises(
        SourceSettingsError, match=r"has the scheme 'tcp'; set --source to unix:///absolute/path$"
    ):
        Endpoint.parse("tcp://127.0.0.1:8081", setting="--source", tcp=False)
