"""STS as a relying party: fetch an issuer's configuration document and JWKS over https.

Documented: https only, the issuer in the document equals the provider's. Beyond documented facts: no redirect
is followed, a document has at most 1 MiB, every failure gives the same sentence (users report that one for an
unreachable issuer, an unknown kid and malformed keys alike), nothing is cached unless `Settings` says so.
The stand-in reaches no network: an origin that `issuer_at` does not place is unreachable.
"""

import http.client
import json
import ssl
from typing import Any
from urllib.parse import urlsplit

from tests.google.errors import OAuthError
from tests.google.state import State

UNREACHABLE = "Error connecting to the given credential's issuer."
"""STS's own words (documented)."""
_LONGEST = 1 << 20
_WELL_KNOWN = "/.well-known/openid-configuration"


class IssuerKeys:
    """Fetch and keep key sets by issuer."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._kept: dict[tuple[str, str], tuple[float, list[dict[str, Any]]]] = {}

    def forget(self) -> None:
        self._kept.clear()

    def fetch(self, issuer: str, discovery_uri: str, kid: str) -> list[dict[str, Any]]:
        """Give the issuer's keys, kept ones where the switches allow it.

        Raises:
            OAuthError: in STS's words, whatever went wrong.

        """
        settings, now = self._state.settings, self._state.clock.now()
        place = (issuer, discovery_uri)
        fetched_at, keys = self._kept.get(place, (float("-inf"), []))
        known = any(key.get("kid") == kid for key in keys)
        if now < fetched_at + settings.cache_keys_for and (known or not settings.refetch_unknown_kid):
            return keys
        try:
            keys = self._fetch(issuer, discovery_uri)
        except (OSError, ValueError, http.client.HTTPException) as error:
            raise OAuthError("invalid_grant", UNREACHABLE) from error
        self._kept[place] = (now, keys)
        return keys

    def _fetch(self, issuer: str, discovery_uri: str) -> list[dict[str, Any]]:
        configuration = self._get(discovery_uri or issuer.removesuffix("/") + _WELL_KNOWN)
        if configuration.get("issuer") != issuer:
            raise ValueError("the document is another issuer's")
        keys = self._get(str(configuration.get("jwks_uri", ""))).get("keys")
        if not isinstance(keys, list) or not all(isinstance(key, dict) for key in keys):
            raise ValueError("no JWK Set")
        return keys

    def _get(self, url: str) -> dict[str, Any]:
        parts = urlsplit(url)
        with self._state.lock:
            placed = self._state.origins.get(f"{parts.scheme}://{parts.netloc}")
        if parts.scheme != "https" or placed is None:
            raise ValueError(f"unreachable: {parts.scheme}://{parts.netloc}")
        place, ca_file = placed
        connection = http.client.HTTPSConnection(
            place,
            timeout=self._state.settings.fetch_patience,
            context=ssl.create_default_context(cafile=ca_file),
        )
        try:
            connection.request("GET", parts.path, headers={"Accept": "application/json"})
            answer = connection.getresponse()
            body = answer.read(_LONGEST + 1)
            if answer.status != http.client.OK or len(body) > _LONGEST:
                raise ValueError(f"status {answer.status}")
            document = json.loads(body)
        finally:
            connection.close()
        if not isinstance(document, dict):
            raise ValueError("no object")  # noqa: TRY004 - what the caller turns into STS's sentence
        return document
