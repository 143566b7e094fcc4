"""The bucket sink with a role that lacks something, and without a bucket: each is told by its name."""

import pytest

from publisher.errors import SinkConflictError, SinkSettingsError
from publisher.publication.document_set import StoredObject
from publisher.sinks.gcs import GcsSink
from tests.emulator.clock import soon
from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.faults import answer
from tests.unit.sinks.documents import FIRST, SECOND, Opener


def test_a_missing_bucket_is_found_by_the_write(open_sink: Opener) -> None:
    sink = open_sink("no-such-bucket")
    assert sink.read("keys", soon()) is None
    with pytest.raises(SinkSettingsError, match=r"answered 404.*make the bucket"):
        sink.write(FIRST, None, soon())


def test_a_missing_bucket_is_found_by_the_read_where_google_says_so(
    sink: GcsSink, fault_proxy: FaultProxy
) -> None:
    fault_proxy.inject(answer(404, "The specified bucket does not exist."))
    with pytest.raises(SinkSettingsError, match="bucket does not exist"):
        sink.read("keys", soon())


def test_an_object_that_vanished_before_a_write_is_a_conflict(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy
) -> None:
    fault_proxy.inject(answer(404, "No such object: bucket/keys"))
    with pytest.raises(SinkConflictError, match="removed"):
        sink.write(SECOND, written, soon())


def test_an_absent_object_answered_by_403_is_created(sink: GcsSink, fault_proxy: FaultProxy) -> None:
    fault_proxy.denied.add("storage.objects.list")
    assert sink.read("keys", soon()) is None
    created = sink.write(FIRST, None, soon())
    assert sink.read("keys", soon()) == created


def test_an_object_that_may_not_be_read_names_the_permission(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy
) -> None:
    fault_proxy.denied.add("storage.objects.get")
    assert sink.read("keys", soon()) is None
    with pytest.raises(SinkSettingsError, match=r"permission storage\.objects\.get is missing"):
        sink.write(SECOND, None, soon())
    fault_proxy.forget()
    assert sink.read("keys", soon()) == written


def test_an_object_that_appeared_after_a_403_is_a_conflict(
    open_sink: Opener, sink: GcsSink, bucket: str, fault_proxy: FaultProxy
) -> None:
    fault_proxy.denied.add("storage.objects.list")
    assert sink.read("keys", soon()) is None
    theirs = open_sink(bucket).write(SECOND, None, soon())
    with pytest.raises(SinkConflictError):
        sink.write(FIRST, None, soon())
    assert sink.read("keys", soon()) == theirs


@pytest.mark.parametrize("listing", [True, False])
def test_creating_without_the_permission_names_it(
    sink: GcsSink, fault_proxy: FaultProxy, *, listing: bool
) -> None:
    fault_proxy.denied |= {"storage.objects.create"} | (set() if listing else {"storage.objects.list"})
    assert sink.read("keys", soon()) is None
    with pytest.raises(SinkSettingsError, match=r"permission storage\.objects\.create is missing"):
        sink.write(FIRST, None, soon())


def test_overwriting_without_the_permission_names_it(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy
) -> None:
    fault_proxy.denied.add("storage.objects.delete")
    with pytest.raises(SinkSettingsError, match=r"permission storage\.objects\.delete is missing"):
        sink.write(SECOND, written, soon())
    fault_proxy.forget()
    assert sink.read("keys", soon()) == written


def test_a_refusal_without_a_name_gets_the_usual_one(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy
) -> None:
    fault_proxy.inject(answer(403, "Forbidden", times=2))
    with pytest.raises(SinkSettingsError, match=r"storage\.objects\.create is missing"):
        sink.write(FIRST, None, soon())
    with pytest.raises(SinkSettingsError, match=r"storage\.objects\.delete is missing"):
        sink.write(SECOND, written, soon())
