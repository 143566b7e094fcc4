import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH, Issuer, IssuerError, parse_jwks_path
from publisher.quoting import quote

TAKEN = {
    "a host": "https://oidc.example.org",
    "a final slash": "https://oidc.example.org/",
    "a path": "https://storage.googleapis.com/my-bucket",
    "a path and a final slash": "https://storage.googleapis.com/my-bucket/a/",
    "every character of a path": "https://example.org/A-Z_a.z~0-9/..a/.b",
    "a port": "https://example.org:8443/a",
    "the usual port": "https://example.org:443",
    "one label": "https://localhost",
    "an underscore": "https://my_bucket.storage.example.org",
    "an address": "https://10.0.0.1:8443",
    "an IPv6 address": "https://[::1]",
    "an IPv6 address and a port": "https://[2001:db8::1]:8443/a",
    "a name in punycode": "https://xn--bcher-kva.example",
    "a label of 63 characters": f"https://{'a' * 63}.example",
    "a host of 253 characters": f"https://{'a.' * 126}a",
    "512 characters": "https://example.org/".ljust(512, "a"),
}


@pytest.mark.parametrize("url", TAKEN.values(), ids=TAKEN)
def test_an_issuer_is_kept_byte_for_byte(url: str) -> None:
    assert Issuer.parse(url).url == url
    assert str(Issuer.parse(url)) == url


PRINTABLE = "must be at most 512 printable ASCII characters without spaces"
HOST = "must have a host of lower-case letters, digits, dots and dashes"
PATH = "must have a path of letters, digits and . _ ~ - only"
USERINFO = "must not hold a user or password"
QUERY = "must have no query and no fragment"

REFUSED = {
    "empty": ("", "must be https"),
    "http": ("http://example.org", "must be https"),
    "scheme in upper case": ("HTTPS://example.org", "must be https"),
    "another scheme": ("spiffe://example.org", "must be https"),
    "no scheme": ("example.org", "must be https"),
    "no slashes": ("https:example.org", "must be https"),
    "one slash": ("https:/example.org", "must be https"),
    "query": ("https://example.org/a?b=c", QUERY),
    "empty query": ("https://example.org?", QUERY),
    "fragment": ("https://example.org/#a", QUERY),
    "empty fragment": ("https://example.org/a#", QUERY),
    "user": ("https://me@example.org", USERINFO),
    "empty user": ("https://@example.org", USERINFO),
    "user and password": ("https://me:secret@example.org", USERINFO),
    "a host that looks like another": ("https://accounts.example.org@evil.example", USERINFO),
    "no host": ("https://", HOST),
    "no host but a path": ("https:///a", HOST),
    "no host but a port": ("https://:443", HOST),
    "host in upper case": ("https://Example.org", HOST),
    "final dot": ("https://example.org.", HOST),
    "empty label": ("https://example..org", HOST),
    "label of 64 characters": (f"https://{'a' * 64}.example", HOST),
    "host of 255 characters": (f"https://{'a.' * 127}a", HOST),
    "dash at an end": ("https://-example.org", HOST),
    "percent in the host": ("https://ex%61mple.org", HOST),
    "wildcard": ("https://*.example.org", HOST),
    "backslash": ("https://example.org\\@evil.example", USERINFO),
    "backslash in the host": ("https://example.org\\evil", HOST),
    "port empty": ("https://example.org:", HOST),
    "port 0": ("https://example.org:0", HOST),
    "port with leading zero": ("https://example.org:0443", HOST),
    "port no number": ("https://example.org:https", "is not a URL"),
    "port too high": ("https://example.org:65536", "is not a URL"),
    "IPv6 without bracket": ("https://[::1", "is not a URL"),
    "IPv6 malformed": ("https://[1:2]", "is not a URL"),
    "IPv6 empty": ("https://[]", "is not a URL"),
    "IPv6 with a zone": ("https://[fe80::1%25eth0]", HOST),
    "IPv6 in upper case": ("https://[2001:DB8::1]", HOST),
    "IPv6 without brackets": ("https://::1", "is not a URL"),
    "percent-encoding": ("https://example.org/%61", PATH),
    "dot segment": ("https://example.org/a/./b", PATH),
    "parent segment": ("https://example.org/a/../b", PATH),
    "final parent segment": ("https://example.org/..", PATH),
    "empty segment": ("https://example.org/a//b", PATH),
    "two final slashes": ("https://example.org/a//", PATH),
    "two slashes alone": ("https://example.org//", PATH),
    "parameters": ("https://example.org/a;b", PATH),
    "colon in the path": ("https://example.org/a:b", PATH),
    "quote in the path": ("https://example.org/'\"", PATH),
    "space inside": ("https://example.org/a b", PRINTABLE),
    "space before": (" https://example.org", PRINTABLE),
    "final line break": ("https://example.org\n", PRINTABLE),
    "tab that URL parsers drop": ("https://exam\tple.org", PRINTABLE),
    "NUL": ("https://example.org\0", PRINTABLE),
    "terminal escape": ("https://example.org/\x1b[2J", PRINTABLE),
    "lone surrogate": ("https://example.org/\ud800", PRINTABLE),
    "bidi override": ("https://example.org/\u202e", PRINTABLE),
    "name beyond ASCII": ("https://bücher.example", PRINTABLE),
    "look-alike slash": ("https://example.org\u2044a", PRINTABLE),
    "digits beyond ASCII": ("https://example.org:\u0664\u0664", PRINTABLE),
    "513 characters": ("https://example.org/".ljust(513, "a"), PRINTABLE),
    "10 MB": ("https://" + "a." * 5_000_000, PRINTABLE),
}


