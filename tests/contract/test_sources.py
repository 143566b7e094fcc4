"""One contract for every source, on every SPIRE: equal keys from each, and refusals that say why."""

import json
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey
from cryptography.hazmat.primitives.serialization import load_der_public_key
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from publisher.bundle.fetched import Fetched, SourceKind
from publisher.bundle.trust_domain import TrustDomain
from publisher.errors import BundleError, PublisherError, SourceUnavailableError
from publisher.https import Https
from publisher.ports import Deadline, Source
from publisher.sources.bundle_endpoint import BundleEndpointSource
from publisher.sources.file import FileSource
from publisher.sources.server_api import ServerApiSource
from publisher.sources.witness import AUDIENCE
from publisher.sources.workload_api import WorkloadApiSource
from publisher.wiring import SystemClock
from tests.conftest import MakePeer
from tests.peers.peer import SpirePeer
from tests.peers.reading import eventually

MakeSource = Callable[[SpirePeer, TrustDomain | None], Source]

EXAMPLE, OTHER = TrustDomain(name="example.org"), TrustDomain(name="other.org")
FILE_FORMATS = ("jwks", "spiffe bundle", "agent output")


class LaterClock(SystemClock):
    """The system's clock, ahead by some minutes: the others see an old publisher, it sees old tokens."""

    minutes = 0

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=self.minutes)


def make(name: str, directory: Path) -> MakeSource:
    """Give the maker of one source; a file is written anew by every make, as a person would."""

    def file(peer: SpirePeer, wanted: TrustDomain | None) -> Source:
        contents: dict[str, Callable[[], bytes]] = {
            "jwks": lambda: json.dumps(peer.jwks()).encode(),
            "spiffe bundle": peer.spiffe_bundle,
            "agent output": lambda: peer.agent_output("tests"),
        }
        path = directory / f"{name}.json"
        path.write_bytes(contents[name]())
        return FileSource(str(path), wanted)

    makers: dict[str, MakeSource] = {
        SourceKind.WORKLOAD_API: lambda peer, wanted: WorkloadApiSource(peer.workload_api, wanted),
        SourceKind.SERVER_API: lambda peer, wanted: ServerApiSource(peer.server_api, wanted),
        SourceKind.BUNDLE_ENDPOINT: lambda peer, wanted: BundleEndpointSource(
            peer.bundle_endpoint, wanted, Https(peer.ca_file)
        ),
    }
    return makers.get(name, file)


