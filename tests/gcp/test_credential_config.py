"""The external-account file: what is in it, who loads it, and what it is written over."""

import json
import re
import shlex
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import google.auth
import pytest
from google.auth import identity_pool, pluggable
from hypothesis import given
from hypothesis import strategies as st

from publisher.errors import SettingsError
from publisher.gcp.credential_config import command_line
from tests.cli.running import Ran, invoke

PROVIDER = "projects/123456789/locations/global/workloadIdentityPools/spire-pool/providers/spire"
ACCOUNT = "app@my-project.iam.gserviceaccount.com"
PROGRAM = ("--program", "/opt/publisher/bin/spire-oidc-publisher")
COMMAND = "/opt/publisher/bin/spire-oidc-publisher gcp token --timeout 25s"


def config(*arguments: str, status: int = 0, environment: Mapping[str, str] = {}) -> Ran:
    words = ("gcp", "credential-config", "--provider", PROVIDER, *arguments)
    ran = invoke(*words, stdin=None, **environment)
    assert ran.status == status, ran.err
    return ran


BASE = {
    "type": "external_account",
    "universe_domain": "googleapis.com",
    "audience": f"//iam.googleapis.com/{PROVIDER}",
    "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
    "token_url": "https://sts.googleapis.com/v1/token",
}
EXECUTABLE = {"executable": {"command": COMMAND, "timeout_millis": 30000}}
FILE = {"file": "/run/svids/jwt_svid.token", "format": {"type": "text"}}
X509 = {
    "certificate": {
        "certificate_config_location": "/run/svids/certificate_config.json",
        "trust_chain_path": "/run/svids/trust_chain.pem",
    }
}
MTLS = {
    "subject_token_type": "urn:ietf:params:oauth:token-type:mtls",
    "token_url": "https://sts.mtls.googleapis.com/v1/token",
}
IAM = f"/v1/projects/-/serviceAccounts/{ACCOUNT}:generateAccessToken"


# The warning is for files of strangers; this one is ours, and the call is what libraries make of ADC.
@pytest.mark.filterwarnings("ignore:The load_credentials_from_file method")
@pytest.mark.parametrize(
    ("arguments", "environment", "members"),
    [
        (PROGRAM, {}, {"credential_source": EXECUTABLE}),
        (("--way", "file", "--folder", "/run/svids"), {}, {"credential_source": FILE}),
        (("--way", "x509", "--folder", "/run/svids"), {}, {"credential_source": X509, **MTLS}),
        (
            (
                "--way",
                "file",
                "--folder",
                "/run/svids",
                "--service-account",
                ACCOUNT,
                "--token-lifetime",
                "2h",
            ),
            {},
            {
                "credential_source": FILE,
                "service_account_impersonation_url": f"https://iamcredentials.googleapis.com{IAM}",
                "service_account_impersonation": {"token_lifetime_seconds": 7200},
            },
        ),
        (
            (*PROGRAM, "--executable-timeout", "5s", "--output-file", "/run/app/answer", "--hint", "big one"),
            {},
            {
                "credential_source": {
                    "executable": {
                        "command": f'{COMMAND.replace("25s", "3s")} --hint "big one"',
                        "timeout_millis": 5000,
                        "output_file": "/run/app/answer",
                    }
                }
            },
        ),
        (
            (
                "--way",
                "x509",
                "--folder",
                "/f",
                "--universe-domain",
                "apis.example",
                "--service-account",
                ACCOUNT,
            ),
            {},
            {
                "credential_source": json.loads(json.dumps(X509).replace("/run/svids", "/f")),
                **MTLS,
                "universe_domain": "apis.example",
                "token_url": "https://sts.mtls.apis.example/v1/token",
                "service_account_impersonation_url": f"https://iamcredentials.apis.example{IAM}",
            },
        ),
        (
            ("--way", "file", "--folder", "/run/svids", "--quota-project", "billing-1"),
            {"CLOUDSDK_API_ENDPOINT_OVERRIDES_STS": "https://127.0.0.1:8443/"},
            {
                "credential_source": FILE,
                "token_url": "https://127.0.0.1:8443/v1/token",
                "quota_project_id": "billing-1",
            },
        ),
    ],
)
def test_the_file_says_just_what_the_libraries_read(
    arguments: tuple[str, ...], environment: dict[str, str], members: dict[str, Any], tmp_path: Path
) -> None:
    ran = config(*arguments, environment=environment)
    assert ran.json == BASE | members
    file = tmp_path / "config.json"
    config(*arguments, "--write-to", str(file), environment=environment)
    assert file.read_text() == ran.out, "the same to a file and to standard output"
    credentials, project = google.auth.load_credentials_from_file(str(file))  # type: ignore[no-untyped-call]
    kind = (
        pluggable.Credentials if "executable" in members["credential_source"] else identity_pool.Credentials
    )
    assert type(credentials) is kind
    assert project is None
    wanted = ACCOUNT if "service_account_impersonation_url" in members else None
    assert credentials.service_account_email == wanted
    assert credentials.info["token_url"] == {**BASE, **members}["token_url"]