@pytest.mark.parametrize(("url", "what"), REFUSED.values(), ids=REFUSED)
def test_anything_else_is_refused_and_never_repaired(url: str, what: str) -> None:
    with pytest.raises(IssuerError) as refused:
        Issuer.parse(url)
    error = refused.value
    assert what in error.what
    assert error.where == f"issuer {quote(url)}" or "@" in url
    assert "--issuer" in error.remedy
    assert str(error).isprintable()
    assert len(str(error)) < 400


def test_text_after_an_ipv6_address_is_refused() -> None:
    with pytest.raises(IssuerError):  # by whom depends on the version of Python
        Issuer.parse("https://[::1]a")


def test_a_password_in_an_issuer_is_not_shown() -> None:
    for url in ("https://me:secret@example.org", "http://me:secret@example.org", "https://me:secret@\n"):
        with pytest.raises(IssuerError) as refused:
            Issuer.parse(url)
        assert "secret" not in str(refused.value)


@given(st.text(st.characters(codec=None)) | st.from_regex(r"https?://[a-z@:/?#.\[\]\\%0-9]*", fullmatch=True))
@example("https://[::ffff:1.2.3.4]")
def test_an_issuer_is_the_same_url_or_an_issuer_error(text: str) -> None:
    try:
        url = Issuer.parse(text).url
    except IssuerError as error:
        url, message = text, str(error)
    else:
        message = "issuer"
    assert url == text
    assert message.isprintable()
    assert message.isascii()


URLS = {
    "host": ("https://a.example", "https://a.example/keys"),
    "final slash": ("https://a.example/", "https://a.example/keys"),
    "path": ("https://a.example/b", "https://a.example/b/keys"),
    "path and final slash": ("https://a.example/b/", "https://a.example/b/keys"),
}


@pytest.mark.parametrize(("issuer", "url"), URLS.values(), ids=URLS)
def test_a_final_slash_is_not_doubled_below(issuer: str, url: str) -> None:
    assert Issuer.parse(issuer).document_url("keys") == url


@pytest.mark.parametrize(
    "path", ["keys", "jwks.json", "openid/v1/jwks", ".well-known/jwks.json", "-", "..a", "k" * 200]
)
def test_a_plain_relative_jwks_path_is_taken(path: str) -> None:
    assert parse_jwks_path(path) == path


BAD_PATHS = {
    "empty": "",
    "absolute": "/keys",
    "final slash": "keys/",
    "empty segment": "a//b",
    "dot": ".",
    "dot segment": "a/./b",
    "parent": "..",
    "parent segment": "../../etc/passwd",
    "parent segment inside": "a/../b",
    "percent-encoding": "a%2fb",
    "query": "keys?x",
    "fragment": "keys#x",
    "backslash": "a\\b",
    "space": "a b",
    "final line break": "keys\n",
    "NUL": "keys\0",
    "terminal escape": "\x1b[2J",
    "beyond ASCII": "ключи",
    "a URL": "https://example.org/keys",
    "201 characters": "k" * 201,
    "10 MB": "k" * 10_000_000,
}


@pytest.mark.parametrize("path", BAD_PATHS.values(), ids=BAD_PATHS)
def test_any_other_jwks_path_is_refused(path: str) -> None:
    with pytest.raises(
        IssuerError, match=r"must be relative, of up to 200 letters.*; set --jwks-path"
    ) as refused:
        parse_jwks_path(path)
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 400


@pytest.mark.parametrize(
    "path",
    [CONFIGURATION_PATH, MANIFEST_PATH, ".well-known", f"{CONFIGURATION_PATH}/keys", f"{MANIFEST_PATH}/a"],
)
def test_a_jwks_path_that_meets_another_document_is_refused(path: str) -> None:
    with pytest.raises(IssuerError, match="is taken by the other documents"):
        parse_jwks_path(path)