@pytest.fixture(
    params=[SourceKind.WORKLOAD_API, SourceKind.SERVER_API, SourceKind.BUNDLE_ENDPOINT, *FILE_FORMATS]
)
def name(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


@pytest.fixture
def make_source(name: str, tmp_path: Path) -> MakeSource:
    return make(name, tmp_path)


def fetch(source: Source, seconds: float = 30) -> Fetched:
    return source.fetch(Deadline(SystemClock(), seconds))


def refused(source: Source, error: type[PublisherError], seconds: float = 4) -> str:
    with pytest.raises(error) as caught:
        fetch(source, seconds)
    return str(caught.value)


def codes(fetched: Fetched) -> list[str]:
    return [finding.code for finding in fetched.findings]


class TestEverySource:
    def test_keys_are_those_of_the_server(self, shared_peer: SpirePeer, make_source: MakeSource) -> None:
        shared_peer.wait_for_agent()
        bundle = fetch(make_source(shared_peer, EXAMPLE)).bundle
        assert bundle.trust_domain == EXAMPLE
        expected = {}
        for key in shared_peer.bundle().jwt_authorities:
            public = load_der_public_key(key.public_key)
            assert isinstance(public, EllipticCurvePublicKey)
            expected[key.kid] = ECAlgorithm.to_jwk(public, as_dict=True)
        assert {
            authority.kid: dict(authority.key.members) for authority in bundle.jwt_authorities
        } == expected

    def test_rsa_keys_too(self, make_peer: MakePeer, tmp_path: Path) -> None:
        peer = make_peer(key_type="rsa-2048")
        peer.wait_for_agent()
        (key,) = peer.bundle().jwt_authorities
        public = RSAAlgorithm(RSAAlgorithm.SHA256).prepare_key(_pem(key.public_key))
        expected = RSAAlgorithm.to_jwk(public, as_dict=True)
        for name in (*SourceKind, "jwks"):
            if name in {SourceKind.FILE, SourceKind.SPIRE_PLUGIN}:  # what SPIRE pushes: tests/plugin
                continue
            (authority,) = fetch(make(name, tmp_path)(peer, EXAMPLE)).bundle.jwt_authorities
            assert (authority.kid, authority.key.alg) == (key.kid, "RS256")
            assert dict(authority.key.members) == {member: expected[member] for member in ("kty", "n", "e")}

    def test_it_tells_what_its_kind_tells(
        self, shared_peer: SpirePeer, make_source: MakeSource, name: str
    ) -> None:
        shared_peer.wait_for_agent()
        fetched, server = fetch(make_source(shared_peer, EXAMPLE)), shared_peer.bundle()
        assert fetched.source == (SourceKind.FILE if name in FILE_FORMATS else name)
        tells_sequence = name in {SourceKind.SERVER_API, SourceKind.BUNDLE_ENDPOINT, "spiffe bundle"}
        assert fetched.bundle.sequence_number == (server.sequence_number if tells_sequence else None)
        assert (fetched.witness is not None) == (name == SourceKind.WORKLOAD_API)
        expiry = {key.kid: key.expires_at for key in server.jwt_authorities}
        for authority in fetched.bundle.jwt_authorities:
            if name == SourceKind.SERVER_API:
                assert authority.expires_at is not None
                assert authority.expires_at.timestamp() == expiry[authority.kid]
                assert authority.tainted is not None
            else:
                assert (authority.expires_at, authority.tainted) == (None, None)

    def test_a_life_of_a_key(self, peer: SpirePeer, make_source: MakeSource, name: str) -> None:
        def kids() -> set[str]:
            peer.wait_for_agent()
            return {authority.kid for authority in fetch(make_source(peer, EXAMPLE)).bundle.jwt_authorities}

        first = peer.authorities()["active"]
        assert kids() == {first}
        second = peer.prepare()
        assert kids() == {first, second}
        peer.activate()
        assert peer.taint() == first
        assert kids() == {first, second}
        tainted = ["SRC002"] if name == SourceKind.SERVER_API else []
        assert codes(fetch(make_source(peer, EXAMPLE))) == tainted
        peer.revoke()
        assert kids() == {second}
        assert codes(fetch(make_source(peer, EXAMPLE))) == []

    def test_a_server_without_jwt_authorities(
        self, make_peer: MakePeer, make_source: MakeSource, name: str
    ) -> None:
        if name == "agent output":
            pytest.skip("spire-agent prints nothing where it gets no JWT-SVID")
        peer = make_peer(jwt_svids=False)
        peer.wait_for_agent()
        assert "has no JWT authorities yet" in refused(make_source(peer, EXAMPLE), BundleError)


@pytest.mark.parametrize("name", [SourceKind.WORKLOAD_API, SourceKind.SERVER_API, "agent output"])
class TestSourcesThatNameTheirTrustDomain:
    def test_the_only_one_is_taken(self, shared_peer: SpirePeer, make_source: MakeSource) -> None:
        assert fetch(make_source(shared_peer, None)).bundle.trust_domain == EXAMPLE

    def test_another_one_is_refused(self, shared_peer: SpirePeer, make_source: MakeSource) -> None:
        assert "offers example.org, not other.org" in refused(make_source(shared_peer, OTHER), BundleError)


@pytest.mark.parametrize("name", [SourceKind.BUNDLE_ENDPOINT, "jwks", "spiffe bundle"])
class TestSourcesThatDoNot:
    def test_the_trust_domain_must_be_said(self, shared_peer: SpirePeer, make_source: MakeSource) -> None:
        assert "set --trust-domain" in refused(make_source(shared_peer, None), BundleError)


class TestWorkloadApi:
    def test_the_witness_says_the_issuer(self, shared_peer: SpirePeer, make_peer: MakePeer) -> None:
        fetched = fetch(WorkloadApiSource(shared_peer.workload_api, None))
        assert fetched.witness is not None
        assert fetched.witness.iss == "https://issuer.example/spire"
        assert fetched.witness.kid in {authority.kid for authority in fetched.bundle.jwt_authorities}
        assert codes(fetched) == []
        nameless = make_peer(jwt_issuer=None)
        witness = fetch(WorkloadApiSource(nameless.workload_api, None)).witness
        assert witness is not None
        assert witness.iss is None

    def test_the_audience_opens_nothing(self, shared_peer: SpirePeer) -> None:
        token = shared_peer.mint(AUDIENCE)
        assert jwt.decode(token, options={"verify_signature": False})["aud"] == [AUDIENCE]

    def test_federated_bundles_are_never_merged(self, make_peer: MakePeer) -> None:
        peer = make_peer(federated=("other.org",))
        assert eventually(lambda: "spiffe://other.org" in peer.jwt_bundles())
        assert "offers several trust domains (example.org, other.org)" in refused(
            WorkloadApiSource(peer.workload_api, None), BundleError
        )
        own = fetch(WorkloadApiSource(peer.workload_api, EXAMPLE))
        assert {authority.kid for authority in own.bundle.jwt_authorities} == peer.bundle().kids
        federated = fetch(WorkloadApiSource(peer.workload_api, OTHER))
        assert federated.bundle.trust_domain == OTHER
        assert (codes(federated), federated.witness) == (["SRC003"], None)

    def test_who_is_not_registered_learns_how_and_then_is(self, make_peer: MakePeer) -> None:
        peer = make_peer(registered=False)
        source = WorkloadApiSource(peer.workload_api, None)
        assert "the agent knows no entry for this process" in refused(source, SourceUnavailableError)
        peer.add_entry()
        assert codes(fetch(source)) == []

    def test_a_mere_verifier_knows_nothing_of_the_servers_life(self, make_peer: MakePeer) -> None:
        peer = make_peer(registered=False, allow_unauthenticated_verifiers=True)
        peer.wait_for_agent()
        fetched = fetch(WorkloadApiSource(peer.workload_api, None))
        assert (codes(fetched), fetched.witness) == (["SRC001"], None)
        assert {authority.kid for authority in fetched.bundle.jwt_authorities} == peer.bundle().kids


class TestLosses:
    def test_an_agent_without_its_server_gives_no_bundle(self, peer: SpirePeer) -> None:
        peer.kill_server()
        assert peer.jwks()["keys"]  # the agent goes on answering
        source = WorkloadApiSource(peer.workload_api, None)
        assert "the agent answers, its server does not" in refused(source, SourceUnavailableError)
        peer.start_server()
        assert eventually(lambda: _works(source))

    def test_of_a_long_lived_token_an_agent_shows_its_servers_death_in_five_minutes(
        self, make_peer: MakePeer
    ) -> None:
        peer, clock = make_peer(svid_ttl=3600), LaterClock()
        peer.wait_for_agent()
        source = WorkloadApiSource(peer.workload_api, None)
        source.fetch(Deadline(clock, 30))
        clock.minutes = 6
        source.fetch(Deadline(clock, 30))
        peer.kill_server()
        source.fetch(Deadline(clock, 30))  # what the agent keeps for this audience is of just now
        clock.minutes = 12
        with pytest.raises(SourceUnavailableError, match="the agent answers, its server does not"):
            source.fetch(Deadline(clock, 8))

    @pytest.mark.parametrize(
        ("name", "what"),
        [
            (SourceKind.SERVER_API, "no spire-server at this socket"),
            (SourceKind.BUNDLE_ENDPOINT, "Connection refused"),
        ],
    )
    def test_a_dead_server(self, peer: SpirePeer, make_source: MakeSource, what: str) -> None:
        peer.kill_server()
        assert what in refused(make_source(peer, EXAMPLE), SourceUnavailableError)
        peer.start_server()
        assert fetch(make_source(peer, EXAMPLE)).bundle.trust_domain == EXAMPLE

    def test_a_dead_agent(self, peer: SpirePeer) -> None:
        peer.kill_agent()
        source = WorkloadApiSource(peer.workload_api, None)
        assert "no spire-agent at this socket" in refused(source, SourceUnavailableError)
        peer.start_agent()
        assert eventually(lambda: _works(source))

    def test_lost_keys_are_no_loss(self, peer: SpirePeer, tmp_path: Path) -> None:
        peer.lose_keys()
        peer.wait_for_agent()
        kids = peer.bundle().kids
        assert len(kids) == 2
        for name in (SourceKind.WORKLOAD_API, SourceKind.SERVER_API, SourceKind.BUNDLE_ENDPOINT):
            bundle = fetch(make(name, tmp_path)(peer, EXAMPLE)).bundle
            assert {authority.kid for authority in bundle.jwt_authorities} == kids


def _works(source: Source) -> bool:
    try:
        fetch(source, 8)
    except SourceUnavailableError:
        return False
    return True


def _pem(der: bytes) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: PLC0415

    return load_der_public_key(der).public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
