"""A directory that `publish` filled, behind a static https server with a private CA."""

import gzip
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import jwt
import pytest
from joserfc.errors import InvalidKeyIdError

from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH, Issuer
from publisher.ports import Deadline
from publisher.publication.document_set import PublicationSettings
from publisher.publication.rules import Overrides
from publisher.sinks.directory import DirectorySink
from publisher.use_cases.publish import Adapters, publish
from publisher.wiring import SystemClock
from tests import keys
from tests.conformance.black_box import assert_conforms, checked
from tests.conformance.relying_parties import RelyingParty
from tests.conformance.static_server import StaticServer, serve
from tests.doubles import ListedSource, codes
from tests.peers.certificates import Certificates, write_certificates

AUDIENCE = "conformance"
EVERY_KIND = (keys.authority("p256"), keys.authority("p384", "ES384"), keys.authority("rsa", "RS256"))
BY_ALG = {"p256": "ES256", "p384": "ES384", "rsa": "RS256"}


@dataclass(kw_only=True)
class Site:
    """An issuer on this machine: a directory, its server, and a publisher for it."""

    server: StaticServer
    clock: SystemClock = field(default_factory=SystemClock)

    def publish(self, *authorities: Any) -> None:
        bundle = keys.bundle(*authorities)
        issuer = Issuer.parse(self.server.issuer)
        publish(
            Adapters(
                source=ListedSource(bundle),
                sink=DirectorySink(self.server.root),
                memory=None,
                web=None,
                clock=self.clock,
            ),
            PublicationSettings(issuer=issuer, authorization_endpoint=f"{issuer}/authorize"),
            overrides=Overrides(),
            bucket_url=None,
            dry_run=False,
            deadline=Deadline(self.clock, 30),
        )

    def token(self, kid: str, *, alg: str = "ES256", seed: str | None = None, **claims: Any) -> str:
        now = int(time.time())
        known = {"iss": self.server.issuer, "sub": "spiffe://example.org/app", "aud": AUDIENCE}
        return keys.token(kid, {**known, "iat": now, "exp": now + 300, **claims}, alg, seed=seed)

    def codes(self, **options: Any) -> list[str]:
        found = checked(self.server.issuer, ca_file=self.server.ca_file, **options)
        # What relying parties on the internet would miss on loopback is not the matter here.
        return [code for code in codes(found) if not code.startswith("RPY")]


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return write_certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(params=["", "/tenant/one"], ids=["at the root", "below a path"])
def site(request: pytest.FixtureRequest, tmp_path: Path, certificates: Certificates) -> Iterator[Site]:
    with serve(tmp_path, certificates, path=request.param) as server:
        yield Site(server=server)


@pytest.fixture
def published(tmp_path: Path, certificates: Certificates) -> Iterator[Site]:
    with serve(tmp_path, certificates) as server:
        site = Site(server=server)
        site.publish("a")
        yield site


def test_every_kind_of_key_verifies_by_discovery_alone(site: Site) -> None:
    site.publish(*EVERY_KIND)
    tokens = [(site.token(kid, alg=alg), AUDIENCE) for kid, alg in BY_ALG.items()]
    verdict = assert_conforms(
        site.server.issuer, ca_file=site.server.ca_file, kids=list(BY_ALG), tokens=tokens
    )
    thumbprints = {authority.kid: authority.key.thumbprint for authority in EVERY_KIND}
    assert all(read == thumbprints for read in verdict.keys.values())


def test_a_rotation_leaves_no_token_behind(site: Site) -> None:
    site.publish("old")
    site.publish("old", "new")
    tokens = [(site.token(kid), AUDIENCE) for kid in ("old", "new")]
    assert_conforms(site.server.issuer, ca_file=site.server.ca_file, kids=["old", "new"], tokens=tokens)
    site.publish("new")
    assert_conforms(site.server.issuer, ca_file=site.server.ca_file, kids=["new"], tokens=tokens[1:])
    party = RelyingParty(site.server.issuer, site.server.ca_file)
    with pytest.raises(jwt.PyJWKClientError):
        party.pyjwt(tokens[0][0], AUDIENCE)
    with pytest.raises(InvalidKeyIdError):
        party.joserfc(tokens[0][0], AUDIENCE)


