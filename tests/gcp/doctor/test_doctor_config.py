"""`gcp doctor`: credential configurations, files that hold the SVID, and bad settings."""

import json
import os
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from tests.gcp.doctor.chain import (
    ACCOUNT,
    ME,
    POOL,
    Chain,
)
from tests.gcp.doctor.issuer_site import ISSUER
from tests.google.issuers import Issuer
from tests.peers.peer import SpirePeer
from tests.peers.standin_peer import StandinPeer

ALLOWED = {"GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES": "1"}


def test_a_configuration_says_what_to_look_at(chain: Chain, tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    credential = {
        "type": "external_account",
        "audience": chain.google.audience(chain.place.name),
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": chain.google.sts_url,
        "service_account_impersonation_url": chain.google.impersonation_url(ACCOUNT),
        "credential_source": {"executable": {"command": f"{sys.executable} gcp token --spiffe-id {ME}"}},
    }
    path.write_text(json.dumps(credential))
    walked = chain.walk("--credential-config", str(path), expect=0, provider=False, **ALLOWED)
    assert walked.results["program"] == "ok"
    assert walked.ran.json["provider"] == chain.place.name
    assert walked.ran.json["service_account"] == ACCOUNT
    assert walked.results["impersonation"] == "ok"
    usual = {"GOOGLE_APPLICATION_CREDENTIALS": str(path)}
    walked = chain.walk("--no-read-provider", expect=0, provider=False, **usual, **ALLOWED)
    assert walked.ran.json["service_account"] == ACCOUNT
    walked = chain.walk("--no-read-provider", expect=1, provider=False, **usual)
    assert walked.broken == ("program", "GCP024")
    assert "ALLOW_EXECUTABLES=1" in walked.last["remedy"]
    assert walked.ran.json["not_reached"][0] == "agent"


def test_the_lifetime_of_the_configuration_is_asked_for(chain: Chain, tmp_path: Path) -> None:
    path = tmp_path / "app.json"
    credential = {
        "type": "external_account",
        "audience": chain.google.audience(chain.place.name),
        "token_url": chain.google.sts_url,
        "service_account_impersonation_url": chain.google.impersonation_url(ACCOUNT),
        "service_account_impersonation": {"token_lifetime_seconds": 43_200},
        "credential_source": {"executable": {"command": f"{sys.executable} gcp token"}},
    }
    path.write_text(json.dumps(credential))
    walked = chain.walk("--credential-config", str(path), expect=1, provider=False, **ALLOWED)
    assert walked.broken == ("impersonation", "GCP019")
    assert "lifetime" in walked.last["said"]
    assert "--token-lifetime" in walked.last["remedy"]


@pytest.mark.parametrize(
    ("content", "code", "status"),
    [
        ("{token}", None, 0),
        ("{token}\n", "GCP004", 1),
        ("nonsense", "GCP004", 1),
        (None, "GCP004", 1),
    ],
)
def test_a_file_that_holds_the_svid(
    chain: Chain, spire: SpirePeer, tmp_path: Path, content: str | None, code: str | None, status: int
) -> None:
    token = spire.mint(chain.google.audience(chain.place.name))
    if content is not None:
        (tmp_path / "jwt_svid.token").write_text(content.format(token=token))
    walked = chain.walk("--way", "file", "--folder", str(tmp_path), expect=status)
    assert next(iter(walked.results)) == "svid-file"
    assert walked.last["code"] == code


def test_a_file_that_nobody_keeps_fresh(chain: Chain, spire: SpirePeer, tmp_path: Path) -> None:
    assert isinstance(spire, StandinPeer)
    token = spire.mint_at_server(chain.google.audience(chain.place.name), ttl=1)
    (tmp_path / "jwt_svid.token").write_text(token)
    time.sleep(1.5)
    walked = chain.walk("--way", "file", "--folder", str(tmp_path), expect=1)
    assert walked.broken == ("clock", "GCP013")
    assert "ran out" in walked.last["said"]


@pytest.mark.parametrize(
    ("claims", "header", "said"),
    [
        ({"sub": None}, {}, "lacks sub"),
        ({"aud": None, "iat": None}, {}, "lacks aud, iat"),
        ({}, {"kid": ""}, "lacks kid"),
        ({"exp": int(time.time()) + 90_000}, {}, "and Google takes 86400 s at most"),
    ],
)
def test_a_token_that_lacks_what_google_demands(
    chain: Chain, tmp_path: Path, claims: dict[str, Any], header: dict[str, Any], said: str
) -> None:
    issuer = Issuer(url=ISSUER)
    given = {"aud": "mine", **claims}
    token = issuer.token("mine", time.time(), header=header, **given)
    (tmp_path / "jwt_svid.token").write_text(token)
    walked = chain.walk("--way", "file", "--folder", str(tmp_path), expect=1)
    assert walked.broken == ("claims", "GCP023")
    assert said in walked.last["said"]


def test_colours_are_for_terminals_only(chain: Chain) -> None:
    chain.workload_api = "unix:///tmp/there-is-no-agent.sock"
    ran = chain.run("--provider", chain.place.name)
    assert ran.status == 1
    assert ran.out.startswith("broken   agent         GCP001")
    assert "\x1b" not in ran.out


@pytest.mark.parametrize(
    ("arguments", "status"),
    [
        ((), 2),
        (("--provider", "x"), 2),
        (("--provider", f"{POOL}/providers/spire", "--way", "file"), 2),
        (("--provider", f"{POOL}/providers/spire", "--call", "x"), 2),
        (("--credential-config", "/nowhere"), 78),
    ],
)
def test_bad_settings(chain: Chain, arguments: tuple[str, ...], status: int) -> None:
    ran = chain.run(*arguments, "--output", "json", GOOGLE_APPLICATION_CREDENTIALS="")
    assert ran.status == status
    assert ran.json["exit_status"] == status
    assert ran.json["error"]["remedy"]
    assert ran.json["stages"] == []


def test_what_fails_within_the_walk_is_in_the_document(chain: Chain, tmp_path: Path) -> None:
    bad = tmp_path / "bad.pem"
    bad.write_text("no certificate")
    ran = chain.run("--provider", chain.place.name, "--output", "json", "--ca-file", str(bad))
    assert ran.status == ran.json["exit_status"] == 78
    assert "CA file" in ran.json["error"]["where"]
    assert ran.json["provider"] == chain.place.name


def test_a_pipe_is_no_file(chain: Chain, tmp_path: Path) -> None:
    pipe = tmp_path / "jwt_svid.token"
    os.mkfifo(pipe)
    walked = chain.walk("--way", "file", "--folder", str(tmp_path), expect=1)
    assert walked.broken == ("svid-file", "GCP004")
    assert "no regular file" in walked.last["said"]
    ran = chain.run("--output", "json", GOOGLE_APPLICATION_CREDENTIALS=str(pipe))
    assert "no regular file" in ran.json["error"]["what"]


def test_credentials_of_which_the_library_makes_nothing(chain: Chain, tmp_path: Path) -> None:
    path = tmp_path / "confusing.json"
    path.write_text("[]")
    walked = chain.walk(expect=0, GOOGLE_APPLICATION_CREDENTIALS=str(path))
    assert walked.results["provider"] == "unknown"


def test_credentials_that_hang_do_not_keep_the_doctor(chain: Chain, tmp_path: Path) -> None:
    pipe = tmp_path / "pipe.json"
    os.mkfifo(pipe)
    # With --provider the variable is the reader's alone: Google's library opens the pipe, and waits.
    try:
        walked = chain.walk("--timeout", "12s", expect=0, GOOGLE_APPLICATION_CREDENTIALS=str(pipe))
    finally:
        os.close(os.open(pipe, os.O_RDWR | os.O_NONBLOCK))  # wakes whoever waits
    assert walked.results["provider"] == "unknown"
    assert "gave no answer within" in walked.stages["provider"]["said"]
