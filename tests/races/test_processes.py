"""Twenty races of eight real processes at the bucket."""

import json
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from publisher.errors import ExitStatus
from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH
from publisher.publication.document_set import sha256
from publisher.publication.manifest import Manifest
from tests import keys
from tests.cli.running import Ran, invoke
from tests.emulator.fixtures import bucket, emulator
from tests.emulator.server import Emulator
from tests.races.fleet import Fleet, fleet
from tests.races.rounds import ALWAYS_VALID, VERSIONS
from tests.races.test_rounds import NEWEST, offers

__all__ = ["bucket", "emulator"]

PROCESSES = 8
KINDS = [(True, False)] * 12 + [(True, True)] * 4 + [(False, False)] * 4
"""Numbered or not, the same bundle or different ones: twenty rounds."""
SECONDS = 60


@pytest.fixture(scope="module")
def ships() -> Iterator[Fleet]:
    with fleet(PROCESSES) as running:
        yield running


class Site:
    """One round's place in the bucket, and the bundle files."""

    def __init__(self, folder: Path, emulator: Emulator, bucket: str, *, is_counted: bool) -> None:
        self._folder, self._emulator, self._bucket = folder, emulator, bucket
        self._is_counted = is_counted

    def words(self, version: int, *options: str) -> list[str]:
        bundle = self._folder / f"{version}.json"
        counted = {"spiffe_sequence": version} if self._is_counted else {}
        bundle.write_bytes(
            keys.spiffe_bundle(*(f"key{one}" for one in range(version, version + VERSIONS)), **counted)
        )
        issuer = f"https://storage.googleapis.com/{self._bucket}"
        return [
            *("publish", "--source", f"file:{bundle}", "--trust-domain", "example.org"),
            *("--sink", f"gs://{self._bucket}", "--issuer", issuer, "--no-verify-url"),
            *("--timeout", f"{SECONDS}s", "--output", "json", *options),
        ]

    def publish(self, version: int) -> Ran:
        environment: dict[str, Any] = dict(self._emulator.environment)
        return invoke(*self.words(version), **environment)

    def state_file(self, number: int) -> tuple[str, str]:
        return ("--state-file", str(self._folder / f"state{number}"))

    def holds(self) -> int:
        """Give the version that is readable; all three objects must be of the same."""
        found = [
            self._emulator.download(self._bucket, path)
            for path in ("keys", CONFIGURATION_PATH, MANIFEST_PATH)
        ]
        jwks, configuration, manifest = (one[0] for one in found if one)
        listed = Manifest.parse(manifest, where="test")
        assert listed.sha256_of("keys") == sha256(jwks)
        assert listed.sha256_of(CONFIGURATION_PATH) == sha256(configuration)
        kids = [key["kid"] for key in json.loads(jwks)["keys"]]
        assert ALWAYS_VALID in kids
        version = min(int(kid.removeprefix("key")) for kid in kids)
        assert listed.sequence_number == (version if self._is_counted else None)
        return version


@pytest.mark.parametrize("number", range(len(KINDS)))
def test_eight_processes_at_once(
    ships: Fleet, emulator: Emulator, bucket: str, tmp_path: Path, own_logs: None, number: int
) -> None:
    is_counted, is_equal = KINDS[number]
    site = Site(tmp_path, emulator, bucket, is_counted=is_counted)
    if random.Random(number).random() < 0.8:
        assert site.publish(1).status == 0
    offered = offers(number, PROCESSES, is_equal=is_equal)
    jobs = [
        (site.words(version, *(site.state_file(ship) if ship % 2 else ())), emulator.environment)
        for ship, version in enumerate(offered)
    ]
    ended = list(zip(offered, ships.run(jobs), strict=True))
    for version, ran in ended:
        match ran.status:
            case ExitStatus.DONE:
                pass
            case ExitStatus.UNSAFE:
                assert is_counted
                assert version < NEWEST, ran.err
                assert "sequence number" in ran.err
            case ExitStatus.TEMPORARY:
                assert "other publishers wrote in between every time" in ran.err
            case status:
                raise AssertionError(f"{status}: {ran.err}")
    won = [version for version, ran in ended if ran.status == 0]
    assert won, "somebody gets through"
    assert NEWEST in won or not is_counted, "the newest gets through"
    held = site.holds()
    assert held == NEWEST or not is_counted, "the newest sequence number wins"
    assert not site.publish(held).json["publications"][0]["changed"], "one more run only confirms"
    assert site.holds() == held
