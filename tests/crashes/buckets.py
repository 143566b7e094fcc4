"""A bucket at the emulator, behind a proxy that kills the publisher at one of its requests."""

import http.client
import json
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Self
from urllib.parse import urlsplit

from tests.crashes.launcher import Launcher, Ran, clean_environment
from tests.crashes.places import Place
from tests.crashes.reader import ISSUER, Fetch
from tests.crashes.steps import AFTER, BEFORE, Point
from tests.emulator.fault_proxy import FaultProxy, Held
from tests.emulator.server import Emulator


class KillingProxy(FaultProxy):
    """Kill a process before the server has its n-th request, or before it has the server's answer."""

    def __init__(self, emulator: Emulator) -> None:
        super().__init__(emulator)
        self._point: Point | None = None
        self._pid = 0
        self._started = threading.Event()
        self._count = 0
        self._counting = threading.Lock()
        self._idle: list[http.client.HTTPSConnection] = []

    def public(self, path: str) -> bytes | None:
        """GET as anybody does, around this proxy; None: 404."""
        try:
            connection = self._idle.pop()
        except IndexError:
            host = urlsplit(self.emulator.url).netloc
            connection = http.client.HTTPSConnection(host, timeout=20, context=self.emulator.tls)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read()
        self._idle.append(connection)
        assert answer.status in {200, 404}, answer.status
        return body if answer.status == 200 else None

    def stop(self) -> None:
        super().stop()
        for connection in self._idle:
            connection.close()

    def expect(self, point: Point | None) -> None:
        """Count from zero, and kill at that point the process that `victim` names."""
        self.forget()
        self._started.clear()
        self._point, self._count = point, 0

    def victim(self, pid: int) -> None:
        self._pid = pid
        self._started.set()

    def deliver(self, request: Held) -> tuple[int, dict[str, str], bytes]:
        with self._counting:
            self._count += 1
            number = self._count
        self._reach(Point(number=number, where=BEFORE))
        answer = super().deliver(request)
        self._reach(Point(number=number, where=AFTER))
        return answer

    def _reach(self, point: Point) -> None:
        if point == self._point:
            assert self._started.wait(20)
            os.kill(self._pid, signal.SIGKILL)
            raise ConnectionAbortedError("nobody is there any more")


@contextmanager
def running_killing_proxy(emulator: Emulator) -> Iterator[KillingProxy]:
    proxy = KillingProxy(emulator)
    proxy.start()
    try:
        yield proxy
    finally:
        proxy.stop()


@dataclass(frozen=True, kw_only=True)
class BucketPlace(Place):
    """Where one publication lives: a prefix of a bucket, which the publisher reaches through the proxy."""

    proxy: KillingProxy
    bucket: str

    @property
    def prefix(self) -> str:
        return self.folder.name

    @property
    def sink(self) -> tuple[str, ...]:
        return ("--sink", f"gs://{self.bucket}/{self.prefix}", "--bucket-url", ISSUER)

    @property
    def environment(self) -> dict[str, str]:
        return clean_environment(self.proxy.environment)

    @cached_property
    def fetch(self) -> Fetch:
        return lambda path: self.proxy.public(f"/{self.bucket}/{self.prefix}/{path}")

    def put(self, path: str, body: bytes) -> None:
        self.proxy.emulator.upload_by_hand(self.bucket, f"{self.prefix}/{path}", body, "application/json")

    def copied(self, name: str) -> Self:
        raise NotImplementedError("buckets are prepared anew")

    def killed_at_request(self, launcher: Launcher, point: Point | None) -> Ran:
        """Run the scenario's publication, killed at a request; None: not at all."""
        self.proxy.expect(point)
        return self.interrupt(launcher, started=self.proxy.victim)

    def names(self) -> set[str]:
        listed = self.proxy.public(f"/storage/v1/b/{self.bucket}/o?prefix={self.prefix}/")
        items = json.loads(listed or b"{}").get("items", [])
        return {item["name"].removeprefix(f"{self.prefix}/") for item in items}
