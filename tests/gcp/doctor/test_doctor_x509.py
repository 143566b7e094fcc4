"""`gcp doctor --way x509`: chain, trust store, mutual TLS, and the files of `gcp svid-files`."""

import json
import shutil
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from publisher.gcp.certificate import Certificate
from publisher.gcp.doctor.provider import ProviderSeen
from publisher.gcp.doctor.stage import Result
from publisher.gcp.doctor.x509 import X509Seen, look_at_chain
from tests.cli.running import invoke
from tests.gcp.doctor.chain import ACCOUNT, POOL, USER, Chain, make_chain, principal
from tests.gcp.doctor.issuer_site import Site
from tests.gcp.scripted_agent import Agent, Authority, Identity, running_agent
from tests.google.google import Google
from tests.google.issuers import Authority as GoogleAuthority
from tests.google.issuers import new_key

ME = "spiffe://example.org/app"
X509 = ("--provider", f"{POOL}/providers/mtls", "--way", "x509")
CONDITION = "assertion.san.uri.startsWith('spiffe://example.org/')"


@pytest.fixture
def agent() -> Iterator[Agent]:
    with running_agent() as started:
        yield started


@pytest.fixture
def chain(google: Google, agent: Agent, tmp_path: Path) -> Chain:
    """Have an X.509 provider that trusts the agent's authority; nobody reads an issuer's site."""
    site = Site(place="127.0.0.1:1", ca_file=google.ca_file)
    made = make_chain(google, site, agent.endpoint, tmp_path)
    google.create_x509_provider(POOL, "mtls", anchors=[agent.authority.pem], condition=CONDITION)
    google.bind(ACCOUNT, USER, principal(ME))
    return made


def trust(chain: Chain, *anchors: str) -> None:
    store = {"trustAnchors": [{"pemCertificate": pem} for pem in anchors]}
    chain.google.patch(f"{POOL}/providers/mtls", "x509.trustStore", {"x509": {"trustStore": store}})


@pytest.mark.parametrize("between", [False, True])
def test_a_whole_chain_is_ok(chain: Chain, agent: Agent, between: bool) -> None:
    if between:
        agent.authority = Authority(has_intermediate=True)
        trust(chain, agent.authority.pem)
    walked = chain.walk(*X509, "--service-account", ACCOUNT, expect=0, provider=False)
    assert walked.results == {**dict.fromkeys(walked.results, "ok"), "call": "unknown"}
    assert [entry.client_certificate for entry in chain.google.journal("POST .*/v1/token")][-1]
    assert "PRIVATE" not in walked.ran.out + walked.ran.err


def test_a_trust_store_of_another_root(chain: Chain) -> None:
    trust(chain, Authority().pem)
    walked = chain.walk(*X509, expect=1, provider=False)
    assert walked.broken == ("trust-store", "GCP021")
    assert "gcp setup --x509 --apply" in walked.last["remedy"]
    walked = chain.walk(*X509, "--no-read-provider", expect=1, provider=False)
    assert walked.broken == ("exchange", "GCP021")


def test_the_other_kind_of_provider(chain: Chain) -> None:
    assert chain.walk("--way", "x509", expect=1).broken == ("provider", "GCP006")
    walked = chain.walk(*X509[:2], expect=1, provider=False)
    assert walked.broken == ("provider", "GCP006")
    assert "--way x509" in walked.last["remedy"]


def test_a_leaf_that_lives_too_long(chain: Chain, agent: Agent) -> None:
    agent.x509_life = 400 * 86400.0
    assert chain.walk(*X509, expect=1, provider=False).broken == ("certificate", "GCP022")


def test_a_condition_that_refuses(chain: Chain, agent: Agent) -> None:
    agent.identities = [Identity(spiffe_id="spiffe://example.org.attacker.example/app")]
    assert chain.walk(*X509, expect=1, provider=False).broken == ("condition", "GCP015")


def test_several_identities_need_a_choice(chain: Chain, agent: Agent) -> None:
    agent.identities = [Identity(), Identity(spiffe_id="spiffe://example.org/other")]
    walked = chain.walk(*X509, expect=1, provider=False)
    assert walked.broken == ("registration", "GCP002")
    assert "--spiffe-id" in walked.last["remedy"]
    assert chain.walk(*X509, "--spiffe-id", ME, expect=0, provider=False).results["exchange"] == "ok"


@pytest.fixture
def folder(chain: Chain, tmp_path: Path) -> Path:
    """Have the files that `gcp svid-files` writes."""
    kept = tmp_path / "svids"
    ran = invoke(
        *("gcp", "svid-files", "--folder", str(kept), "--svids", "x509"),
        *("--workload-api", chain.workload_api),
        stdin=None,
        **chain.environment,
    )
    assert ran.status == 0, ran.err
    return kept


def test_the_files_of_svid_files_and_their_configuration(chain: Chain, folder: Path, tmp_path: Path) -> None:
    chain.workload_api = "unix:///tmp/there-is-no-agent.sock"
    walked = chain.walk(*X509, "--folder", str(folder), expect=0, provider=False)
    assert next(iter(walked.results)) == "svid-file"
    path = tmp_path / "mtls.json"
    words = ("--way", "x509", "--folder", str(folder), "--write-to", str(path), "--service-account", ACCOUNT)
    ran = invoke("gcp", "credential-config", *X509[:2], *words, stdin=None, **chain.environment)
    assert ran.status == 0, ran.err
    walked = chain.walk("--credential-config", str(path), expect=0, provider=False)
    assert walked.ran.json["way"] == "x509"
    assert walked.results["impersonation"] == "ok"