def test_what_else_is_needed_is_said_in_lines_for_a_shell(tmp_path: Path) -> None:
    file = tmp_path / "with space.json"
    lines = config(*PROGRAM, "--write-to", str(file)).out.splitlines()
    exports = [shlex.split(line)[1] for line in lines if line.startswith("export ")]
    assert exports == [
        f"GOOGLE_APPLICATION_CREDENTIALS={file}",
        "GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES=1",
    ]
    assert all(line.startswith(("export ", "# ")) for line in lines)
    assert any("give --project-id" in line for line in lines)
    lines = config(*PROGRAM, "--project-id", "my-project", "--write-to", str(file)).out.splitlines()
    assert "export GOOGLE_CLOUD_PROJECT=my-project" in lines
    assert not any("--project-id" in line for line in lines)
    said = config("--way", "file", "--folder", "/run/svids").messages
    assert (
        f"svid-files --watch --folder /run/svids --svids jwt --audience //iam.googleapis.com/{PROVIDER}"
        in said
    )


def test_in_a_folder_each_configuration_gets_a_file_of_its_own_for_answers() -> None:
    def kept_at(*arguments: str) -> str:
        ran = config(*PROGRAM, "--output-file", "/run/app/", *arguments)
        return str(ran.json["credential_source"]["executable"]["output_file"])

    others = (("--audience", "x"), ("--service-account", ACCOUNT), ("--spiffe-id", "spiffe://example.org/a"))
    names = [kept_at(), *(kept_at(*other) for other in others)]
    assert len(set(names)) == len(names)
    assert kept_at("--executable-timeout", "5s") == names[0], "the same answer"
    assert all(re.fullmatch(r"/run/app/gcp-token-[0-9a-f]{16}\.json", name) for name in names)


def test_the_file_is_for_everybody_to_read_and_only_replaces_its_like(tmp_path: Path) -> None:
    file = tmp_path / "config.json"
    for _ in range(2):
        config(*PROGRAM, "--write-to", str(file))
    assert stat.S_IMODE(file.stat().st_mode) == 0o644
    for body in (b'{"type": "service_account", "private_key": "..."}', b"", b"[]", b"{"):
        file.write_bytes(body)
        assert (
            "is no credential configuration" in config(*PROGRAM, "--write-to", str(file), status=78).messages
        )
        assert file.read_bytes() == body
    file.unlink()
    key = tmp_path / "key.json"
    key.write_text("a key")
    file.symlink_to(key)
    config(*PROGRAM, "--write-to", str(file))
    assert (file.is_symlink(), key.read_text()) == (False, "a key")
    config(*PROGRAM, "--write-to", str(tmp_path / "absent/config.json"), status=78)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--way", "file"), "--folder: is required with --way file"),
        (("--way", "file", "--folder", "svids"), "is not an absolute path"),
        (("--way", "file", "--folder", "/f", "--hint", "x"), "--hint: means nothing with --way file"),
        (("--way", "x509", "--folder", "/f", "--audience", "x"), "--audience: means nothing"),
        (("--folder", "/f"), "--folder: means nothing with --way executable"),
        (("--program", "publisher"), "is not an absolute path"),
        (("--output-file", "answer"), "is not an absolute path"),
        (("--project-id", "my project"), "is no id of a project"),
        (("--token-lifetime", "1h"), "give --service-account"),
        (("--service-account", ACCOUNT, "--token-lifetime", "13h"), "out of bounds"),
        (("--service-account", "app:generateIdToken"), "is no service account's"),
        (("--executable-timeout", "121s"), "out of bounds"),
        (("--universe-domain", "evil.example/x"), "is no domain"),
        (("--provider", "projects/my-project/x"), "provider"),
    ],
)
def test_bad_settings_are_refused_by_name(arguments: tuple[str, ...], words: str) -> None:
    program = () if {"--way", "--program"} & set(arguments) else PROGRAM
    assert words in config(*program, *arguments, status=2).messages


def node_words(command: str) -> list[str]:
    """Split as google-auth-library for Node does (`PluggableAuthHandler.parseCommand`)."""
    found = re.findall(r'(?:[^\s"]+|"[^"]*")+', command)
    return [word[1:-1] if word.startswith('"') and word.endswith('"') else word for word in found]


@given(st.lists(st.text(min_size=1), min_size=1))
def test_every_library_splits_the_command_into_the_same_words(words: list[str]) -> None:
    try:
        command = command_line(words)
    except SettingsError:
        assert any(re.search(r'["\\\x00-\x1f\x7f]', word) for word in words)
        return
    assert shlex.split(command) == words
    assert node_words(command) == words


def test_a_word_that_they_would_split_differently_is_refused() -> None:
    for word in ('a"b', "a\\b", "a\nb"):
        with pytest.raises(SettingsError):
            command_line([word])
