"""The plugin before a bucket: killed between writes, without the bucket, and beside other servers."""

import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest

from tests.emulator.fault_proxy import FaultProxy
from tests.emulator.faults import ALWAYS, Fault, Kind
from tests.emulator.server import Emulator
from tests.plugin.conftest import MakeHost
from tests.plugin.host import Host, wait_for_end
from tests.plugin.messages import bundle

MANIFEST = ".well-known/spire-oidc-publication.json"
WRITES = ("keys", ".well-known/openid-configuration", MANIFEST)


def data(emulator: Emulator, bucket: str, **more: object) -> str:
    issuer = emulator.public_url(bucket)
    members = {"sink": f"gs://{bucket}", "issuer": issuer, "bucket_url": issuer, "verify_url": False, **more}
    return "\n".join(f"{name} = {json.dumps(value)}" for name, value in members.items())


def kids(emulator: Emulator, bucket: str) -> set[str]:
    found = emulator.download(bucket, "keys")
    return {key["kid"] for key in json.loads(found[0])["keys"]} if found else set()


@pytest.mark.parametrize("kind", [Kind.RESET, Kind.LOSE_REPLY], ids=["before", "after"])
@pytest.mark.parametrize("number", range(len(WRITES)), ids=WRITES)
def test_killed_at_a_write_the_next_worker_finishes(
    make_host: MakeHost,
    emulator: Emulator,
    bucket: str,
    fault_proxy: FaultProxy,
    number: int,
    kind: Kind,
) -> None:
    host: Host = make_host(environment=fault_proxy.environment)
    host.start(data(emulator, bucket))
    worker, writes = host.worker(), []

    def kill(method: str, _name: str) -> bool:
        if method == "POST":
            writes.append(method)
            if len(writes) == number + 1:
                os.kill(worker, signal.SIGKILL)
                return True
        return False

    fault_proxy.inject(Fault(kind=kind, where=kill))
    answer = host.publish(bundle("a", number=1))
    assert answer.code is grpc.StatusCode.UNAVAILABLE
    assert wait_for_end(worker)
    there = [path for path in WRITES if emulator.download(bucket, path)]
    assert there == list(WRITES[: number + (kind is Kind.LOSE_REPLY)]), "it died there and nowhere else"
    assert host.publish_until(bundle("a", number=1)).ok, host.log_text()
    assert kids(emulator, bucket) == {"a"}
    assert json.loads(emulator.download(bucket, MANIFEST)[0])["sequence_number"] == 1  # type: ignore[index]


def test_a_bucket_that_is_down_and_back(
    make_host: MakeHost, emulator: Emulator, bucket: str, fault_proxy: FaultProxy
) -> None:
    host = make_host(environment=fault_proxy.environment)
    host.start(data(emulator, bucket, timeout="1s"))
    fault_proxy.inject(Fault(kind=Kind.RESET, times=ALWAYS))
    worker = host.worker()
    for tick in range(10):
        answer = host.publish(bundle("a", "b", number=1 + tick // 3))
        assert answer.code is grpc.StatusCode.UNAVAILABLE
        assert bucket in answer.text
    fault_proxy.forget()
    assert host.publish(bundle("a", "b", number=4)).ok, "at the first tick after it"
    assert kids(emulator, bucket) == {"a", "b"}
    assert host.worker() == worker, "nothing had to be started anew"


def test_a_call_ends_before_the_next_tick(
    make_host: MakeHost, emulator: Emulator, bucket: str, fault_proxy: FaultProxy
) -> None:
    host = make_host(environment=fault_proxy.environment)
    host.start(data(emulator, bucket, timeout="1s"))
    fault_proxy.inject(Fault(kind=Kind.STALL, seconds=60.0, times=ALWAYS))
    answer = host.publish(bundle("a", number=1), seconds=30)
    assert answer.code is grpc.StatusCode.UNAVAILABLE, (
        "not DEADLINE_EXCEEDED, which would be the caller's own"
    )


def test_an_unchanged_tick_makes_no_request(
    make_host: MakeHost, emulator: Emulator, bucket: str, fault_proxy: FaultProxy
) -> None:
    host = make_host(environment=fault_proxy.environment)
    host.start(data(emulator, bucket))
    assert host.validate(data(emulator, bucket)) == (True, [])
    assert fault_proxy.requests == [], "settings are judged as text"
    assert host.publish(bundle("a", number=1)).ok
    fault_proxy.forget()
    for _ in range(3):
        assert host.publish(bundle("a", number=1)).ok
    assert fault_proxy.requests == []


def test_a_missing_bucket_is_told_by_its_name(make_host: MakeHost, emulator: Emulator) -> None:
    host = make_host(environment=emulator.environment)
    host.start(data(emulator, "no-such-bucket"))
    answer = host.publish(bundle("a", number=1))
    assert not answer.ok
    assert "gs://no-such-bucket" in answer.text


def test_three_servers_at_once_one_of_them_behind(
    make_host: MakeHost, emulator: Emulator, bucket: str
) -> None:
    hosts = [make_host(environment=emulator.environment) for _ in range(3)]
    for host in hosts:
        host.start(data(emulator, bucket))
    old, new = bundle("a", number=1), bundle("a", "b", number=2)
    with ThreadPoolExecutor(3) as pool:
        for bundles in ((old, old, old), (new, new, old), (new, new, new)):
            answers = list(pool.map(lambda pair: pair[0].publish(pair[1]), zip(hosts, bundles, strict=True)))
            assert [answer.code for answer in answers] == [grpc.StatusCode.OK] * 3, answers
    assert kids(emulator, bucket) == {"a", "b"}
