"""What the libraries below Google's client raise, nested as they nest it, in a person's words."""

import http.client
import socket
import ssl
from typing import Any

import pytest
import requests
import urllib3
from google.auth.exceptions import (
    DefaultCredentialsError,
    GoogleAuthError,
    ReauthFailError,
    RefreshError,
    TransportError,
)
from google.auth.exceptions import TimeoutError as AuthTimeoutError
from urllib3.connection import HTTPConnection
from urllib3.exceptions import (
    ConnectTimeoutError,
    MaxRetryError,
    NameResolutionError,
    NewConnectionError,
    ProtocolError,
    ProxyError,
    ReadTimeoutError,
)

from publisher.errors import ExitStatus
from publisher.sinks.gcs_errors import Failure, Verdict, classify
from publisher.sinks.gcs_words import in_words

POOL = urllib3.HTTPSConnectionPool("storage.googleapis.com", 443)
CONNECTION = HTTPConnection("storage.googleapis.com")
ASKED = requests.Request("GET", "https://storage.googleapis.com/bucket/keys").prepare()
UNKNOWN = socket.gaierror(-2, "unknown")
UNTRUSTED = ssl.SSLCertVerificationError(1, "CERTIFICATE_VERIFY_FAILED")
UNTRUSTED.verify_message = "self-signed certificate"


def google(kind: Any, *arguments: object) -> GoogleAuthError:
    """Make an error of Google's library, whose constructors have no types."""
    error: GoogleAuthError = kind(*arguments)
    return error


def caused(error: Exception, cause: Exception) -> Exception:
    error.__cause__ = cause
    return error


def retried(reason: Exception) -> MaxRetryError:
    return MaxRetryError(POOL, "/bucket/keys", reason)


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (
            requests.ConnectionError(
                ProtocolError("Connection aborted.", ConnectionResetError(104, "reset"))
            ),
            "the connection was reset",
        ),
        (
            requests.ConnectionError(
                ProtocolError("Connection aborted.", http.client.RemoteDisconnected("closed"))
            ),
            "the connection was closed before an answer came",
        ),
        (
            requests.exceptions.ChunkedEncodingError(
                ProtocolError("broken", http.client.IncompleteRead(b"a", 9))
            ),
            "the connection ended in the middle of the answer",
        ),
        (
            requests.ReadTimeout(
                ReadTimeoutError(POOL, "/keys", "Read timed out. (read timeout=5.83930088499983)")
            ),
            "no answer in time",
        ),
        (ReadTimeoutError(POOL, "/keys", "Read timed out."), "no answer in time"),
        (
            requests.ConnectTimeout(retried(ConnectTimeoutError("timed out"))),
            "cannot connect: no answer in time",
        ),
        (
            requests.ConnectionError(
                retried(caused(NewConnectionError(CONNECTION, "no"), ConnectionRefusedError(111, "refused")))
            ),
            "cannot connect: connection refused",
        ),
        (
            requests.ConnectionError(
                retried(caused(NewConnectionError(CONNECTION, "no"), OSError(101, "Network is unreachable")))
            ),
            "cannot connect: 'Network is unreachable'",
        ),
        (
            requests.ConnectionError(
                retried(caused(NameResolutionError("host", CONNECTION, UNKNOWN), UNKNOWN))
            ),
            "cannot find the address of its name",
        ),
        (
            requests.exceptions.ProxyError(
                retried(ProxyError("Cannot connect.", OSError("Tunnel connection failed: 407 Authenticate")))
            ),
            "through the proxy: cannot connect: 'Tunnel connection failed: 407 Authenticate'",
        ),
        (
            requests.exceptions.SSLError(retried(urllib3.exceptions.SSLError(UNTRUSTED))),
            "the server's TLS certificate is not trusted ('self-signed certificate')",
        ),
        (
            requests.exceptions.SSLError(retried(urllib3.exceptions.SSLError(ssl.SSLEOFError(8, "EOF")))),
            "no TLS connection can be made ('EOF')",
        ),
    ],
)
def test_what_breaks_on_the_way_is_said_in_words(error: Exception, words: str) -> None:
    assert in_words(error) == words
    failure = classify(error)
    assert (failure.verdict in {Verdict.AGAIN, Verdict.LATER}, failure.what) == (True, words)
    assert failure.as_error("there").exit_status is ExitStatus.TEMPORARY
    token = classify(caused(google(TransportError, error), error))
    assert (token.verdict, token.what) == (Verdict.AGAIN, f"no access token: {words}")


def test_the_host_is_named_where_it_is_known() -> None:
    error = requests.ConnectionError(ConnectionResetError(104, "reset"), request=ASKED)
    assert in_words(error) == "the connection was reset (host 'storage.googleapis.com')"


def test_a_chain_that_bites_its_tail_ends() -> None:
    first, second = google(RefreshError, "a"), google(RefreshError, "b")
    first.__cause__, second.__cause__ = second, first
    assert in_words(first) is None


@pytest.mark.parametrize(
    "error",
    [
        google(DefaultCredentialsError, "File /x was not found."),
        caused(google(DefaultCredentialsError, "no"), FileNotFoundError(2, "No such file or directory")),
        caused(
            google(RefreshError, "Trust chain file '/x' was not found."), FileNotFoundError(2, "No such file")
        ),
        google(ReauthFailError, "Reauthentication"),
        google(
            RefreshError, "Reauthentication is needed. Please run `gcloud auth application-default login`"
        ),
        google(
            RefreshError,
            "The credentials do not contain the necessary fields need to refresh the access token.",
        ),
    ],
)
def test_what_this_machine_lacks_is_a_matter_of_settings(error: GoogleAuthError) -> None:
    failure = classify(error)
    assert (failure.verdict, failure.what[:17]) == (Verdict.SETTINGS, "no access token: ")
    assert "No such file" not in failure.what


@pytest.mark.parametrize(
    "error",
    [
        google(AuthTimeoutError, "slow"),
        google(TransportError, "odd"),
        google(RefreshError, "odd"),
        google(RefreshError),
    ],
)
def test_what_nobody_refused_may_pass(error: GoogleAuthError) -> None:
    assert classify(error).verdict is Verdict.AGAIN


@pytest.mark.parametrize(
    ("error", "verdict", "what"),
    [
        (OSError("no such certificate"), Verdict.SETTINGS, "'no such certificate'"),
        (TimeoutError("no time is left"), Verdict.AGAIN, "'no time is left'"),
        (ConnectionResetError(104, "reset"), Verdict.AGAIN, "the connection was reset"),
        (http.client.BadStatusLine("odd"), Verdict.AGAIN, "'odd'"),
        (ValueError("no generation"), Verdict.ONCE_MORE, "the answer makes no sense: 'no generation'"),
        (KeyError("crc32c"), Verdict.ONCE_MORE, "the answer makes no sense: KeyError 'crc32c'"),
        (RecursionError(), Verdict.ONCE_MORE, "the answer makes no sense: RecursionError"),
    ],
)
def test_other_failures_are_shown_by_their_own_words(error: Exception, verdict: Verdict, what: str) -> None:
    failure = classify(error)
    assert (failure.verdict, failure.what) == (verdict, what)


def test_only_a_write_may_have_happened() -> None:
    failure = Failure(verdict=Verdict.AGAIN, what="the connection was reset")
    assert "what was written" in failure.as_error("there", of_write=True).remedy
    assert "written" not in failure.as_error("there").remedy
