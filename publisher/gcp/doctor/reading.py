"""Bound what obeys no deadline: Google's library finds credentials, and refreshes them, in its own time."""

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from typing import Any

from publisher.errors import SinkSettingsError, SinkUnavailableError
from publisher.ports import Deadline

_WHERE = "Application Default Credentials"
_REMEDY = "look at what GOOGLE_APPLICATION_CREDENTIALS names, or leave the provider out: --no-read-provider"

Body = Mapping[str, Any] | None
"""A resource; None: it is not there."""


def read_in_time(ask: Callable[[], Body], window: Deadline) -> Body:
    """Read in a thread, and wait for it no longer than the window.

    Raises:
        SinkUnavailableError: nothing came in time; the thread is a daemon, and is left behind.
        SinkSettingsError: credentials of which the library makes nothing.
        PublisherError: as `ask`.

    """
    answer: Future[Body] = Future()

    def run() -> None:
        try:
            answer.set_result(ask())
        except BaseException as failure:  # noqa: BLE001 (handed over, not handled)
            answer.set_exception(failure)

    threading.Thread(target=run, name="provider", daemon=True).start()
    try:
        return answer.result(timeout=window.remaining())
    except TimeoutError:
        raise SinkUnavailableError(
            "IAM API", f"gave no answer within {window.seconds:.0f} s, credentials included", _REMEDY
        ) from None
    except (TypeError, AttributeError, LookupError) as failure:
        # google-auth takes members of a credential configuration for what they should be.
        raise SinkSettingsError(_WHERE, "are none that Google's library can use", _REMEDY) from failure
