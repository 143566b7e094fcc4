"""The reader of public URLs that keeps its authorities between rounds."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.errors import SettingsError, WebUntrustedError
from publisher.ports import Deadline
from publisher.spire_plugin.kept_web import LONGEST_KEPT, KeptWeb
from publisher.wiring import SystemClock
from tests.doubles import StoppedClock
from tests.unit.sources.tls_peer import TlsPeer


@pytest.fixture
def peer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[TlsPeer]:
    for name in ("HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    with TlsPeer(tmp_path) as started:
        yield started


def deadline() -> Deadline:
    return Deadline(SystemClock(), 20)


def test_authorities_that_were_replaced_are_read_after_a_failure(peer: TlsPeer, tmp_path: Path) -> None:
    with TlsPeer(_folder(tmp_path / "other")) as other:
        file = tmp_path / "authorities.pem"
        file.write_bytes(other.ca_file.read_bytes())
        web = KeptWeb(file, StoppedClock())
        with pytest.raises(WebUntrustedError):
            web.get(peer.url, deadline())
        file.write_bytes(peer.ca_file.read_bytes())
        with pytest.raises(WebUntrustedError):
            web.get(peer.url, deadline())
        web.refresh()
        assert web.get(peer.url, deadline()).status == 200


def test_they_are_read_again_after_an_hour_and_not_before(peer: TlsPeer, tmp_path: Path) -> None:
    clock, file = StoppedClock(), tmp_path / "authorities.pem"
    file.write_bytes(peer.ca_file.read_bytes())
    web = KeptWeb(file, clock)
    file.unlink()
    clock.advance(seconds=LONGEST_KEPT - 1)
    web.refresh()
    clock.advance(seconds=2)
    with pytest.raises(SettingsError, match=r"authorities\.pem"):
        web.refresh()
    assert web.get(peer.url, deadline()).status == 200, "the old ones stay"


def _folder(path: Path) -> Path:
    path.mkdir()
    return path
