"""What every story needs: a bucket behind https, a SPIRE whose tokens name it, the command, verifiers."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from joserfc.errors import JoseError
from jwt import InvalidTokenError, PyJWKClientError

from tests.conformance.relying_parties import RelyingParty
from tests.conftest import MakePeer
from tests.emulator.fixtures import bucket, emulator, fault_proxy
from tests.emulator.server import Emulator
from tests.peers.peer import SpirePeer

__all__ = ["bucket", "emulator", "fault_proxy"]

AUDIENCE = "https://relying-party.example"
SECONDS = 90.0


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How one run of the command ended: status, parsed JSON output, log records."""

    status: int
    output: dict[str, Any]
    log: list[dict[str, Any]]

    @property
    def publication(self) -> dict[str, Any]:
        only: dict[str, Any]
        (only,) = self.output["publications"]
        return only

    @property
    def codes(self) -> list[str]:
        return [finding["code"] for finding in self.publication["findings"]]

    @property
    def said(self) -> str:
        return "\n".join(record["message"] for record in self.log)


@dataclass(frozen=True, kw_only=True)
class Story:
    """One bucket, one SPIRE, one issuer."""

    peer: SpirePeer
    emulator: Emulator
    bucket: str
    issuer: str
    ca_file: Path
    """Of whoever serves the issuer."""

    def run(
        self, *arguments: str, expect: int = 0, stdin: bytes = b"", environment: dict[str, str] | None = None
    ) -> Ended:
        """Run the real command in a process of its own."""
        ended = subprocess.run(
            [sys.executable, "-m", "publisher", *arguments, "--output", "json"],
            input=stdin,
            env={**os.environ, **self.emulator.environment, **(environment or {})},
            capture_output=True,
            timeout=SECONDS,
            check=False,
        )
        assert ended.returncode == expect, (ended.stdout + ended.stderr).decode()
        return Ended(
            status=ended.returncode,
            output=json.loads(ended.stdout),
            log=[json.loads(line) for line in ended.stderr.splitlines()],
        )

    def publish(self, source: str, *options: str, **how: Any) -> Ended:
        return self.run(
            "publish",
            *("--source", source),
            *("--sink", f"gs://{self.bucket}"),
            *("--issuer", self.issuer),
            *("--bucket-url", self.issuer),
            *("--ca-file", str(self.ca_file)),
            *options,
            **how,
        )

    @property
    def server_api(self) -> str:
        return f"server-api:{self.peer.server_api}"

    @property
    def workload_api(self) -> str:
        return f"workload-api:{self.peer.workload_api}"

    def verifies(self, token: str) -> bool:
        """Be every relying party, fresh, knowing the issuer alone; they must agree."""
        party = RelyingParty(self.issuer, self.ca_file)
        verdicts = {}
        for name, verify in party.libraries.items():
            try:
                verdicts[name] = verify(token, AUDIENCE)["sub"] == self.peer.spiffe_id
            except (InvalidTokenError, PyJWKClientError, JoseError):
                verdicts[name] = False
        assert len(set(verdicts.values())) == 1, verdicts
        return all(verdicts.values())

    def objects(self) -> dict[str, bytes]:
        found = {
            path: self.emulator.download(self.bucket, path)
            for path in (
                "keys",
                ".well-known/openid-configuration",
                ".well-known/spire-oidc-publication.json",
            )
        }
        return {path: stored[0] for path, stored in found.items() if stored}


MakeStory = Callable[..., Story]


@pytest.fixture
def make_story(make_peer: MakePeer, emulator: Emulator, bucket: str) -> MakeStory:
    def make(*, jwt_issuer: bool = True, **options: object) -> Story:
        issuer = emulator.public_url(bucket)
        peer = make_peer(jwt_issuer=issuer if jwt_issuer else None, **options)
        return Story(peer=peer, emulator=emulator, bucket=bucket, issuer=issuer, ca_file=emulator.ca_file)

    return make


@pytest.fixture
def make_standin_story(make_standin: MakePeer, emulator: Emulator, bucket: str) -> MakeStory:
    """Tell stories of the stand-in only: for what real SPIRE cannot do."""

    def make(**options: object) -> Story:
        issuer = emulator.public_url(bucket)
        peer = make_standin(jwt_issuer=issuer, **options)
        return Story(peer=peer, emulator=emulator, bucket=bucket, issuer=issuer, ca_file=emulator.ca_file)

    return make


@pytest.fixture
def story(make_story: MakeStory) -> Story:
    told = make_story()
    told.peer.wait_for_agent()
    return told


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    published = tmp_path / "published"
    published.mkdir()
    return published
