"""The bucket sink behind a proxy that breaks what it is told to, before a real store."""

import time

import pytest

from publisher.errors import SinkConflictError, SinkError, SinkSettingsError, SinkUnavailableError
from publisher.ports import Deadline
from publisher.publication.document_set import StoredObject
from publisher.sinks.gcs import GcsSink
from tests.doubles import StoppedClock
from tests.emulator.clock import RealClock, soon
from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.faults import ALWAYS, Fault, Kind, answer, html
from tests.unit.sinks.documents import BODY, FIRST, SECOND, hurried


def seen(proxy: FaultProxy, method: str) -> int:
    return [seen_method for seen_method, _ in proxy.requests].count(method)


def test_three_reads_and_a_write_are_four_requests_on_one_connection(
    sink: GcsSink, fault_proxy: FaultProxy
) -> None:
    for path in ("keys", ".well-known/openid-configuration", ".well-known/spire-oidc-publication.json"):
        assert sink.read(path, soon()) is None
    sink.write(FIRST, None, soon())
    time.sleep(0.3)  # what the client sends unasked, it sends in the background
    assert [method for method, _ in fault_proxy.requests] == ["GET", "GET", "GET", "POST"]
    assert all("/o/" in target or "/o?" in target for _, target in fault_proxy.requests)
    assert fault_proxy.connections == 1


@pytest.mark.parametrize("status", [408, 409, 425, 429, 500, 502, 503, 504])
def test_overload_is_retried(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy, status: int
) -> None:
    fault_proxy.inject(answer(status, times=3))
    assert sink.read("keys", hurried()) == written
    assert seen(fault_proxy, "GET") == 4
    fault_proxy.inject(answer(status, times=3))
    assert sink.write(SECOND, written, hurried()).body == SECOND.body
    assert seen(fault_proxy, "POST") == 4


@pytest.mark.parametrize("status", [429, 503])
def test_overload_until_the_deadline_may_pass(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy, status: int
) -> None:
    fault_proxy.inject(answer(status, "slow down please", times=ALWAYS))
    with pytest.raises(SinkUnavailableError, match=f"answered {status}: 'slow down please'") as refusal:
        sink.read("keys", hurried())
    assert "gs://" in refusal.value.where
    with pytest.raises(SinkUnavailableError, match=str(status)):
        sink.write(SECOND, written, hurried())
    fault_proxy.forget()
    assert sink.read("keys", soon()) == written


def test_the_deadline_bounds_the_retries(sink: GcsSink, fault_proxy: FaultProxy) -> None:
    fault_proxy.inject(answer(503, times=ALWAYS))
    clock = StoppedClock()
    start = clock.monotonic()
    with pytest.raises(SinkUnavailableError):
        sink.read("keys", Deadline(clock, 30))
    assert 10 < clock.monotonic() - start < 30
    assert 5 < len(clock.slept) < 20


def test_the_servers_wish_to_wait_is_granted(sink: GcsSink, fault_proxy: FaultProxy) -> None:
    fault_proxy.inject(answer(429, headers={"Retry-After": "7"}))
    clock = StoppedClock()
    assert sink.read("keys", Deadline(clock, 30)) is None
    assert clock.slept == [7.0]
    # A wish beyond the deadline ends the run at once.
    fault_proxy.inject(answer(429, headers={"Retry-After": "31"}))
    with pytest.raises(SinkUnavailableError):
        sink.read("keys", Deadline(StoppedClock(), 30))


def test_a_quota_that_is_used_up_is_no_missing_permission(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy
) -> None:
    fault_proxy.inject(answer(403, reason="userRateLimitExceeded", times=2))
    assert sink.read("keys", hurried()) == written


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.TRUNCATE, Kind.CORRUPT])
def test_a_broken_read_is_repeated(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy, kind: Kind
) -> None:
    fault_proxy.inject(Fault(kind=kind))
    assert sink.read("keys", hurried()) == written
    assert seen(fault_proxy, "GET") == 2


