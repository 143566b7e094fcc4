"""A SPIRE agent's view of its server: it lags until a sync, and outlives the server."""

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from tests.standin.authorities import Authorities, PublishedKey
from tests.standin.keys import pkix
from tests.standin.minting import Minted, mint
from tests.standin.rotation import LifeError

_LONGEST_REQUEST = 30.0
_POLL = 0.05


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Hold what the agent learnt at its last sync. Bundles are keyed by trust domain name."""

    bundle: tuple[PublishedKey, ...]
    federated: Mapping[str, tuple[PublishedKey, ...]]
    roots: frozenset[bytes]
    registered: bool


@dataclass(slots=True, kw_only=True)
class Server:
    """Hold what of a server matters to its agent, besides the authorities."""

    authorities: Authorities
    spiffe_id: str
    federated: dict[str, tuple[PublishedKey, ...]]
    registered: bool
    alive: bool = True


class NotIssuedError(Exception):
    """Report that the agent knows no registration entry for the caller."""


class NotRenewedError(Exception):
    """Report that the agent got no JWT-SVID from its server in the time it takes."""


class Agent:
    """Answer workloads from what the last sync brought; ask the server for JWT-SVIDs only."""

    def __init__(self, server: Server, *, unauthenticated_verifiers: bool) -> None:
        self._server = server
        self._unauthenticated_verifiers = unauthenticated_verifiers
        self._cache: dict[tuple[str, ...], Minted] = {}
        self._changed = threading.Condition()
        self.view = self._look()

    @property
    def spiffe_id(self) -> str:
        """Give the SPIFFE ID that the registration entry grants."""
        return self._server.spiffe_id

    def sync(self) -> bool:
        """Fetch the server's view, if it lives. False: it is not the server that this agent trusts.

        That is a server that lost its keys: its X.509 authority is in no bundle that the agent has, and
        SPIRE's agent stops.
        """
        if not self._server.alive:
            return True
        if self._server.authorities.root not in self.view.roots:
            return False
        view = self._look()
        tainted = {key.kid for key in view.bundle if key.tainted}
        with self._changed:
            self._cache = {aud: svid for aud, svid in self._cache.items() if svid.kid not in tainted}
            if view != self.view:
                self.view = view
                self._changed.notify_all()
        return True

    def bundles(self) -> Mapping[str, tuple[PublishedKey, ...]]:
        """Give the JWT authorities by trust domain name, federated ones to registered callers only.

        Raises:
            NotIssuedError: the caller has no entry, and verifiers without one are not allowed.

        """
        view = self.view
        if not view.registered and not self._unauthenticated_verifiers:
            raise NotIssuedError
        own = {self._server.authorities.settings.trust_domain: view.bundle}
        return {**own, **view.federated} if view.registered else own

    def wait_for_change(self, seen: View, active: Callable[[], bool]) -> None:
        """Wait until the view is another than the one seen, or the caller has gone."""
        with self._changed:
            while self.view is seen and active():
                self._changed.wait(_POLL)

    def jwt_svid(self, spiffe_id: str, audience: Sequence[str], active: Callable[[], bool]) -> Minted:
        """Give a JWT-SVID: from the cache in the first half of its life, else from the server.

        With a dead server this waits for as long as SPIRE's agent does, 30 s or until the caller has gone,
        and then falls back to a cached one that has not expired.

        Raises:
            NotIssuedError: the caller has no entry, or none for that SPIFFE ID.
            NotRenewedError: neither server nor cache had one.

        """
        if not self.view.registered or spiffe_id not in {"", self._server.spiffe_id}:
            raise NotIssuedError
        key = tuple(sorted(audience))
        cached, now = self._cache.get(key), self._server.authorities.clock.now()
        if cached and now < (cached.issued_at + cached.expires_at) / 2:
            return cached
        try:
            minted = self._from_server(audience, active)
        except NotRenewedError:
            if cached and self._server.authorities.clock.now() < cached.expires_at:
                return cached
            raise
        with self._changed:
            self._cache[key] = minted
        return minted

    def _from_server(self, audience: Sequence[str], active: Callable[[], bool]) -> Minted:
        end = time.monotonic() + _LONGEST_REQUEST
        while not self._server.alive:
            if time.monotonic() > end or not active():
                raise NotRenewedError("connection refused")
            time.sleep(_POLL)
        try:
            return mint(self._server.authorities, self._server.spiffe_id, audience)
        except LifeError as error:
            raise NotRenewedError(str(error)) from error

    def _look(self) -> View:
        bundle = self._server.authorities.bundle
        return View(
            bundle=bundle.jwt,
            federated=dict(self._server.federated),
            roots=frozenset(pkix(root.public_key) for root in bundle.x509),
            registered=self._server.registered,
        )
