"""The targets of the Cloud Function: `serve` (HTTP) and `validate` (CloudEvents over HTTP).

Run them locally:
    functions-framework --source function/main.py --target serve --asgi
    functions-framework --source function/main.py --target validate --asgi
"""

import os
from functools import cache
from typing import TYPE_CHECKING

import functions_framework.aio

from publisher.errors import SettingsError
from spire_oidc_function.application import AsgiResponse
from spire_oidc_function.cloud_event import answer_event
from spire_oidc_function.events import Judge
from spire_oidc_function.reporting import LOGGER
from spire_oidc_function.wiring import make_application, make_judge, read_settings

if TYPE_CHECKING:
    from starlette.requests import Request

_SETTINGS = read_settings(os.environ)
_APPLICATION = make_application(_SETTINGS)


@functions_framework.aio.http  # type: ignore[arg-type]  # any ASGI application is sent as it is
async def serve(request: "Request") -> AsgiResponse:
    """Answer one request."""
    return await _APPLICATION.respond(request.scope)


@functions_framework.aio.http  # type: ignore[arg-type]  # as above
async def validate(request: "Request") -> AsgiResponse:
    """Judge the publication after one of its objects was written or deleted.

    A plain HTTP target: the framework's own reading of CloudEvents quotes the sender in its answers.
    """
    return await answer_event(request.scope, request.receive, _judge())


@cache
def _judge() -> Judge | None:
    try:
        return make_judge(_SETTINGS) if _SETTINGS is not None else None
    except SettingsError as error:
        LOGGER.critical("nothing can be judged: %s", error)
        return None