def test_bytes_that_stay_wrong_are_not_returned(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy
) -> None:
    fault_proxy.inject(Fault(kind=Kind.CORRUPT, times=ALWAYS))
    with pytest.raises(SinkUnavailableError, match="do not match their checksum"):
        sink.read("keys", hurried())
    assert seen(fault_proxy, "GET") == 2


@pytest.mark.parametrize("kind", [Kind.STALL, Kind.DRIP])
def test_an_answer_that_does_not_come_ends_with_the_deadline(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy, kind: Kind
) -> None:
    fault_proxy.inject(Fault(kind=kind, times=ALWAYS, seconds=30 if kind is Kind.STALL else 0.2))
    start = time.monotonic()
    with pytest.raises(SinkUnavailableError):
        sink.read("keys", Deadline(RealClock(), 0.7))
    assert time.monotonic() - start < 15  # and not 60 s, the client's own limit


def test_a_write_that_never_arrived_is_repeated(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy
) -> None:
    fault_proxy.inject(Fault(kind=Kind.RESET))
    rewritten = sink.write(SECOND, written, hurried())
    assert seen(fault_proxy, "POST") == 2
    assert sink.read("keys", soon()) == rewritten


@pytest.mark.parametrize(
    "fault",
    [
        Fault(kind=Kind.LOSE_REPLY, method="POST"),
        Fault(kind=Kind.TRUNCATE, method="POST"),
        Fault(kind=Kind.REPLACE_BODY, method="POST", body=b"<html>"),
        Fault(kind=Kind.REPLACE_BODY, method="POST", body=b"null"),
        Fault(kind=Kind.REPLACE_BODY, method="POST", body=b"[]"),
        Fault(kind=Kind.REPLACE_BODY, method="POST", body=b"[" * 50_000),
        Fault(kind=Kind.REPLACE_BODY, method="POST", body=b"{}"),
        Fault(kind=Kind.REPLACE_BODY, method="POST", body=b'{"generation":"0","crc32c":"+S5G2A=="}'),
        Fault(kind=Kind.REPLACE_BODY, method="POST", body=b'{"generation":"x","crc32c":"AAAAAA=="}'),
    ],
    ids=["lost", "truncated", "html", "null", "list", "deep", "empty", "no generation", "other bytes"],
)
def test_a_write_whose_confirmation_is_lost_is_a_conflict_that_a_read_resolves(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy, fault: Fault
) -> None:
    fault_proxy.inject(fault)
    with pytest.raises(SinkConflictError):
        sink.write(SECOND, written, hurried())
    found = sink.read("keys", soon())
    assert found is not None
    assert found.is_like(SECOND)


def test_a_write_that_is_never_confirmed_is_not_called_done(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy
) -> None:
    fault_proxy.inject(html(method="POST", times=ALWAYS))
    with pytest.raises(SinkUnavailableError, match="not JSON") as refusal:
        sink.write(SECOND, written, hurried())
    assert "finds out what was written" in refusal.value.remedy
    assert seen(fault_proxy, "POST") == 2


def test_a_page_of_somebody_else_is_not_content(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy
) -> None:
    fault_proxy.inject(html(times=2))
    with pytest.raises(SinkUnavailableError, match="no generation") as refusal:
        sink.read("keys", hurried())
    assert refusal.value.remedy.startswith("run again; if it lasts"), "nothing was written"
    assert sink.read("keys", hurried()) == written


def test_a_page_in_the_bucket_is_content(sink: GcsSink, fault_proxy: FaultProxy, bucket: str) -> None:
    fault_proxy.emulator.upload_by_hand(bucket, "keys", b"<html>", "text/html")
    found = sink.read("keys", soon())
    assert found is not None
    assert found.headers is not None
    assert (found.body, found.headers.content_type, found.headers.cache_control) == (
        b"<html>",
        "text/html",
        None,
    )
    sink.write(FIRST, found, soon())
    mended = sink.read("keys", soon())
    assert mended is not None
    assert mended.is_like(FIRST)


