"""The least that a bare ASGI application can do: one document from memory, two headers."""

import os
from pathlib import Path
from typing import Any

_BODY = Path(os.environ["BENCH_DOCUMENT"]).read_bytes()
_HEADERS = ((b"content-type", b"application/json"), (b"content-length", b"%d" % len(_BODY)))
_START = {"type": "http.response.start", "status": 200, "headers": _HEADERS}
_END = {"type": "http.response.body", "body": _BODY}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] == "http":
        await send(_START)
        await send(_END)
    else:
        while (message := await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": message["type"] + ".complete"})