@pytest.mark.parametrize(
    "forged",
    [{"seed": "thief"}, {"iss": "https://other.example"}, {"aud": "other"}, {"exp": 1}],
    ids=["another key", "another issuer", "another audience", "expired"],
)
def test_the_relying_parties_of_this_suite_refuse_what_they_should(
    published: Site, forged: dict[str, Any]
) -> None:
    token = published.token("a", **forged)
    for verify in RelyingParty(published.server.issuer, published.server.ca_file).libraries.values():
        with pytest.raises(Exception, match=r"(?i)signature|issuer|iss|audience|aud|expired"):
            verify(token, AUDIENCE)


def test_nothing_is_wrong_with_a_published_directory(published: Site) -> None:
    assert published.codes(require_manifest=True) == []
    assert published.server.log == [f"/{path}" for path in (CONFIGURATION_PATH, "keys", MANIFEST_PATH)]


def served_as(path: str, **headers: str | None) -> Callable[[StaticServer], None]:
    named = {name.replace("_", "-").title(): value for name, value in headers.items()}

    def change(server: StaticServer) -> None:
        server.headers[path] = named

    return change


def answered(path: str, status: int) -> Callable[[StaticServer], None]:
    def change(server: StaticServer) -> None:
        server.statuses[path] = status

    return change


def written(path: str, body: bytes) -> Callable[[StaticServer], None]:
    def change(server: StaticServer) -> None:
        (server.root / path).write_bytes(body)

    return change


FAULTS: dict[str, tuple[Callable[[StaticServer], None], list[str]]] = {
    "types of a bare web server": (
        served_as("*", content_type="application/octet-stream"),
        ["WEB004", "WEB004", "WEB004"],
    ),
    "no Cache-Control": (served_as("keys", cache_control=None), ["WEB005"]),
    "an hour": (served_as("keys", cache_control="public, max-age=3600"), ["WEB007"]),
    "never cached": (served_as("keys", cache_control="no-store"), ["WEB006"]),
    "gzip said": (served_as("keys", content_encoding="gzip"), ["WEB009"]),
    "gzip sent": (written("keys", gzip.compress(b"{}", mtime=0)), ["JWK001", "MAN004"]),
    "a redirect": (answered(CONFIGURATION_PATH, 301), ["WEB002"]),
    "no configuration": (answered(CONFIGURATION_PATH, 404), ["WEB003"]),
    "no JWKS": (answered("keys", 403), ["WEB003"]),
    "no manifest": (answered(MANIFEST_PATH, 404), ["MAN001"]),
    "HTML for everything": (
        written(CONFIGURATION_PATH, b"<!doctype html>"),
        ["CFG001", "MAN004"],
    ),
    "somebody else's keys": (
        written("keys", json.dumps({"keys": [keys.jwk("t", use="sig") | {"alg": "ES256"}]}).encode()),
        ["MAN004"],
    ),
    "five megabytes": (written("keys", b" " * 5_000_000), ["JWK001", "MAN004"]),
}


@pytest.mark.parametrize(("change", "expected"), FAULTS.values(), ids=FAULTS)
def test_one_fault_is_found(
    published: Site, change: Callable[[StaticServer], None], expected: list[str]
) -> None:
    change(published.server)
    # Too little time for the second look that a mixed publication gets: what it adds is a unit test's.
    assert published.codes(seconds=6) == expected


def test_a_server_that_nobody_trusts(published: Site) -> None:
    assert codes(checked(published.server.issuer, ca_file=None)) == ["WEB010", "WEB010"]


def test_a_server_that_is_gone(tmp_path: Path, certificates: Certificates) -> None:
    with serve(tmp_path, certificates) as server:
        pass
    assert codes(checked(server.issuer, ca_file=server.ca_file)) == ["WEB001", "WEB001"]


def test_a_server_that_says_nothing(published: Site) -> None:
    published.server.silent.set()
    assert published.codes(seconds=1) == ["WEB001", "WEB001"]