def test_other_headers_are_seen(sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy) -> None:
    fault_proxy.inject(Fault(kind=Kind.REPLACE_HEADERS, headers={"Content-Encoding": "gzip"}))
    found = sink.read("keys", soon())
    assert found is not None
    assert found.headers is not None
    assert found.headers.content_encoding == "gzip"
    assert found.body == BODY  # as it is stored, not decompressed


@pytest.mark.parametrize(
    "stated", ["private, max-age=0", "no-cache, no-store, max-age=0, must-revalidate", ""]
)
def test_a_cache_control_that_the_store_made_up_is_not_taken_for_the_object_s(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy, stated: str
) -> None:
    fault_proxy.inject(Fault(kind=Kind.REPLACE_HEADERS, headers={"Cache-Control": stated}))
    assert sink.read("keys", soon()) == written
    assert seen(fault_proxy, "GET") == 2


def test_an_object_that_changes_between_body_and_headers_is_read_again(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy
) -> None:
    older = {"Cache-Control": "private", "x-goog-generation": "1"}
    fault_proxy.inject(Fault(kind=Kind.REPLACE_HEADERS, headers=older))
    assert sink.read("keys", soon()) == written
    assert seen(fault_proxy, "GET") == 3


def test_a_redirect_is_not_followed(sink: GcsSink, fault_proxy: FaultProxy) -> None:
    redirect = answer(307, headers={"Location": f"{fault_proxy.url}/elsewhere"}, times=ALWAYS)
    fault_proxy.inject(redirect)
    with pytest.raises(SinkUnavailableError, match="redirect"):
        sink.read("keys", hurried())
    assert len(fault_proxy.requests) == 1


@pytest.mark.parametrize("status", [400, 401, 405, 410, 413])
def test_a_request_that_is_refused_for_good_is_a_matter_of_settings(
    sink: GcsSink, written: StoredObject, fault_proxy: FaultProxy, status: int
) -> None:
    fault_proxy.inject(answer(status, times=2))
    with pytest.raises(SinkSettingsError):
        sink.read("keys", hurried())
    fault_proxy.forget()
    fault_proxy.inject(answer(status, times=2))
    with pytest.raises(SinkSettingsError):
        sink.write(SECOND, written, hurried())


def test_a_success_that_is_none_is_not_believed(sink: GcsSink, fault_proxy: FaultProxy) -> None:
    fault_proxy.inject(answer(202, times=2))
    with pytest.raises(SinkUnavailableError, match="answered 202"):
        sink.read("keys", hurried())


def test_what_the_server_says_is_quoted(sink: GcsSink, fault_proxy: FaultProxy) -> None:
    token = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.c2ln"
    fault_proxy.inject(answer(400, f"bad\n\x1b[31m{token} ya29.secret Bearer hidden " + "x" * 5000))
    with pytest.raises(SinkError) as refusal:
        sink.read("keys", soon())
    text = str(refusal.value)
    assert text.isprintable()
    assert len(text) < 600
    assert not any(secret in text for secret in ("eyJ", "ya29", "hidden"))


def test_an_error_page_without_end_is_not_swallowed(sink: GcsSink, fault_proxy: FaultProxy) -> None:
    endless = Fault(kind=Kind.ANSWER, status=404, body=b"x" * (5 * 1024 * 1024))
    fault_proxy.inject(endless)
    with pytest.raises(SinkSettingsError, match="more than"):
        sink.read("keys", soon())


def test_nobody_there_may_pass(sink: GcsSink, fault_proxy: FaultProxy) -> None:
    fault_proxy.stop()
    with pytest.raises(SinkUnavailableError, match="cannot connect: connection refused"):
        sink.read("keys", hurried(3))
