"""A relying party that never stops looking, and remembers every time it was let down."""

import json
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Self

import jwt

from publisher.oidc.issuer import CONFIGURATION_PATH, MANIFEST_PATH
from tests import keys

ISSUER = "https://issuer.example"
AUDIENCE = "https://relying-party.example"
PAUSE = 0.01

Fetch = Callable[[str], bytes | None]
"""Read one path below the issuer; None: it is not there."""


def tokens(*kids: str) -> tuple[str, ...]:
    """Mint one token of each key, valid for an hour."""
    now = int(time.time())
    claims = {"iss": ISSUER, "sub": "spiffe://example.org/a", "aud": AUDIENCE, "iat": now, "exp": now + 3600}
    return tuple(keys.token(kid, claims) for kid in kids)


class Letdown(AssertionError):  # noqa: N818 - it is no error of the test
    """What a relying party met: a torn document, or a valid token that it had to refuse."""


class Reader:
    """Poll while the block runs; `look` looks once. The end of the block raises what was met.

    `must_exist`: the configuration was there before, and may never be missing.
    """

    def __init__(self, fetch: Fetch, valid: Sequence[str], *, must_exist: bool) -> None:
        self.looks = 0
        self._fetch = fetch
        self._valid = valid
        self._must_exist = must_exist
        self._approved: set[tuple[bytes, bytes]] = set()
        self._ended = threading.Event()
        self._letdowns: list[BaseException] = []
        self._thread = threading.Thread(target=self._poll)

    def look(self) -> None:
        """Go from the issuer to the keys and verify every token; raises Letdown."""
        configuration = self._fetch(CONFIGURATION_PATH)
        if configuration is None:
            if self._must_exist:
                raise Letdown("the configuration is gone")
            alone = self._fetch("keys")
            if alone is not None:
                self._verify(alone)
        else:
            metadata = _whole(configuration, CONFIGURATION_PATH)
            if metadata["issuer"] != ISSUER:
                raise Letdown(f"another issuer: {metadata['issuer']}")
            body = self._fetch(metadata["jwks_uri"].removeprefix(f"{ISSUER}/"))
            if body is None:
                raise Letdown("the configuration names keys that are not there")
            if (configuration, body) not in self._approved:
                self._verify(body)
                self._approved.add((configuration, body))
        manifest = self._fetch(MANIFEST_PATH)
        if manifest is not None:
            _whole(manifest, MANIFEST_PATH)
        self.looks += 1

    def _verify(self, body: bytes) -> None:
        found = jwt.PyJWKSet.from_dict(_whole(body, "keys"))
        for token in self._valid:
            kid = jwt.get_unverified_header(token)["kid"]
            try:
                jwt.decode(token, found[kid].key, algorithms=["ES256"], audience=AUDIENCE, issuer=ISSUER)
            except (KeyError, jwt.InvalidTokenError) as error:
                raise Letdown(f"a valid token of {kid} is refused: {error!r}") from error

    def _poll(self) -> None:
        while not self._ended.is_set():
            try:
                self.look()
            except BaseException as failure:  # noqa: BLE001 - raised in the test's own thread
                self._letdowns.append(failure)
                return
            time.sleep(PAUSE)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._thread.join(30)
        if self._letdowns:
            raise self._letdowns[0]
        assert self.looks, "it never came to look"


def files_below(root: Path) -> Fetch:
    """Read as a web server of another user does: what is there must be readable to everybody."""

    def fetch(path: str) -> bytes | None:
        file = root / path
        try:
            if not file.parent.stat().st_mode & 0o005 == 0o005:
                raise Letdown(f"the web server may not look into {file.parent.name}")
            with file.open("rb") as opened:
                if not file.stat().st_mode & 0o004:
                    raise Letdown(f"the web server may not read {path}")
                return opened.read()
        except FileNotFoundError:
            return None

    return fetch


def _whole(body: bytes, path: str) -> dict[str, Any]:
    try:
        value = json.loads(body)
    except ValueError as error:
        raise Letdown(f"{path} is torn: {body[:60]!r}") from error
    assert isinstance(value, dict)
    return value
