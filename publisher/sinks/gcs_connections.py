"""Prepare the connections of Google's client once, instead of with each request and each connection.

Many publications in one run share one session, and each makes four requests. Asking the environment for
proxies, certificates and passwords is a seventh of the CPU of a request; reading the authorities costs 25 ms
of each connection.
"""

import os
import ssl
from typing import Any

import requests
from requests.adapters import DEFAULT_CA_BUNDLE_PATH, HTTPAdapter
from urllib3.util.ssl_ import create_urllib3_context

from publisher.errors import SinkSettingsError
from publisher.quoting import quote

_CONNECTIONS = 64
"""How many connections are kept for reuse: as many publications as run side by side, generously."""
_HOSTS = 4


def prepare(session: requests.Session, url: str) -> None:
    """Prepare a session that talks to the host of `url` alone, as the environment says now.

    Heeded are the proxy variables, REQUESTS_CA_BUNDLE and CURL_CA_BUNDLE, as `requests` does for each
    request; not the file `.netrc`, whose password would go out instead of the access token.

    Raises:
        SinkSettingsError: the authorities cannot be read.

    """
    settings = session.merge_environment_settings(url, {}, None, None, None)
    session.proxies = settings["proxies"]
    session.trust_env = False
    if url.startswith("https:"):
        session.mount("https://", _Adapter(_trusting(settings["verify"])))
    session.mount("http://", HTTPAdapter(pool_connections=_HOSTS, pool_maxsize=_CONNECTIONS))


def _trusting(verify: bool | str | None) -> ssl.SSLContext:
    """Make a context that verifies by the authorities of a file, of a folder, or by the usual ones."""
    path = verify if isinstance(verify, str) else DEFAULT_CA_BUNDLE_PATH
    context = create_urllib3_context()
    try:
        if os.path.isdir(path):  # noqa: PTH112 - the path is only looked at and handed on
            context.load_verify_locations(capath=path)
        else:
            context.load_verify_locations(cafile=path)
    except OSError as error:
        raise SinkSettingsError(
            f"CA bundle {quote(path)}",
            f"cannot be used: {quote(str(error))}",
            "name a readable PEM file in REQUESTS_CA_BUNDLE, or unset it and CURL_CA_BUNDLE",
        ) from error
    return context


class _Adapter(HTTPAdapter):
    """Give all connections one context, which requires a certificate of its authorities and of the host."""

    def __init__(self, context: ssl.SSLContext) -> None:
        self._context = context
        super().__init__(pool_connections=_HOSTS, pool_maxsize=_CONNECTIONS)

    def init_poolmanager(self, *arguments: Any, **how: Any) -> None:
        super().init_poolmanager(*arguments, ssl_context=self._context, **how)

    def proxy_manager_for(self, proxy: str, **how: Any) -> Any:
        if proxy.lower().startswith("https:"):
            how["proxy_ssl_context"] = self._context
        return super().proxy_manager_for(proxy, ssl_context=self._context, **how)

    def cert_verify(self, *_arguments: Any) -> None:
        """Leave the pools alone: here `requests` would have each connection read the authorities again."""
