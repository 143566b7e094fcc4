"""A small piece of Cloud Storage's JSON API: enough for google-cloud-storage to download with a token.

Documented: paths, 401 and 403 bodies, that a missing object is 404 only for those who may list.
"""

import base64
import hashlib
import re
from typing import Any
from urllib.parse import unquote

import google_crc32c

from tests.google.errors import ApiError
from tests.google.state import State, Token

_OBJECT = re.compile(r"/(?:download/)?storage/v1/b/(?P<bucket>[^/]+)/o/(?P<name>[^/]+)")
Answer = tuple[dict[str, str], bytes | dict[str, Any]]
"""Headers and body of an answer of 200."""


def read_object(state: State, raw_path: str, alternative: str, caller: Token | None) -> Answer:
    """Answer for one object: its metadata, or with `alt=media` its bytes. The caller holds the lock.

    Raises:
        ApiError: 401 without a token where one is needed, 403, 404.

    """
    match = _OBJECT.fullmatch(raw_path)
    if match is None:
        raise ApiError(404, "Not Found")
    bucket, name = unquote(match["bucket"]), unquote(match["name"])
    resource = f"buckets/{bucket}"
    content = state.objects.get((bucket, name))
    needed = "storage.objects.get" if content is not None else "storage.objects.list"
    if not state.allows(caller, needed, resource):
        who = caller.principal.partition(":")[2] if caller else "Anonymous caller"
        raise ApiError(
            403 if caller else 401,
            f"{who} does not have {needed} access to the Google Cloud Storage object. "
            f"Permission '{needed}' denied on resource (or it may not exist).",
        )
    if content is None:
        raise ApiError(404, f"No such object: {bucket}/{name}")
    md5 = base64.b64encode(hashlib.md5(content, usedforsecurity=False).digest()).decode()
    crc32c = base64.b64encode(google_crc32c.value(content).to_bytes(4, "big")).decode()
    if alternative == "media":
        headers = {"x-goog-generation": "1", "x-goog-hash": f"crc32c={crc32c},md5={md5}"}
        return {"Content-Type": "application/octet-stream", **headers}, content
    return {}, {
        "kind": "storage#object",
        "bucket": bucket,
        "name": name,
        "generation": "1",
        "metageneration": "1",
        "size": str(len(content)),
        "md5Hash": md5,
        "crc32c": crc32c,
        "contentType": "application/octet-stream",
    }
