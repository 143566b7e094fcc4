"""A bucket of many publications, put there and looked at without the publisher."""

import http.client
import json
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, urlsplit

from tests.emulator.server import Emulator
from tests.faults.places import PATHS

_LINE = "a-line-of-no-document"
_CACHE_CONTROL = dict(zip(PATHS, ("public, max-age=60", "public, max-age=300", "no-store"), strict=True))

Objects = Mapping[str, bytes]
"""The objects of one publication by their path."""


@dataclass(frozen=True, kw_only=True)
class Store:
    """A bucket of the emulator."""

    emulator: Emulator
    bucket: str

    def put(self, prefix: str, objects: Objects) -> None:
        """Write a publication as an earlier run did, headers included."""
        for path, body in objects.items():
            about = {
                "name": f"{prefix}/{path}",
                "contentType": "application/json",
                "cacheControl": _CACHE_CONTROL[path],
            }
            parts = (json.dumps(about).encode(), body)
            heads = [f"--{_LINE}\r\nContent-Type: application/json\r\n\r\n".encode() + part for part in parts]
            sent = b"\r\n".join((*heads, f"--{_LINE}--".encode()))
            target = f"/upload/storage/v1/b/{self.bucket}/o?uploadType=multipart"
            status, answer = self._ask(
                "POST", target, sent, {"Content-Type": f"multipart/related; boundary={_LINE}"}
            )
            assert status == 200, answer

    def get(self, prefix: str) -> dict[str, bytes]:
        """Read a publication as anybody can; absent objects are left out."""
        answers = {path: self._ask("GET", f"/{self.bucket}/{quote(f'{prefix}/{path}')}") for path in PATHS}
        return {path: body for path, (status, body) in answers.items() if status == 200}

    def _ask(
        self, method: str, target: str, body: bytes = b"", headers: Mapping[str, str] | None = None
    ) -> tuple[int, bytes]:
        there = http.client.HTTPSConnection(
            urlsplit(self.emulator.url).netloc, timeout=20, context=self.emulator.tls
        )
        try:
            there.request(method, target, body=body or None, headers=dict(headers or {}))
            answer = there.getresponse()
            return answer.status, answer.read()
        finally:
            there.close()
