"""A folder to publish to, and hosts that are closed whatever a test does."""

import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.emulator.fixtures import bucket, emulator, fault_proxy
from tests.plugin.host import Host

__all__ = ["bucket", "emulator", "fault_proxy"]

ISSUER = "https://issuer.example"
MakeHost = Callable[..., Host]


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of a short path, whatever pytest's own has."""
    made = Path(tempfile.mkdtemp(prefix="plugin-", dir="/tmp"))
    (made / "published").mkdir()
    yield made
    shutil.rmtree(made, ignore_errors=True)


@pytest.fixture
def make_host(folder: Path) -> Iterator[MakeHost]:
    hosts: list[Host] = []

    def make(**how: object) -> Host:
        place = folder / f"host{len(hosts)}"
        place.mkdir()
        hosts.append(Host(place, **how))  # type: ignore[arg-type]  # its own arguments
        return hosts[-1]

    try:
        yield make
    finally:
        for host in hosts:
            host.close()


@pytest.fixture
def plugin_data(folder: Path) -> str:
    """Settings that publish to the folder and read no URL."""
    return f'sink = "{folder}/published"\nissuer = "{ISSUER}"\nverify_url = false'


@pytest.fixture
def host(make_host: MakeHost, plugin_data: str) -> Host:
    """A plugin that is configured."""
    started = make_host()
    started.start(plugin_data)
    return started
