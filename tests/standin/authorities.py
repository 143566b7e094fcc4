"""A server's authorities: the bundle in its datastore, the keys in its key manager, and their life."""

import threading
from dataclasses import dataclass, replace
from typing import Any

from tests.standin import keys
from tests.standin.clock import MovableClock
from tests.standin.rotation import LifeError, Rotation, Slot
from tests.standin.x509 import self_signed

_PRUNE_EVERY, _KEPT_AFTER_EXPIRY = 6 * 3600.0, 24 * 3600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedKey:
    """Hold one JWT authority as the bundle has it. `expires_at` is in Unix seconds."""

    kid: str
    public_key: keys.PublicKey
    expires_at: int
    tainted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRoot:
    """Hold one X.509 authority as the bundle has it: a self-signed certificate in DER."""

    der: bytes
    public_key: keys.PublicKey
    expires_at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bundle:
    """Hold a trust bundle at one moment."""

    jwt: tuple[PublishedKey, ...] = ()
    x509: tuple[PublishedRoot, ...] = ()
    sequence_number: int = 0


@dataclass(slots=True, kw_only=True)
class Settings:
    """Hold what `server.conf` would say. Lives are in seconds; an issuer of None leaves `iss` out."""

    trust_domain: str
    jwt_issuer: str | None = None
    key_type: str = "ec-p256"
    ca_ttl: float = 86400.0
    svid_ttl: float = 300.0
    jwt_svids: bool = True


class Authorities:
    """Keep one trust domain's authorities as a SPIRE server does. Safe for several threads."""

    def __init__(self, settings: Settings, clock: MovableClock) -> None:
        self.settings = settings
        self.clock = clock
        self.lock = threading.RLock()
        self._bundle: Bundle | None = None
        self._jwt = Rotation(self._make_jwt)
        self._x509 = Rotation(self._make_x509)
        self._next_prune = clock.now() + _PRUNE_EVERY
        self.tick()

    @property
    def bundle(self) -> Bundle:
        """Give the bundle as the datastore has it now."""
        with self.lock:
            return self._bundle or Bundle()

    @property
    def signer(self) -> Slot:
        """Give the authority that signs JWT-SVIDs now.

        Raises:
            LifeError: JWT-SVIDs are disabled.

        """
        with self.lock:
            if not self.settings.jwt_svids or self._jwt.current is None:
                raise LifeError("JWT functionality is disabled")
            return self._jwt.current

    @property
    def root(self) -> bytes:
        """Give the public key (PKIX) of the X.509 authority by which an agent knows its server."""
        with self.lock:
            assert self._x509.current is not None
            return keys.pkix(self._x509.current.private_key.public_key())

    def show(self) -> dict[str, str]:
        """Give authority ids by state, as `localauthority jwt show` does."""
        with self.lock:
            return {
                str(slot.state): slot.authority_id for slot in (self._jwt.current, self._jwt.other) if slot
            }

    def prepare(self) -> str:
        """Add a JWT authority to the bundle and give its id; the sequence number rises by one."""
        with self.lock:
            self.signer  # noqa: B018  # refuses where JWT-SVIDs are disabled, as the server does
            return self._jwt.prepare(self.clock.now()).authority_id

    def activate(self) -> str:
        """Let the prepared JWT authority sign and give its id; the bundle stays as it is."""
        with self.lock:
            return self._jwt.activate().authority_id

    def taint(self) -> str:
        """Mark the old JWT authority and give its id; the sequence number rises by one."""
        with self.lock:
            kid, bundle = self._jwt.old().authority_id, self.bundle
            if any(key.kid == kid and key.tainted for key in bundle.jwt):
                raise LifeError("key is already tainted")
            marked = tuple(replace(key, tainted=key.tainted or key.kid == kid) for key in bundle.jwt)
            self._store(jwt=marked)
            return kid

    def revoke(self) -> str:
        """Remove the old, tainted JWT authority and give its id; the sequence number rises by one."""
        with self.lock:
            kid, bundle = self._jwt.old().authority_id, self.bundle
            key = next((key for key in bundle.jwt if key.kid == kid), None)
            if key is None:
                raise LifeError("no JWT authority found with provided authority ID")
            if not key.tainted:
                raise LifeError("it is not possible to revoke an untainted key")
            self._store(jwt=tuple(other for other in bundle.jwt if other is not key))
            return kid

    def lose_keys(self) -> None:
        """Restart without the key manager's keys: the bundle keeps the old authorities and gains new ones."""
        with self.lock:
            self._jwt.forget()
            self._x509.forget()
            self.tick()

    def lose_keys_and_datastore(self) -> None:
        """Restart with nothing: a disjoint bundle whose sequence number starts again."""
        with self.lock:
            self._bundle = None
            self.lose_keys()

    def tick(self) -> None:
        """Do what has become due: rotation, and every six hours pruning."""
        with self.lock:
            now = self.clock.now()
            self._x509.rotate(now)
            if self.settings.jwt_svids:
                self._jwt.rotate(now)
            if now >= self._next_prune:
                self._next_prune = now + _PRUNE_EVERY
                self._prune(now - _KEPT_AFTER_EXPIRY)

    def next_event(self) -> float:
        """Tell the moment at which `tick` has something to do."""
        with self.lock:
            rotations = (self._x509, self._jwt) if self.settings.jwt_svids else (self._x509,)
            return min(self._next_prune, *(rotation.next_event() for rotation in rotations))

    def _prune(self, expired_before: float) -> None:
        bundle = self.bundle
        jwt = tuple(key for key in bundle.jwt if key.expires_at > expired_before)
        x509 = tuple(root for root in bundle.x509 if root.expires_at > expired_before)
        if (jwt, x509) != (bundle.jwt, bundle.x509):
            self._store(jwt=jwt, x509=x509)

    def _make_jwt(self, now: float) -> Slot:
        slot = self._make(keys.random_kid(), self.settings.key_type, now)
        key = PublishedKey(
            kid=slot.authority_id,
            public_key=slot.private_key.public_key(),
            expires_at=int(slot.not_after),
        )
        self._store(jwt=(*self.bundle.jwt, key))
        return slot

    def _make_x509(self, now: float) -> Slot:
        slot = self._make(keys.random_kid(), "ec-p256", now)
        root = PublishedRoot(
            der=self_signed(slot.private_key, self.settings.trust_domain, now, slot.not_after),
            public_key=slot.private_key.public_key(),
            expires_at=int(slot.not_after),
        )
        self._store(x509=(*self.bundle.x509, root))
        return slot

    def _make(self, authority_id: str, key_type: str, now: float) -> Slot:
        key = keys.MAKERS[key_type]()
        return Slot(
            authority_id=authority_id, private_key=key, issued_at=now, not_after=now + self.settings.ca_ttl
        )

    def _store(self, **changed: Any) -> None:
        # The first store creates the bundle with number 0, every further change counts one up.
        if self._bundle is None:
            self._bundle = Bundle(**changed)
        else:
            number = self._bundle.sequence_number + 1
            self._bundle = replace(self._bundle, **changed, sequence_number=number)
