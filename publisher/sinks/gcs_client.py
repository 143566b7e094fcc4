"""Open one client for every bucket, and make its calls within limits."""

import os
import random
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from itertools import count
from typing import Any, Protocol, TypeVar

import google.auth
import requests
from google.auth.credentials import Credentials, with_scopes_if_required

from publisher import strict_json
from publisher.errors import SinkSettingsError
from publisher.ports import Deadline
from publisher.quoting import quote
from publisher.sinks.gcs_connections import prepare
from publisher.sinks.gcs_errors import FAILURES, Failure, TooLargeError, Verdict, classify
from publisher.sinks.gcs_library import Client

_Result = TypeVar("_Result")

_SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
_CONNECT_SECONDS = 5.0
_ANSWER_SECONDS = 10.0
_FIRST_PAUSE = 0.25
_DOUBLINGS = 5
_CHUNK = 65536

_deadline: ContextVar[Deadline | None] = ContextVar("deadline", default=None)
_first_token = threading.Lock()


class FailedError(Exception):
    """Carry a failure from a call to the sink, which alone knows what was tried. Never leaves it."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.what)
        self.failure = failure


def open_client() -> Client:
    """Make a client with the Application Default Credentials, or anonymous for an emulator.

    `STORAGE_EMULATOR_HOST` (with scheme) names an emulator. No request goes to Cloud Storage. The client may
    be shared by many threads; whoever opened it closes it.

    Raises:
        SinkSettingsError: no credentials, or none that this client can use; no CA bundle where one is named.
        SinkUnavailableError: Google's metadata server does not answer just now.

    """
    emulator = os.environ.get("STORAGE_EMULATOR_HOST")
    if emulator is not None and not emulator.startswith(("http://", "https://")):
        where = f"STORAGE_EMULATOR_HOST {quote(emulator)}"
        raise SinkSettingsError(
            where, "has no scheme", "write http:// or https:// before the host, or unset it"
        )
    with credentials_translated():
        credentials = None if emulator else default_credentials(_SCOPE)
        # None for the project: nothing here belongs to one.
        client = Client(project=None, credentials=credentials)
        session = client._http  # noqa: SLF001 - where Google's documentation, too, sets the pool's size
    if not session.is_mtls:  # else the adapter holds the client's certificate
        prepare(session, client.api_endpoint)
    bound(session)
    return client


@contextmanager
def credentials_translated() -> Iterator[None]:
    """Say what is wrong with the Application Default Credentials.

    Raises:
        SinkSettingsError: there are none, or none that can be used.
        SinkUnavailableError: Google's metadata server does not answer just now.

    """
    try:
        yield
    except FAILURES as error:
        where, failure = "Application Default Credentials", classify(error)
        if failure.verdict is Verdict.AGAIN:  # the metadata server is asked what universe it belongs to
            raise failure.as_error(where) from error
        raise SinkSettingsError(
            where,
            failure.what,
            "set GOOGLE_APPLICATION_CREDENTIALS, run on a machine with a service account, "
            "or run gcloud auth application-default login",
        ) from error


def default_credentials(scope: str) -> Credentials:
    """Find the credentials without a request, except the one that finds out whether this is Google's machine.

    With scopes, `google.auth.default` would exchange a federated token at once, outside every deadline, and
    ask Resource Manager for the name of a project that nobody needs. So the scopes come afterwards.
    """
    found, _ = google.auth.default()
    credentials: Credentials = with_scopes_if_required(found, [scope])  # type: ignore[no-untyped-call]
    return credentials


def bound(session: requests.Session) -> None:
    """Let a session follow no redirect, and bound the size and the time of every body it reads."""
    session.max_redirects = 0
    session.hooks["response"].append(_bound)


class HasSession(Protocol):
    """Hold the session that `attempt` looks for credentials in: a client of Google's, or one of ours."""

    @property
    def _http(self) -> Any: ...


def attempt(
    client: HasSession, call: Callable[[tuple[float, float]], _Result], deadline: Deadline
) -> _Result:
    """Make one call, with its (connect, read) timeouts in seconds, and repeat it while that may help.

    Repeated until the deadline: overload, server errors, broken connections, stalls, with growing pauses or
    those that the server asks for. Repeated once: an answer that makes no sense.

    Raises:
        FailedError: with the last failure.

    """
    senseless = 0
    for number in count():
        remaining = deadline.remaining()
        try:
            if deadline.passed:
                raise TimeoutError("no time is left")
            longest = min(_ANSWER_SECONDS, remaining)
            # A body that drips ends like one that does not come: there must be time to try again.
            with _token_in_turn(client, remaining), _within(Deadline(deadline.clock, longest)):
                return call((min(_CONNECT_SECONDS, remaining), longest))
        except FAILURES as error:
            failure = classify(error)
            pause = _pause(number, failure)
            senseless += failure.verdict is Verdict.ONCE_MORE
            again = failure.verdict is Verdict.AGAIN or (
                failure.verdict is Verdict.ONCE_MORE and senseless == 1
            )
            if not again or pause >= deadline.remaining():
                raise FailedError(failure) from error
        deadline.clock.sleep(pause)
    raise AssertionError  # pragma: no cover - count() has no end


def _pause(number: int, failure: Failure) -> float:
    """Double from call to call, with jitter so that many publishers do not come back at once."""
    longest = _FIRST_PAUSE * 2.0 ** min(number, _DOUBLINGS)
    return max(failure.pause, random.uniform(longest / 2, longest))  # noqa: S311 - no secret


@contextmanager
def _within(deadline: Deadline) -> Iterator[None]:
    token = _deadline.set(deadline)
    try:
        yield
    finally:
        _deadline.reset(token)


@contextmanager
def _token_in_turn(client: HasSession, seconds: float) -> Iterator[None]:
    """Let one thread at a time make a call that has to fetch an access token first.

    Else two hundred publications that start together would fetch two hundred tokens.
    """
    credentials = client._http.credentials  # noqa: SLF001 - see open_client
    if credentials.valid:
        yield
        return
    if not _first_token.acquire(timeout=seconds):
        raise TimeoutError("another thread's access token did not come")
    with ExitStack() as held:
        held.callback(_first_token.release)
        if credentials.valid:  # it came while this thread waited: the calls need no more turns
            held.close()
        yield


def _bound(response: requests.Response, **_: Any) -> None:
    """Bound the size and the time of a body before anybody reads it: a hook of `requests`."""
    response.raw = _Bounded(response.raw, _deadline.get())


class _Bounded:
    """Read a body in the pieces in which it comes, so that a slow drip meets the deadline too."""

    def __init__(self, raw: Any, deadline: Deadline | None) -> None:
        self._raw = raw
        self._deadline = deadline

    def __getattr__(self, name: str) -> Any:
        return getattr(self._raw, name)

    def stream(self, _amount: int, *, decode_content: bool) -> Iterator[bytes]:
        total = 0
        while piece := self._raw.read1(_CHUNK, decode_content=decode_content):
            total += len(piece)
            if total > strict_json.LARGEST:
                self._raw.close()
                raise TooLargeError(f"has more than the {strict_json.LARGEST} bytes that a document may have")
            if self._deadline and self._deadline.passed:
                self._raw.close()
                raise TimeoutError("the answer came too slowly")
            yield piece
