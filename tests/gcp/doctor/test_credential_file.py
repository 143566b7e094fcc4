"""What the doctor takes from a credential configuration: ours, those of others, and broken ones."""

import json
from pathlib import Path
from typing import Any

import pytest

from publisher.errors import SettingsError
from publisher.gcp.credential_config import Way
from publisher.gcp.doctor.credential_file import CredentialFile
from publisher.gcp.doctor.target import Program, SvidFile, X509Files
from publisher.gcp.endpoints import OVERRIDES

PROVIDER = "projects/123456789/locations/global/workloadIdentityPools/spire-pool/providers/spire"
STS = "https://sts.googleapis.com/v1/token"
ACCOUNT = "app@my-project.iam.gserviceaccount.com"
IMPERSONATION = f"https://iamcredentials.googleapis.com/v1/projects/-/serviceAccounts/{ACCOUNT}"


def written(folder: Path, source: dict[str, Any], **others: Any) -> Path:
    path = folder / "config.json"
    members = {
        "type": "external_account",
        "audience": f"//iam.googleapis.com/{PROVIDER}",
        "token_url": STS,
        "credential_source": source,
        **others,
    }
    path.write_text(json.dumps(members))
    return path


def test_our_program_says_which_svid(tmp_path: Path) -> None:
    command = "/usr/bin/spire-oidc-publisher gcp token --timeout 25s --audience mine --hint=web"
    read = CredentialFile.read(written(tmp_path, {"executable": {"command": command}}))
    assert (read.way, read.files) == (Way.EXECUTABLE, None)
    assert read.program == Program(name="/usr/bin/spire-oidc-publisher", is_ours=True)
    assert read.words == {"audience": "mine", "hint": "web"}
    assert read.provider.name == PROVIDER
    assert read.endpoints == {f"{OVERRIDES}STS": "https://sts.googleapis.com"}


def test_a_program_of_others_says_nothing(tmp_path: Path) -> None:
    read = CredentialFile.read(written(tmp_path, {"executable": {"command": "/bin/other --audience x"}}))
    assert read.program == Program(name="/bin/other", is_ours=False)
    assert read.words == {}


def test_a_file_and_its_member(tmp_path: Path) -> None:
    read = CredentialFile.read(written(tmp_path, {"file": "/run/svid"}))
    assert read.files == SvidFile(path=Path("/run/svid"))
    form = {"type": "json", "subject_token_field_name": "token"}
    read = CredentialFile.read(written(tmp_path, {"file": "/run/svid", "format": form}))
    assert read.files == SvidFile(path=Path("/run/svid"), member="token")


def test_x509_with_its_own_place_or_the_usual_one(tmp_path: Path) -> None:
    source = {"certificate": {"certificate_config_location": "/run/config", "trust_chain_path": "/run/chain"}}
    read = CredentialFile.read(
        written(tmp_path, source, token_url="https://sts.mtls.googleapis.com/v1/token")
    )
    assert read.files == X509Files(certificate_config=Path("/run/config"), trust_chain=Path("/run/chain"))
    assert read.endpoints == {f"{OVERRIDES}STS_MTLS": "https://sts.mtls.googleapis.com"}
    read = CredentialFile.read(written(tmp_path, {"certificate": {"use_default_certificate_config": True}}))
    assert isinstance(read.files, X509Files)
    assert read.files.certificate_config.name == "certificate_config.json"
    assert read.files.trust_chain is None


def test_impersonation(tmp_path: Path) -> None:
    url = f"{IMPERSONATION}:generateAccessToken"
    read = CredentialFile.read(written(tmp_path, {"file": "/x"}, service_account_impersonation_url=url))
    assert read.service_account == ACCOUNT
    assert read.endpoints[f"{OVERRIDES}IAMCREDENTIALS"] == "https://iamcredentials.googleapis.com"


@pytest.mark.parametrize(
    "others",
    [
        {"type": "service_account"},
        {"audience": "//iam.googleapis.com/locations/global/workforcePools/x/providers/y"},
        {"audience": None},
        {"token_url": "https://sts.googleapis.com/v2/token"},
        {"token_url": None},
        {"service_account_impersonation_url": f"{IMPERSONATION}:generateIdToken"},
        {"credential_source": {"url": "https://example.org"}},
        {"credential_source": {"environment_id": "aws1"}},
        {"credential_source": "x"},
        {"credential_source": {"executable": {"command": "'"}}},
    ],
)
def test_others_are_refused_with_a_remedy(tmp_path: Path, others: dict[str, Any]) -> None:
    path = written(tmp_path, others.pop("credential_source", {"file": "/x"}), **others)
    with pytest.raises(SettingsError) as refused:
        CredentialFile.read(path)
    assert str(path) in refused.value.where
    assert refused.value.remedy


@pytest.mark.parametrize("content", [b"", b"[]", b'{"type": "external_account", "type": "x"}'])
def test_no_json_object(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(content)
    with pytest.raises(SettingsError):
        CredentialFile.read(path)