def test_intermediates_beside_the_leaf_are_not_sent(chain: Chain, agent: Agent, tmp_path: Path) -> None:
    agent.authority = Authority(has_intermediate=True)
    trust(chain, agent.authority.pem)
    kept = tmp_path / "svids"
    words = ("gcp", "svid-files", "--folder", str(kept), "--svids", "x509")
    ran = invoke(*words, "--workload-api", chain.workload_api, stdin=None, **chain.environment)
    assert ran.status == 0, ran.err
    assert chain.walk(*X509, "--folder", str(kept), expect=0, provider=False).results["exchange"] == "ok"
    path = Path(
        json.loads((kept / "certificate_config.json").read_text())["cert_configs"]["workload"]["cert_path"]
    )
    chained = kept / "trust_chain.pem"
    path.chmod(0o600)
    path.write_text(path.read_text() + chained.read_text())
    config = tmp_path / "mtls.json"
    credential = {
        "type": "external_account",
        "audience": chain.google.audience(f"{POOL}/providers/mtls"),
        "token_url": "https://sts.mtls.googleapis.com/v1/token",
        "credential_source": {
            "certificate": {"certificate_config_location": str(kept / "certificate_config.json")}
        },
    }
    config.write_text(json.dumps(credential))
    walked = chain.walk("--credential-config", str(config), expect=1, provider=False)
    assert walked.broken == ("trust-store", "GCP021")
    assert "trust_chain_path" in walked.last["remedy"]


def test_a_key_of_another_certificate(chain: Chain, folder: Path) -> None:
    config = json.loads((folder / "certificate_config.json").read_text())["cert_configs"]["workload"]
    path = Path(config["key_path"])
    form = Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()
    path.chmod(0o600)
    path.write_bytes(new_key().private_bytes(*form))
    walked = chain.walk(*X509, "--folder", str(folder), expect=1, provider=False)
    assert walked.broken == ("svid-file", "GCP004")


def test_files_that_are_gone(chain: Chain, folder: Path) -> None:
    shutil.rmtree(folder)
    walked = chain.walk(*X509, "--folder", str(folder), expect=1, provider=False)
    assert walked.broken == ("svid-file", "GCP004")
    assert "svid-files --watch" in walked.last["remedy"]


def test_an_expired_certificate_in_a_file(chain: Chain, agent: Agent, tmp_path: Path) -> None:
    agent.x509_life = -1.0
    ran = invoke(
        *("gcp", "svid-files", "--folder", str(tmp_path / "old"), "--svids", "x509"),
        *("--workload-api", chain.workload_api),
        stdin=None,
        **chain.environment,
    )
    assert ran.status == 0, ran.err
    walked = chain.walk(*X509, "--folder", str(tmp_path / "old"), expect=1, provider=False)
    assert walked.broken == ("clock", "GCP013")
    assert "ran out" in walked.last["said"]


def test_an_agent_that_answers_nonsense_or_nothing(chain: Chain, agent: Agent) -> None:
    agent.mangle = b"\xff\xff"
    for words in (X509, ("--provider", chain.place.name)):
        walked = chain.walk(*words, expect=1, provider=False)
        assert walked.broken == ("registration", "GCP003")
    agent.mangle, agent.silent = None, True
    walked = chain.walk(*X509, expect=1, provider=False)
    assert walked.broken == ("registration", "GCP003")
    assert "does not reach its server" in walked.last["remedy"]


def test_an_agent_that_refuses(chain: Chain, agent: Agent) -> None:
    agent.refuse = grpc.StatusCode.PERMISSION_DENIED
    assert chain.walk(*X509, expect=1, provider=False).broken == ("registration", "GCP002")


@pytest.mark.parametrize("stored", [True, False])
def test_a_path_over_an_intermediate_of_the_chain_or_of_the_store(tmp_path: Path, stored: bool) -> None:
    root = GoogleAuthority()
    between = GoogleAuthority(name="between", issuer=root)
    certificate, key = between.svid(tmp_path)
    pems = [certificate.read_bytes(), *([] if stored else [between.pem.encode()])]
    chain = tuple(one for pem in pems for one in Certificate.parse_pem(pem, where="test"))
    svid = X509Seen(chain=chain, key=key.read_bytes())
    store = {"trustAnchors": [{"pemCertificate": root.pem}]}
    if stored:
        store["intermediateCas"] = [{"pemCertificate": between.pem}]
    provider = ProviderSeen(body={"x509": {"trustStore": store}})
    seen = look_at_chain(svid, provider, datetime.now(UTC))
    assert (seen.result, "3 certificates" in seen.said) == (Result.OK, True)


def test_an_anchor_that_has_expired(tmp_path: Path) -> None:
    root = GoogleAuthority()
    certificate, key = root.svid(tmp_path)
    svid = X509Seen(chain=Certificate.parse_pem(certificate.read_bytes(), where="x"), key=key.read_bytes())
    provider = ProviderSeen(body={"x509": {"trustStore": {"trustAnchors": [{"pemCertificate": root.pem}]}}})
    seen = look_at_chain(svid, provider, datetime.now(UTC) + timedelta(days=31))
    assert "has expired" in seen.said
    broken = ProviderSeen(body={"x509": {"trustStore": {"trustAnchors": [{"pemCertificate": "nonsense"}]}}})
    assert look_at_chain(svid, broken, datetime.now(UTC)).result is Result.BROKEN
