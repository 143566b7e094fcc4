from collections.abc import Iterator

import pytest

from publisher.publication.document_set import StoredObject
from publisher.sinks.gcs import GcsSink, open_client
from tests.emulator.clock import soon
from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.fixtures import bucket, emulator, fault_proxy
from tests.unit.sinks.documents import FIRST, ISSUER, Opener

__all__ = ["bucket", "emulator", "fault_proxy"]


@pytest.fixture
def open_sink(fault_proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch) -> Iterator[Opener]:
    for name, value in fault_proxy.environment.items():
        monkeypatch.setenv(name, value)
    client = open_client()
    yield lambda bucket: GcsSink(client=client, bucket=bucket, prefix="", issuer=ISSUER)
    client.close()


@pytest.fixture
def sink(open_sink: Opener, bucket: str) -> GcsSink:
    return open_sink(bucket)


@pytest.fixture
def written(sink: GcsSink, fault_proxy: FaultProxy) -> StoredObject:
    """The first document lies in the bucket; counting starts after it."""
    stored = sink.write(FIRST, None, soon())
    fault_proxy.forget()
    return stored
