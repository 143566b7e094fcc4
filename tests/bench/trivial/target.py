"""The least that a target of the functions framework can do: one document from memory."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

import functions_framework.aio
from starlette.responses import Response

if TYPE_CHECKING:
    from starlette.requests import Request

_BODY = Path(os.environ["BENCH_DOCUMENT"]).read_bytes()


@functions_framework.aio.http
async def serve(request: "Request") -> Response:
    return Response(_BODY, media_type="application/json")
