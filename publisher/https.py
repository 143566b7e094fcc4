"""Read https URLs as a relying party does: certificate verified, redirects not followed, all bounded."""

import contextlib
import socket
import ssl
import threading
from concurrent.futures import Future
from http.client import HTTPException
from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit
from urllib.request import getproxies, proxy_bypass

from urllib3.connection import HTTPSConnection
from urllib3.exceptions import HTTPError
from urllib3.util import make_headers

from publisher import strict_json
from publisher.errors import SettingsError, WebError, WebUntrustedError
from publisher.ports import Deadline, WebAnswer
from publisher.quoting import quote

_HEADERS = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "spire-oidc-publisher"}
_LARGEST = strict_json.LARGEST + 1
_CHUNK = 64 * 1024


class Https:
    """Implement `ports.Web` over verified TLS of version 1.2 or newer, one connection a request.

    Trusted are the certificate authorities of the system (or of `SSL_CERT_FILE`) and, besides, those of
    `ca_file`, PEM. As everywhere, `HTTPS_PROXY` and `NO_PROXY` are heeded: Cloud Storage is reached through
    them as well. A proxy tunnels; the certificate is the far server's.

    Raises:
        SettingsError: `ca_file` cannot be read, or holds no certificate.

    """

    def __init__(self, ca_file: Path | None) -> None:
        self._context = ssl.create_default_context()
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        if ca_file is None:
            return
        try:
            self._context.load_verify_locations(cafile=ca_file)
        except (OSError, ValueError) as error:  # ssl.SSLError is an OSError
            raise SettingsError(
                f"CA file {quote(str(ca_file))}",
                f"holds no certificate to be read ({quote(str(error))})",
                "set --ca-file to a file of PEM certificates",
            ) from error

    def get(self, url: str, deadline: Deadline) -> WebAnswer:
        """GET once. An answer of any status counts; of a larger body, the first 4 MiB and one byte.

        Raises:
            WebUntrustedError: the certificate is not trusted, or not for this host.
            WebError: no whole answer before the deadline.

        """
        exchange = _Exchange(url, self._context, deadline)
        # Looking a name up, and headers that come byte by byte, obey no timeout: so a thread may be left
        # behind. It is a daemon, and its connection is shut down.
        thread = threading.Thread(target=exchange.run, name="https", daemon=True)
        thread.start()
        try:
            return exchange.result.result(timeout=deadline.remaining())
        except TimeoutError:
            exchange.abandon()
            raise WebError(
                f"URL {quote(url)}",
                "gave no whole answer in time",
                "look at what serves it, or raise --timeout",
            ) from None


class _Exchange:
    """Make one request, in a thread of its own, and keep its `result`."""

    def __init__(self, url: str, context: ssl.SSLContext, deadline: Deadline) -> None:
        self._url = url
        self._context = context
        self._deadline = deadline
        self._socket: socket.socket | None = None
        self.result: Future[WebAnswer] = Future()

    def run(self) -> None:
        """Set the result, or the error, whichever it is: the caller's thread raises it."""
        try:
            answer = self._translated()
        except BaseException as error:  # noqa: BLE001 (handed over, not handled)
            self.result.set_exception(error)
        else:
            self.result.set_result(answer)

    def abandon(self) -> None:
        """End what is under way: whoever waits for the socket is woken."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.shutdown(socket.SHUT_RDWR)

    def _translated(self) -> WebAnswer:
        where = f"URL {quote(self._url)}"
        try:
            return self._answer()
        except ssl.SSLCertVerificationError as error:
            raise WebUntrustedError(
                where,
                f"its certificate is not trusted ({quote(error.verify_message)})",
                "let the server show one for this name, or name its authority with --ca-file",
            ) from error
        except (HTTPError, HTTPException, OSError, ValueError) as error:
            cause = error.__cause__ or error
            reason = (isinstance(cause, OSError) and cause.strerror) or str(cause) or type(cause).__name__
            raise WebError(
                where, f"cannot be read ({quote(reason)})", "look at the network, and at what serves it"
            ) from error

    def _answer(self) -> WebAnswer:
        parts = urlsplit(self._url)
        if parts.scheme != "https" or not parts.hostname:
            raise ValueError("not an https URL")
        connection = self._connection(parts.hostname, parts.port or 443)
        try:
            connection.connect()
            self._socket = connection.sock
            connection.timeout = self._deadline.remaining()
            target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
            connection.request("GET", target, headers=_HEADERS, preload_content=False, decode_content=False)
            response = connection.getresponse()
            body = bytearray()
            while len(body) < _LARGEST:
                chunk = response.read(min(_CHUNK, _LARGEST - len(body)))
                if not chunk:
                    break
                body += chunk
                if self._deadline.passed:
                    raise TimeoutError("timed out")
            headers = {name.lower(): response.headers[name] for name in response.headers}
            response.close()
            return WebAnswer(url=self._url, status=response.status, headers=headers, body=bytes(body))
        finally:
            connection.close()

    def _connection(self, host: str, port: int) -> HTTPSConnection:
        proxy = _proxy(host)
        connection = HTTPSConnection(
            proxy.hostname if proxy is not None and proxy.hostname else host,
            (proxy.port or 80) if proxy is not None else port,
            timeout=self._deadline.remaining(),
            ssl_context=self._context,
        )
        if proxy is not None:
            user = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}" if proxy.username else None
            connection.set_tunnel(host, port, headers=make_headers(proxy_basic_auth=user))
        return connection


def _proxy(host: str) -> SplitResult | None:
    """Read the proxy for https from the environment, as everybody does; None: connect directly."""
    proxies = getproxies()
    url = proxies.get("https") or proxies.get("all")
    if not url or proxy_bypass(host):
        return None
    parts = urlsplit(url if "://" in url else f"http://{url}")
    if parts.scheme != "http" or not parts.hostname:
        raise ValueError("HTTPS_PROXY must be http://host:port")
    return parts
