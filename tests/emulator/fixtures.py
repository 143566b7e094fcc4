"""Fixtures of everybody who needs a bucket: an emulator for the session, a bucket for the test."""

import secrets
from collections.abc import Iterator

import pytest

from tests.emulator.fault_proxy import FaultProxy, running_fault_proxy
from tests.emulator.server import Emulator, EmulatorError, running_emulator

__all__ = ["bucket", "emulator", "fault_proxy"]


@pytest.fixture(scope="session")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """fake-gcs-server over TLS; a machine that cannot run it skips the test and says so."""
    try:
        with running_emulator(tmp_path_factory.mktemp("emulator")) as running:
            yield running
    except EmulatorError as error:
        pytest.skip(f"no emulator of Cloud Storage here: {error}")


@pytest.fixture
def bucket(emulator: Emulator) -> str:
    """A fresh, empty bucket."""
    name = f"bucket-{secrets.token_hex(6)}"
    emulator.make_bucket(name)
    return name


@pytest.fixture
def fault_proxy(emulator: Emulator) -> Iterator[FaultProxy]:
    """A proxy before the emulator, letting everything pass until told otherwise."""
    with running_fault_proxy(emulator) as running:
        yield running
